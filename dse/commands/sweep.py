"""sweep: what is the best design of a whole grid, proven?"""

from __future__ import annotations

import re
import shlex
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
    from dse.search.sweeps.asked import Asked
    from dse.search.sweeps.result import Result
    from dse.search.sweeps.run import Plan, State
    from dse.search.sweeps.store import SweepStore
    from dse.search.sweeps.swept import Sweep

__all__ = ["add_to"]

MOST_SHARDS = 100_000

BoxOption = Annotated[
    int,
    typer.Option("--box-seconds", min=0, max=86_400, help="Time for a bound between the points of the grid; 0: none."),
]
SpeedsOption = Annotated[
    str, typer.Option("--speeds", help="Tokens/s/user, 20,50,100: where the front is proven. Default: round ones.")
]
WholeOption = Annotated[bool, typer.Option("--whole-front", help="All of the front and every optimum: hours.")]
SubmitOption = Annotated[
    str, typer.Option("--submit", help="slurm or lsf: print how --shard 1/N is submitted as an array of N jobs.")
]
DaskOption = Annotated[bool, typer.Option("--dask", help="Spread over workers of this machine, one for each core.")]
SchedulerOption = Annotated[
    str, typer.Option("--scheduler", help="Spread over a running Dask cluster: tcp://HOST:PORT.")
]


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
        typer.Option("--front/--no-front", help="The front too, or the optimum of the objective alone: faster."),
    ] = True,
    speeds: SpeedsOption = "",
    whole_front: WholeOption = False,
    box_seconds: BoxOption = 20,
    submit: SubmitOption = "",
    dask: DaskOption = False,
    scheduler: SchedulerOption = "",
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, whatever is there.")] = False,
    buyer: BuyerOption = "hyperscaler",
    volume: VolumeOption = None,
    min_qsnr: LeastQsnrOption = None,
    max_loss: LossOption = None,
    most_chips: ChipsLimit = 1024,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every design of the grid of a space with every mapping: the proven optimum, and the front at stated speeds."""
    from dse.analysis.quality import quality_asked
    from dse.search.sweeps.asked import Asked
    from dse.search.sweeps.speeds import speeds_asked

    part, parts = shard_of(shard)
    words = (space, model or "", traffic or "", objective or "", price_basis or "", tuple(grid or ()))
    quality = quality_asked(min_qsnr, max_loss)
    rest = (prune, front, buyer, volume, most_chips, str(catalogue or ""))
    stated = speeds_asked(speeds, front, whole_front)
    asked = Asked(*words, *rest, quality.least_qsnr, quality.greatest_loss, stated, whole_front)
    if submit:
        submitted(asked, submit, parts, name, limit, as_json)
        return
    spread = (asked, scheduler) if dask or scheduler else None
    document, sought = document_run(asked, (limit, part, parts), (name, restart), spread, box_seconds, as_json)
    if as_json:
        print_json(document)
        return
    tell(document, sought)


ARRAYS = {
    "slurm": ("sbatch --job-name={job} --array=1-{parts} --cpus-per-task=2 --wrap={command}", "$SLURM_ARRAY_TASK_ID"),
    "lsf": ("bsub -J '{job}[1-{parts}]' -n 2 {command}", "$LSB_JOBINDEX"),
}
"""Batch system -> how an array of jobs is submitted, and which variable holds the number of a job."""


def submitted(asked: Asked, system: str, parts: int, name: str | None, limit: int | None, as_json: bool) -> None:
    """Print how the shards are submitted, and the command that then merges them.

    CatalogueError for other systems, for a single shard, and for what every job would refuse.
    """
    from dse.catalogue import CatalogueError, Problem
    from dse.catalogue.errors import listed, nearest
    from dse.search.sweeps.asked import job_and_grid

    if system not in ARRAYS:
        close = nearest(system, ARRAYS)
        raise CatalogueError([Problem("unknown batch system", "", "--submit", repr(system), listed(ARRAYS), close)])
    if parts == 1:
        way_out = "say how many jobs, for example --shard 1/64"
        raise CatalogueError([Problem("an array needs several shards", "", "--shard", "1/1", way_out=way_out)])
    job_and_grid(asked)
    line, variable = ARRAYS[system]
    rest = [*(["--name", name] if name else []), *(["--limit", str(limit)] if limit else [])]
    command = f"{asked.command()} {shlex.join(rest)}".strip()
    quoted = shlex.quote(f"{command} --box-seconds 0 --shard {variable}/{parts}")
    job = re.sub(r"[^\w.-]+", "-", f"sweep-{name or asked.space}")
    told = {"submit": line.format(job=job, parts=parts, command=quoted), "merge": command}
    if as_json:
        print_json(told)
        return
    say(told["submit"])
    say(f"from a folder that all machines share; there too, for the answer:\n{told['merge']}")


def document_run(
    asked: Asked,
    plan: tuple[int | None, int, int],
    folder: tuple[str | None, bool],
    spread: tuple[Asked, str] | None,
    box_seconds: int,
    silent: bool,
) -> tuple[dict[str, Any], str]:
    """Run a sweep and write what it found; the document that tells it, and what was maximised.

    plan: most designs, shard, shards; folder: its name, and whether it is emptied first; spread: as in `run_shown`.
    """
    from dse.search.sweeps.asked import sweep_of
    from dse.search.sweeps.ceiling import ceiling
    from dse.search.sweeps.result import document_of, result_of
    from dse.search.sweeps.run import Plan
    from dse.search.sweeps.store import SweepStore, forget, identity_of

    sweep, found = sweep_of(asked)
    job, designs = sweep.job, sweep.grid.designs
    place = folder_of(folder[0] or sweep.grid.space.name)
    if folder[1]:
        forget(place)
    run = sweep, Plan(min(plan[0] or designs, designs), *plan[1:]), SweepStore(place, identity_of(sweep))
    state = run_shown(*run, job.objective, silent, spread)
    result, bound = result_of(sweep, state), None
    best = result.optima.get(job.objective)
    if best is not None and box_seconds > 0 and state.counts.designs == designs:
        bound = ceiling(sweep.grid.space, job, best.values[job.objective], box_seconds)
    document = document_of(sweep, state, result, job.objective, bound)
    own = Path(asked.catalogue) if asked.catalogue else None
    return document | kept(run, result, job.objective, (found, own)), job.objective


def folder_of(name: str) -> Path:
    """The folder of a sweep; CatalogueError for a name that leads out of results/sweeps."""
    from dse.catalogue import CatalogueError, Problem

    if Path(name).name != name or name in ("", ".."):
        way_out = "give one word, for example --name mine"
        raise CatalogueError([Problem("is no name of a folder", "", "--name", repr(name), way_out=way_out)])
    return Path("results/sweeps") / name


def shard_of(text: str) -> tuple[int, int]:
    """Shard, from 0, and their number; CatalogueError for anything but I/N."""
    from dse.catalogue import CatalogueError, Problem

    one, _, many = text.partition("/")
    if not (one.isdecimal() and many.isdecimal() and 1 <= int(one) <= int(many) <= MOST_SHARDS):
        way_out = f"write I/N with 1 <= I <= N <= {MOST_SHARDS:,}, for example --shard 2/8"
        raise CatalogueError([Problem("is no shard", "", "--shard", repr(text), way_out=way_out)])
    return int(one) - 1, int(many)


def run_shown(
    sweep: Sweep, plan: Plan, store: SweepStore, objective: str, silent: bool, spread: tuple[Asked, str] | None = None
) -> State:
    """Run behind a line with designs done, time, rate, what is left and the best; Ctrl-C keeps what is finished.

    spread: words of the sweep and address of the scheduler ('' for workers of this machine) where Dask spreads it.
    """
    import os

    from rich.console import Console

    from dse.commands.progress import sweep_bar
    from dse.search.sweeps.run import run_sweep

    console = Console(stderr=True)
    total = plan.designs
    if not silent:
        console.print(f"sweep {store.folder}: {total:,} designs x {sweep.mappings:,} mappings", highlight=False)
    with sweep_bar(console, silent) as bar:
        task = bar.add_task("", total=total, state="screening a sample first")

        def told(state: State) -> None:
            text = state_text(state, plan, sweep.mappings, objective)
            bar.update(task, completed=state.counts.designs, state=text)

        try:
            if spread is None:
                return run_sweep(sweep, plan, store, told)
            from dse.search.sweeps.cluster import cluster, run_on_cluster

            with cluster(spread[1], os.cpu_count() or 1) as client:
                return run_on_cluster(spread[0], sweep, plan, store, told, client)
        except KeyboardInterrupt:
            say("stopped; every finished chunk is kept. The same command goes on")
            raise


def state_text(state: State, plan: Plan, mappings: int, objective: str) -> str:
    """Points a second, time left and the best so far, short enough for one line; left: where all shards run alike."""
    from dse.reporting.text import measured, significant
    from dse.search.sweeps.points import OF_POINTS

    values = getattr(state.points, OF_POINTS[objective])
    best = f"best {' '.join(measured(objective, float(values.max())))}" if values.size else "none feasible yet"
    rate = state.fresh_designs / state.fresh_seconds if state.fresh_designs else 0.0
    if not rate:
        return best
    left = (plan.designs - state.counts.designs) / plan.of / rate
    return f"covers {significant(rate * mappings / 1e6)} M points/s, {clock(left)} left, {best}"


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
    from dse.search.sweeps.result import sample_rows
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
