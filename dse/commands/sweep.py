"""sweep: what is the best design of a whole grid, proven?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.commands.options import (
    BuyerOption,
    CatalogueOption,
    ChipsLimit,
    JsonOption,
    LeastQsnrOption,
    LossOption,
    VolumeOption,
    print_json,
    say,
)

if TYPE_CHECKING:
    from dse.catalogue import Catalogue
    from dse.search.sweep import Sweep
    from dse.search.sweep_run import Plan, Result, State
    from dse.search.sweep_store import SweepStore

__all__ = ["add_to"]

MOST_SHARDS = 100_000


def sweep_command(
    space: Annotated[str, typer.Argument(help="A search space of the catalogue.")],
    model: Annotated[str | None, typer.Option("--model", help="Default: the space's.")] = None,
    traffic: Annotated[str | None, typer.Option("--traffic", help="Default: the space's.")] = None,
    objective: Annotated[str | None, typer.Option("--objective", help="Default: the space's.")] = None,
    price_basis: Annotated[str | None, typer.Option("--price-basis", help="Default: the space's.")] = None,
    grid: Annotated[
        list[str] | None, typer.Option("--grid", help="FIELD=COUNT: points of a free field, in place of the space's.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, max=10**9, help="Only so many designs, spread over the grid.")
    ] = None,
    shard: Annotated[str, typer.Option("--shard", help="I/N: the I-th of N parts, from 1; then once without.")] = "1/1",
    name: Annotated[
        str | None, typer.Option("--name", help="Folder under results/sweeps; default: the space's.")
    ] = None,
    prune: Annotated[bool, typer.Option("--prune/--no-prune", help="Leave out what provably cannot be best.")] = True,
    front: Annotated[
        bool,
        typer.Option("--front/--no-front", help="Optima and front, or the optimum of the objective alone: faster."),
    ] = True,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, whatever is there.")] = False,
    buyer: BuyerOption = "hyperscaler",
    volume: VolumeOption = None,
    min_qsnr: LeastQsnrOption = None,
    max_loss: LossOption = None,
    most_chips: ChipsLimit = 1024,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every design of the grid of a space with every mapping: the proven optimum and the exact front."""
    from dse.analysis.comparison import job_of
    from dse.analysis.quality import quality_asked
    from dse.catalogue import load_space, open_catalogue
    from dse.search.grid import grid_of, grid_sizes
    from dse.search.objective import metric_of
    from dse.search.sweep import prepare
    from dse.search.sweep_run import Plan
    from dse.search.sweep_store import SweepStore, forget, identity_of

    found = open_catalogue(catalogue)
    box = load_space(space, found)
    asked = metric_of(objective or box.objective)
    points = grid_of(box, grid_sizes(box, grid or ()))
    basis = price_basis or box.price_basis
    limits = (most_chips, buyer, volume, quality_asked(min_qsnr, max_loss))
    job = job_of(found, model or box.model, traffic or box.traffic, basis, asked, *limits)
    part, parts = shard_of(shard)
    plan = Plan(min(limit or points.designs, points.designs), part, parts)
    sweep = prepare(points, job, prune, front)
    folder = Path("results/sweeps") / (name or box.name)
    if restart:
        forget(folder)
    run = sweep, plan, SweepStore(folder, identity_of(sweep))
    document = document_run(run, asked, (found, catalogue), as_json)
    if as_json:
        print_json(document)
        return
    tell(document, asked)


def document_run(
    run: tuple[Sweep, Plan, SweepStore], objective: str, places: tuple[Catalogue, Path | None], silent: bool
) -> dict[str, Any]:
    """Run a sweep and write what it found; the document that tells it."""
    from dse.search.sweep_run import document_of, result_of

    state = run_shown(*run, objective, silent)
    result = result_of(run[0], state.points)
    return document_of(run[0], state, result, objective) | kept(run, result, objective, places)


