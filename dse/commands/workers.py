"""worker and study status: several processes on one study, and how it stands."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer

from dse.commands.options import MOST, CatalogueOption, JsonOption, print_json, say
from dse.commands.progress import run_with_progress
from dse.commands.studies import DEFAULT_STORAGE, StorageOption, quiet, studies

__all__ = ["add_to"]


@contextmanager
def stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """Whether the process was asked to stop: by SIGTERM or Ctrl-C, whose second time interrupts it at once."""
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {one: signal.signal(one, ask) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(asked)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def worker_command(
    storage: Annotated[str, typer.Argument(help="Where the study is: postgresql://..., journal:PATH, grpc://...")],
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    trials: Annotated[int, typer.Option("--trials", min=1, max=MOST, help="Designs that this worker tries.")] = 300,
    beat: Annotated[
        int, typer.Option("--beat", min=1, max=3600, help="Seconds between signs of life; three left out: dead.")
    ] = 10,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Work on a study beside others, here or on another machine; SIGTERM or Ctrl-C stops after the trials in hand."""
    from dataclasses import asdict

    from dse.catalogue import open_catalogue
    from dse.search.studies.storage import existing_storage, find_study
    from dse.search.studies.study import Work

    quiet()
    with stopped_by_signals() as stop:
        durable = find_study(existing_storage(storage, study, beat), study)
        work = Work(announce=True, every=beat, stop=stop)
        state = run_with_progress(open_catalogue(catalogue), durable, trials, as_json, work)
    document = {"study": study, "told": state.told, "stopped": stop(), "state": asdict(state)}
    if as_json:
        print_json(document)
        return
    say(f"told {state.told} trials{', stopped' if stop() else ''}; the study has {state.done}")


@studies.command("status")
def status_command(
    study: Annotated[str | None, typer.Argument(help="Name of the study; all of the storage when absent.")] = None,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
) -> None:
    """Trials by state, rate, workers alive and dead, best value and time since the last trial was told."""
    from dse.commands.study_text import status_lines
    from dse.search.studies.plan import own_studies
    from dse.search.studies.status import status
    from dse.search.studies.storage import existing_storage, find_study

    quiet()
    opened = existing_storage(storage, study or "")
    documents = [status(one) for one in ([find_study(opened, study)] if study else own_studies(opened))]
    if as_json:
        print_json(documents[0] if study else documents)
        return
    for document in documents:
        for line in status_lines(document):
            say(line)
    if not documents:
        say("no studies yet: start one with `dse study run SPACE`")


def add_to(app: Any) -> None:
    """Register the commands of this file."""
    app.command("worker")(worker_command)
