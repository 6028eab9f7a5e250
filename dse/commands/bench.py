"""bench: how fast is it here?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dse.commands.bench_search import search_command
from dse.commands.bench_sweep import bench_sweep_command
from dse.commands.options import MOST, CatalogueOption, JsonOption, print_json, say

__all__ = ["add_to"]


benches = typer.Typer(help="How fast is it here?")


@benches.callback(invoke_without_command=True)
def bench_command(
    context: typer.Context,
    trials: Annotated[int, typer.Option("--trials", min=1, max=MOST, help="Trials of the study that is timed.")] = 1000,
    points: Annotated[int, typer.Option("--points", min=1, max=10**10, help="Points that are evaluated.")] = 50_000_000,
    scaling: Annotated[bool, typer.Option("--scaling/--no-scaling", help="Also 1e6 against 1e8 points.")] = False,
    storage: Annotated[
        str | None, typer.Option("--storage", help="A server's storage whose overhead is measured too; studies stay.")
    ] = None,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Speed of the evaluator, of a study and of the start on this machine."""
    if context.invoked_subcommand is not None:
        return
    import optuna

    from dse.analysis.bench import bench_evaluator, bench_startup
    from dse.catalogue import open_catalogue
    from dse.search.benchmarks.speed import bench_overhead, bench_study

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = open_catalogue(catalogue)
    document = {
        "evaluator": bench_evaluator(found, points, scaling),
        "study": bench_study(found, trials),
        "study_overhead": bench_overhead(found, url=storage),
        "startup": bench_startup(),
    }
    if as_json:
        print_json(document)
        return
    for part, figures in document.items():
        say(part)
        for name, value in flat(figures).items():
            say(f"  {name:<44} {value:,.4g}" if isinstance(value, float) else f"  {name:<44} {value}")


def flat(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures of figures as one table: 'journal: batched trials per second'."""
    found: dict[str, Any] = {}
    for name, value in figures.items():
        found |= {f"{name}: {key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
    return found


def add_to(app: Any) -> None:
    """Register the commands of this file."""
    benches.command("search")(search_command)
    benches.command("sweep")(bench_sweep_command)
    app.add_typer(benches, name="bench")
