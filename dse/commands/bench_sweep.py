"""bench sweep: how fast is a sweep of every point, against the evaluator alone?"""

from __future__ import annotations

from typing import Annotated

import typer

from dse.commands.options import CatalogueOption, ChipsLimit, JsonOption, print_json, say

__all__ = ["bench_sweep_command"]


def bench_sweep_command(
    space: Annotated[str, typer.Argument(help="A search space of the catalogue.")] = "sram-vs-hbm",
    points: Annotated[
        int, typer.Option("--points", min=1, max=10**12, help="Points of a sweep, as whole designs.")
    ] = 100_000_000,
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=100, help="In which all take turns.")] = 3,
    workers: Annotated[
        int, typer.Option("--workers", min=0, max=256, help="Workers of Dask, one thread each; 0: none.")
    ] = 2,
    most_chips: ChipsLimit = 1024,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """A sweep without pruning against the evaluator, then on workers against one process, in one run."""
    from dse.search.benchmarks.sweeping import bench_sweep
    from dse.search.sweeps.asked import Asked

    asked = Asked(space, most_chips=most_chips, catalogue=str(catalogue or ""))
    document = bench_sweep(asked, points, rounds, workers)
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        say(f"{name:<44} {value:,.4g}" if isinstance(value, float) else f"{name:<44} {value}")
