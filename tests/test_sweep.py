"""A sweep: every design once, the bound a bound, pruned and exhaustive the same, killed and resumed the same."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
from catalogue_files import with_space

from dse.analysis.bench import random_chips
from dse.analysis.comparison import job_of
from dse.best_mapping import OBJECTIVES, QUICK_TO_COMPILE, all_mappings, best_mapping
from dse.catalogue import Catalogue, CatalogueError, activate, list_entries, load_space
from dse.catalogue.build import build_chips
from dse.search.bounds import bound_of, quick_of, work_of
from dse.search.grid import Grid, grid_of, grid_sizes
from dse.search.roofs import grouped, least, needs_of, roof_of
from dse.search.sweep import Sweep, chunks_of, prepare
from dse.search.sweep_run import Plan, Result, State, document_of, result_of, run_sweep, sample_rows
from dse.search.sweep_store import SweepStore, identity_of

SPACES = ("cerebras", "gpu", "lemurian", "matx", "sram-vs-hbm")
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


def swept(catalogue: Catalogue, grid: Grid, folder: Path, prune: bool, front: bool = True) -> tuple[Sweep, State]:
    space = grid.space
    job = job_of(catalogue, space.model, space.traffic, space.price_basis, most_chips=FEW_CHIPS)
    sweep = prepare(grid, job, prune, front)
    store = SweepStore(folder, identity_of(sweep))
    return sweep, run_sweep(sweep, Plan(grid.designs), store, lambda state: None)


def told(result: Result) -> Any:
    best = {name: (one.number, one.mapping, one.values) for name, one in result.optima.items()}
    return best, [(one.number, one.mapping, one.values) for one in result.front]


def test_shipped_spaces_name_a_grid_that_can_be_swept(catalogue: Catalogue) -> None:
    shipped = {entry["name"] for entry in list_entries("space", catalogue)}
    assert shipped == {*SPACES, "a100-neighbours"}
    for name in shipped:
        space = load_space(name, catalogue)
        assert set(grid_sizes(space)) == set(space.free)
        assert 10**6 < grid_of(space, grid_sizes(space)).designs <= 10**9


def test_every_design_is_counted_once(catalogue: Catalogue, space_text: str, tmp_path: Path) -> None:
    space = load_space("mine", with_space(space_text, tmp_path))
    grid = grid_of(space, grid_sizes(space, ["matrix.clock=4"]))
    assert grid.designs == 4 * (1 + 2 * 5)
    designs = [json.dumps(grid.design(number), sort_keys=True) for number in range(grid.designs)]
    assert len(set(designs)) == grid.designs
    absent = [grid.design(number) for number in range(grid.designs) if grid.design(number)["memory.kind"] == "none"]
    assert {design["memory.stacks"] for design in absent} == {0.0}


def test_grid_has_the_ends_of_every_field_and_respects_steps(catalogue: Catalogue) -> None:
    space = load_space("gpu", catalogue)
    grid = grid_of(space, grid_sizes(space))
    values = {path: column for axis in grid.axes for path, column in axis.columns.items()}
    assert values["package.dies"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert values["scale_up.domain"].tolist() == [8.0, 32.0, 144.0]
    assert values["sram.capacity"][[0, -1]].tolist() == [40e6, 256e6]
    assert np.allclose(values["matrix.units"] % 64, 0.0)
    columns = grid.columns(np.array([0, 5, grid.designs - 1]))
    whole = activate(space, {path: columns[path] for path in space.free})
    assert all(np.array_equal(np.broadcast_to(whole[path], 3), columns[path]) for path in space.free)


def test_wrong_grids_and_shards_say_what_is_right(catalogue: Catalogue) -> None:
    space = load_space("gpu", catalogue)
    with pytest.raises(
        CatalogueError, match=r"--grid: is no free field, got 'package.die'.*did you mean 'package.dies'"
    ):
        grid_sizes(space, ["package.die=3"])
    with pytest.raises(CatalogueError, match="must be FIELD=COUNT"):
        grid_sizes(space, ["package.dies=0"])
    with pytest.raises(CatalogueError, match=r"grid is too large.*at most 1,000,000,000; ask for fewer points"):
        grid_of(space, grid_sizes(space, ["matrix.clock=50"]))


def test_order_visits_every_design_once_and_chunks_cover_it(catalogue: Catalogue, tmp_path: Path) -> None:
    grid = small_grid(catalogue, "gpu")
    job = job_of(catalogue, "llama-3.1-70b", "chat", "tco", most_chips=1)
    numbers = prepare(grid, job).numbers(0, grid.designs)
    assert sorted(numbers.tolist()) == list(range(grid.designs))
    for designs in (1, 1024, 1025, 10**6):
        ends = list(chunks_of(designs))
        assert ends[0][0] == 0
        assert ends[-1][1] == designs
        assert all(one[1] == two[0] for one, two in itertools.pairwise(ends))
        parts = [Plan(designs, shard, 3).chunks for shard in range(3)]
        assert sorted(chunk for part in parts for chunk in part) == ends


quick_bound = jax.jit(bound_of, compiler_options=QUICK_TO_COMPILE)
quick_roof = jax.jit(roof_of, compiler_options=QUICK_TO_COMPILE)


@pytest.mark.parametrize("name", SPACES)
def test_bounds_are_never_below_the_truth(catalogue: Catalogue, name: str) -> None:
    """Of each point the merged evaluation and the roof of its mapping; of a group the roof above all of its members."""
    space = load_space(name, catalogue)
    job = job_of(catalogue, space.model, space.traffic, space.price_basis, most_chips=64)
    places = np.linspace(0, np.size(job.mappings.batch) - 1, 1024).astype(int)
    mappings = jax.tree.map(lambda leaf: np.asarray(leaf)[places], job.mappings)
    serving = job.assumptions.serving
    work = work_of(job.transformer, job.requests, mappings, serving.draft_tokens)
    chips = random_chips(space, catalogue, 8, seed=3)
    first = jax.tree.map(lambda leaf: np.asarray(leaf)[0], chips)
    needs = needs_of(first, work, job.transformer, job.requests, mappings, serving)
    group = grouped(needs, 16)
    together = least(needs, group)
    seen = 0
    for index in range(8):
        chip = jax.tree.map(lambda leaf, i=index: np.asarray(leaf)[i], chips)
        true = all_mappings(chip, job.transformer, job.requests, mappings, job.assumptions)
        quick = quick_of(chip, job.assumptions, job.requests)
        bound = quick_bound(quick, work, job.transformer, job.requests, mappings, job.assumptions)
        roof = quick_roof(quick, needs, job.requests, job.assumptions)
        shared = quick_roof(quick, together, job.requests, job.assumptions)
        feasible = np.asarray(true.worst_limit) <= 0.0
        seen += feasible.sum()
        for objective in OBJECTIVES:
            value = np.asarray(getattr(true, objective))[feasible]
            for found, one in (("bound", bound), ("roof", roof)):
                ratio = np.asarray(getattr(one, objective))[feasible] / value
                assert np.all(ratio >= 1.0), f"{name}, design {index}: {found} of {objective} is {ratio.min()} of it"
            assert np.all(np.asarray(getattr(shared, objective))[group[feasible]] >= value)
    assert seen > 100


@pytest.mark.parametrize("name", SPACES)
def test_pruned_and_exhaustive_give_the_same_answer(catalogue: Catalogue, tmp_path: Path, name: str) -> None:
    grid = small_grid(catalogue, name)
    pruned, quick = swept(catalogue, grid, tmp_path / "pruned", True)
    whole, slow = swept(catalogue, grid, tmp_path / "whole", False)
    assert told(result_of(pruned, quick.points)) == told(result_of(whole, slow.points))
    assert slow.counts.designs == quick.counts.designs == grid.designs
    assert slow.counts.broken == quick.counts.broken
    assert result_of(whole, slow.points).front, "the grid holds a design that can do the job"
    alone, one = swept(catalogue, grid, tmp_path / "alone", True, front=False)
    best, known = (result_of(*pair).optima[OBJECTIVES[0]] for pair in ((alone, one.points), (whole, slow.points)))
    assert (best.number, best.mapping, best.values) == (known.number, known.mapping, known.values)


def test_optimum_is_that_of_the_search_over_mappings(catalogue: Catalogue, tmp_path: Path) -> None:
    grid = small_grid(catalogue, "gpu", 64)
    sweep, state = swept(catalogue, grid, tmp_path, True)
    job = sweep.job
    chips = build_chips(grid.columns(np.arange(grid.designs)), job.library)
    for name in OBJECTIVES:
        best = best_mapping(
            chips, job.transformer, job.requests, job.assumptions, mappings=job.mappings, objective=name
        )
        values = np.where(best.metrics.worst_limit <= 0.0, getattr(best.metrics, name), 0.0)
        assert result_of(sweep, state.points).optima[name].values[name] == pytest.approx(values.max(), rel=1e-6)
    document = document_of(sweep, state, result_of(sweep, state.points), OBJECTIVES[0])
    proof = document["certificate"]
    assert proof["grid_optimum"] == document["optimum"]["value"] <= proof["upper_bound"]
    assert proof["box_upper_bound"] is None
    assert document["points"] == grid.designs * np.size(job.mappings.batch)
    rows = sample_rows(sweep, Plan(grid.designs), SweepStore(tmp_path, identity_of(sweep)))
    assert len(rows) == grid.designs
    assert max(row.get(f"value.{OBJECTIVES[0]}", 0.0) for row in rows) == pytest.approx(proof["grid_optimum"])


def test_stopped_anywhere_it_goes_on_to_the_same_answer(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dse.search.sweep.FIRST_CHUNK", 8)
    monkeypatch.setattr("dse.search.sweep.CHUNK", 16)
    grid = small_grid(catalogue, "gpu")
    sweep, state = swept(catalogue, grid, tmp_path / "whole", True)
    store = SweepStore(tmp_path / "stopped", identity_of(sweep))

    class StoppedError(Exception):
        pass

    def stop(state: State) -> None:
        if state.counts.designs >= grid.designs // 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_sweep(sweep, Plan(grid.designs), store, stop)
    (tmp_path / "stopped/chunks/0000000008-0000000024.parquet").write_bytes(b"torn")
    again = run_sweep(sweep, Plan(grid.designs), store, lambda state: None)
    assert again.counts == state.counts
    assert told(result_of(sweep, again.points)) == told(result_of(sweep, state.points))
    for shard in (1, 0, 2):
        parts = SweepStore(tmp_path / "shards", identity_of(sweep))
        run_sweep(sweep, Plan(grid.designs, shard, 3), parts, lambda state: None)
    joined = run_sweep(sweep, Plan(grid.designs), parts, lambda state: None)
    assert joined.fresh_designs == 0
    assert told(result_of(sweep, joined.points)) == told(result_of(sweep, state.points))
    file = store.write_part("front", [one.row for one in result_of(sweep, again.points).front])
    assert pq.read_table(file.parent.parent).column("part").to_pylist()[0] == "front"


def test_another_sweep_in_the_same_folder_is_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    grid = small_grid(catalogue, "gpu")
    job = job_of(catalogue, "llama-3.1-70b", "chat", "tco", most_chips=1)
    SweepStore(tmp_path, identity_of(prepare(grid, job)))
    SweepStore(tmp_path, identity_of(prepare(grid, job)))
    other = replace(job, traffic="batch")
    with pytest.raises(CatalogueError, match=r"holds another sweep: traffic changed; give this sweep another --name"):
        SweepStore(tmp_path, identity_of(prepare(grid, other)))
    changed = replace(job, requests=replace(job.requests, output_tokens=job.requests.output_tokens + 1.0))
    with pytest.raises(CatalogueError, match="figures of the catalogue changed"):
        SweepStore(tmp_path, identity_of(prepare(grid, changed)))
    assert math.prod(grid.shape) == grid.designs