def shard_of(text: str) -> tuple[int, int]:
    """Shard, from 0, and their number; CatalogueError for anything but I/N."""
    from dse.catalogue import CatalogueError, Problem

    one, _, many = text.partition("/")
    if not (one.isdecimal() and many.isdecimal() and 1 <= int(one) <= int(many) <= MOST_SHARDS):
        way_out = f"write I/N with 1 <= I <= N <= {MOST_SHARDS:,}, for example --shard 2/8"
        raise CatalogueError([Problem("is no shard", "", "--shard", repr(text), way_out=way_out)])
    return int(one) - 1, int(many)


def run_shown(sweep: Sweep, plan: Plan, store: SweepStore, objective: str, silent: bool) -> State:
    """Run behind a line with designs done, time, rate, what is left and the best; Ctrl-C keeps what is finished."""
    from rich.console import Console

    from dse.commands.progress import sweep_bar
    from dse.search.sweep_run import run_sweep

    console = Console(stderr=True)
    total = sum(stop - start for start, stop in plan.chunks)
    if not silent:
        console.print(f"sweep {store.folder}: {total:,} designs x {sweep.mappings:,} mappings", highlight=False)
    with sweep_bar(console, silent) as bar:
        task = bar.add_task("", total=total, state="screening a sample first")

        def told(state: State) -> None:
            bar.update(task, completed=state.counts.designs, state=state_text(state, total, sweep.mappings, objective))

        try:
            return run_sweep(sweep, plan, store, told)
        except KeyboardInterrupt:
            say("stopped; every finished chunk is kept. The same command goes on")
            raise


def state_text(state: State, total: int, mappings: int, objective: str) -> str:
    """Points a second, time left and the best so far, short enough for one line."""
    from dse.reporting.text import measured, significant
    from dse.search.points import OF_POINTS

    values = getattr(state.points, OF_POINTS[objective])
    best = f"best {' '.join(measured(objective, float(values.max())))}" if values.size else "none feasible yet"
    rate = state.fresh_designs / state.fresh_seconds if state.fresh_designs else 0.0
    if not rate:
        return best
    left = (total - state.counts.designs) / rate
    return f"{significant(rate * mappings / 1e6)} M points/s, {clock(left)} left, {best}"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> clock(3725.0)
    '1:02:05'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def kept(
    run: tuple[Sweep, Plan, SweepStore], result: Result, objective: str, places: tuple[Catalogue, Path | None]
) -> dict[str, Any]:
    """Write chip file and data set; their places, and the command that gives the same numbers."""
    from dse.catalogue import write_chip
    from dse.commands.again import evaluation_command
    from dse.search.sweep_run import sample_rows
    from dse.timing.mapping import Mapping

    (sweep, plan, store), (catalogue, own) = run, places
    box = sweep.grid.space
    files = {
        "front": str(store.write_part("front", [one.row for one in result.front])),
        "sample": str(store.write_part("sample", sample_rows(sweep, plan, store))),
    }
    if not result.optima:
        return {"files": files, "evaluate": []}
    best = result.optima[objective]
    file = store.folder / "chips" / f"{box.name}-optimum.toml"
    title, note = f"{box.title}: optimum of its grid", f"design {best.number} of the grid of the space {box.name}"
    write_chip(file, best.design, title=title, note=note, catalogue=catalogue)
    again = evaluation_command(Mapping(**best.mapping), sweep.job, file, own)
    return {"files": files | {"chip": str(file)}, "evaluate": [again]}


def tell(document: dict[str, Any], objective: str) -> None:
    """What was found, for a person."""
    from dse.reporting.text import measured, significant

    best, proof = document["optimum"], document["certificate"]
    if best is None:
        say("no design of the grid can do the job")
    else:
        say(f"optimum: {' '.join(measured(objective, best['value']))}")
        for path, value in best["free"].items():
            say(f"  {path:<24} {value if isinstance(value, str) else significant(value, 6)}")
    for line in proof["statements"]:
        say(line)
    for what, file in document["files"].items():
        say(f"{what + ':':<11} {file}")
    for command in document["evaluate"]:
        say(f"the same numbers from the chip file:\n  {command}")


def add_to(app: Any) -> None:
    """Register the commands of this file."""
    app.command("sweep")(sweep_command)
