"""Between the points of a grid: what a box says of its chips holds for every design in it, wherever it lies."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from small_sweeps import FEW_CHIPS, SPACES

from dse.analysis.comparison import job_of
from dse.arrays import leaf_names
from dse.best_mapping import OBJECTIVES, evaluate_pairs
from dse.catalogue import Catalogue, load_space
from dse.catalogue.build import build_chips
from dse.catalogue.library import Column
from dse.hardware.chip import Chip
from dse.search.sweeps.bounds import quick_of
from dse.search.sweeps.boxes import chip_range, tables_of
from dse.search.sweeps.branch import roofs_of, sheet_over
from dse.search.sweeps.ceiling import cells_of
from dse.search.sweeps.grid import Axis, Grid
from dse.search.sweeps.sheet import HIGH, Sheet, sheet_of
from dse.search.sweeps.sweep import prepare

BOXES = 1536
"""Boxes of each test, a third of neighbouring points, a third of any, a third of the whole space."""

ROUNDING = 2e-6
"""Of single precision, in which tables hold the numbers of chips."""


def boxes(grid: Grid, apart: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """First and last rows of boxes (boxes, axes)."""
    rows = np.array(grid.shape)
    ends = np.sort(generator.integers(0, rows, (2, BOXES, len(rows))), axis=0)
    first, last = ends
    third = BOXES // 3
    last[:third] = np.minimum(first[:third] + (1 - apart), rows - 1)
    first[2 * third :], last[2 * third :] = 0, rows - 1
    return first, last


def inside(
    axis: Axis, free: bool, first: np.ndarray, last: np.ndarray, generator: np.random.Generator
) -> dict[str, Column]:
    """A value of each field of an axis in every box, between two neighbouring points where all lies in it that does."""
    row = generator.integers(first, last + 1)
    after = np.minimum(row + 1, last)
    numbers = [path for path, values in axis.columns.items() if values.dtype.kind == "f" and free]
    differing = [path for path, values in axis.columns.items() if (values[row] != values[after]).any()]
    alike = np.ones(len(row), bool)
    for path in axis.columns:
        if path not in numbers or len(differing) > 1:
            alike &= axis.columns[path][row] == axis.columns[path][after]
    share = generator.random(len(row)) * alike
    found: dict[str, Column] = {path: values[row] for path, values in axis.columns.items()}
    for path in numbers:
        low, high = (axis.columns[path][rows] for rows in (row, after))
        found[path] = np.where(share > 0.0, low + share * (high - low), low)
    return found


def designs_inside(
    grid: Grid, apart: np.ndarray, first: np.ndarray, last: np.ndarray, generator: np.random.Generator
) -> dict[str, Column]:
    """A random design in each box, complete."""
    columns: dict[str, Column] = dict(grid.space.fixed)
    for place, axis in enumerate(grid.axes):
        columns |= inside(axis, apart[place] == 0, first[:, place], last[:, place], generator)
    return columns


@pytest.mark.parametrize("name", SPACES)
def test_every_number_of_a_chip_lies_in_the_range_of_its_box(catalogue: Catalogue, name: str) -> None:
    """Which it does only if each number is monotone between neighbouring points of every field."""
    cells = cells_of(load_space(name, catalogue))
    assert cells is not None
    grid, apart = cells
    generator = np.random.default_rng(23)
    first, last = boxes(grid, apart, generator)
    columns = designs_inside(grid, apart, first, last, generator)
    between = [path for axis in grid.axes for path, values in axis.columns.items() if strictly(columns[path], values)]
    assert {"matrix.clock", "sram.capacity", "sram.bandwidth", "package.tdp"} <= set(between)
    chips = build_chips(columns, catalogue.library)
    low, high = chip_range(tables_of(grid, catalogue.library), first.astype(np.int32), last.astype(np.int32))
    for path, leaves in named_leaves(low, high, chips).items():
        least, most, value = (np.broadcast_to(np.asarray(leaf, float), BOXES) for leaf in leaves)
        room = np.abs(value) * ROUNDING
        outside = ~np.isnan(value) & ((value < least - room) | (value > most + room))
        assert not outside.any(), f"{path}: {outside.sum()} designs are outside of their box"


def strictly(column: Column, points: np.ndarray) -> bool:
    """Whether a field takes values between its points."""
    return isinstance(column, np.ndarray) and column.dtype.kind == "f" and not np.isin(column, points).all()


def named_leaves(*chips: Chip) -> dict[str, list[object]]:
    """Path of every leaf -> that of each of some chips."""
    flat = [jax.tree_util.tree_leaves_with_path(chip) for chip in chips]
    return {jax.tree_util.keystr(rows[0][0]): [row[1] for row in rows] for rows in zip(*flat, strict=True)}


MANY = [name if name == "gpu" else pytest.param(name, marks=pytest.mark.slow) for name in SPACES]


@pytest.mark.parametrize("name", MANY)
def test_no_design_between_the_points_beats_its_box(catalogue: Catalogue, name: str) -> None:
    """By any number of its sheet, nor by the evaluator under any mapping of a group that is bounded."""
    space = load_space(name, catalogue)
    job = job_of(catalogue, space.model, space.traffic, space.price_basis, most_chips=FEW_CHIPS)
    cells = cells_of(space)
    assert cells is not None
    grid, apart = cells
    sweep = prepare(grid, job, True, False, apart)
    generator = np.random.default_rng(29)
    first, last = boxes(grid, apart, generator)
    chips = build_chips(designs_inside(grid, apart, first, last, generator), catalogue.library)
    over = sheet_over(sweep, first, last)
    own = sheet_of(quick_of(chips, job.assumptions, job.requests))
    for field in leaf_names(Sheet):
        box, one = (
            np.broadcast_to(np.asarray(getattr(sheet, field), float), len(leaf))[:BOXES]
            for sheet, leaf in ((over[0], over[0].near), (own, first))
        )
        room = np.abs(one) * 1e-4 + (1e-4 if field == "excess" else 0.0)
        better = one > box + room if field in HIGH else one < box - room
        assert not (better & ~np.isnan(one)).any(), f"{field}: {better.sum()} designs are better than their box"
    tree = sweep.tree
    leaf = generator.integers(tree.levels[-1], tree.levels[-1] + len(tree.places), BOXES)
    mappings = jax.tree.map(lambda column: np.asarray(column)[tree.place(leaf)], job.mappings)
    metrics = evaluate_pairs(chips, job.transformer, job.requests, mappings, job.assumptions)
    feasible = np.asarray(metrics.worst_limit) <= 0.0
    roofs = roofs_of(sweep, over, np.arange(BOXES), leaf)
    for objective, roof in zip(OBJECTIVES, roofs, strict=True):
        value = np.where(feasible, np.asarray(getattr(metrics, objective)), 0.0)
        assert np.all(value <= roof), f"{objective}: {(value > roof).sum()} points beat the bound of their box"
    assert feasible.sum() >= 8
