"""Sweeps of grids that are small enough to be evaluated whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dse.analysis.comparison import job_of
from dse.catalogue import Catalogue, load_space
from dse.search.sweeps.grid import Grid, grid_of, grid_sizes
from dse.search.sweeps.result import Result
from dse.search.sweeps.run import Plan, State, run_sweep
from dse.search.sweeps.store import SweepStore, identity_of
from dse.search.sweeps.sweep import prepare
from dse.search.sweeps.swept import Sweep

__all__ = ["FEW_CHIPS", "LAWS", "SPACES", "small_grid", "swept", "told"]

SPACES = ("cerebras", "gpu", "lemurian", "matx", "sram-vs-hbm")
LAWS = [name if name in ("gpu", "sram-vs-hbm") else pytest.param(name, marks=pytest.mark.slow) for name in SPACES]
"""Two spaces in every run, the others, whose programs take long to compile, in the slow one."""

FEW_CHIPS = 16
"""Chips of a deployment, so that lattices are small."""


def small_grid(catalogue: Catalogue, name: str, most: int = 96) -> Grid:
    """The grid of a space with two points, then one, of field after field, until it is small."""
    space = load_space(name, catalogue)
    sizes = {path: min(size, 2) for path, size in grid_sizes(space).items()}
    for path in sorted(sizes, key=lambda path: ("clock" in path, "units" in path, "capacity" in path, "kind" in path)):
        if grid_of(space, sizes).designs <= most:
            break
        sizes[path] = 1
    return grid_of(space, sizes)


def swept(
    catalogue: Catalogue,
    grid: Grid,
    folder: Path,
    prune: bool,
    front: bool = True,
    speeds: Sequence[float] = (),
    share: float = 0.0,
) -> tuple[Sweep, State]:
    space = grid.space
    job = job_of(catalogue, space.model, space.traffic, space.price_basis, most_chips=FEW_CHIPS)
    sweep = prepare(grid, job, prune, front, speeds=speeds, share=share)
    store = SweepStore(folder, identity_of(sweep))
    return sweep, run_sweep(sweep, Plan(grid.designs), store, lambda state: None)


def told(result: Result) -> Any:
    best = {name: (one.number, one.mapping, one.values) for name, one in result.optima.items()}
    return best, [(one.point.number, one.point.mapping, one.point.values) for one in result.front]
