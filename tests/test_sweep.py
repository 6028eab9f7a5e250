"""A sweep: every design once, the bound a bound, pruned and exhaustive the same, killed and resumed the same."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
from catalogue_files import with_space
from small_sweeps import FEW_CHIPS, LAWS, SPACES, small_grid, swept, told

from dse.analysis.bench import random_chips
from dse.analysis.comparison import job_of
from dse.best_mapping import OBJECTIVES, QUICK_TO_COMPILE, all_mappings, best_mapping
from dse.catalogue import Catalogue, CatalogueError, activate, list_entries, load_space
from dse.catalogue.build import build_chips
from dse.commands.sweep import folder_of, submitted
from dse.search.sweeps.asked import Asked, sweep_of
from dse.search.sweeps.bounds import bound_of, quick_of, work_of
from dse.search.sweeps.boxes import chips_at, tables_of
from dse.search.sweeps.branch import Batch, roofs_of, sheet_over
from dse.search.sweeps.ceiling import MOST_NODES, ceiling, without_lower_half
from dse.search.sweeps.cover import cover_of, designs_in
from dse.search.sweeps.grid import grid_of, grid_sizes
from dse.search.sweeps.result import document_of, result_of, sample_rows
from dse.search.sweeps.roofs import needs_of, roof_of, shape_of
from dse.search.sweeps.run import Plan, State, run_sweep
from dse.search.sweeps.sheet import HIGH, Sheet, sheet_of, sheets_at
from dse.search.sweeps.store import SweepStore, identity_of
from dse.search.sweeps.sweep import prepare
from dse.search.sweeps.swept import Sweep


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
    assert values["scale_up.domain"].tolist() == [8.0, 144.0]
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
    with pytest.raises(CatalogueError, match="count of 1 to 4096"):
        grid_sizes(space, ["matrix.clock=1000000000"])
    with pytest.raises(CatalogueError, match=r"grid is too large.*at most 1,000,000,000; ask for fewer points"):
        grid_of(space, grid_sizes(space, ["matrix.clock=50"]))


def test_a_cover_holds_every_design_once(catalogue: Catalogue) -> None:
    grid = small_grid(catalogue, "gpu", 512)
    job = job_of(catalogue, "llama-3.1-70b", "chat", "tco", most_chips=1)
    sweep = prepare(grid, job)
    assert sorted(sweep.numbers(0, grid.designs).tolist()) == list(range(grid.designs))
    for regions in (1, 7, 100, 10**6):
        cover = cover_of(sweep, grid.designs, regions)
        assert cover.count >= min(regions, grid.designs)
        digits = np.concatenate([designs_in(*box) for box in zip(cover.first, cover.last, strict=True)])
        assert sorted(sweep.numbers_of(digits).tolist()) == list(range(grid.designs))
        assert cover.sizes.sum() == grid.designs
    assert cover_of(sweep, 5).sizes.tolist() == [1] * 5


quick_bound = jax.jit(bound_of, compiler_options=QUICK_TO_COMPILE)
quick_roof = jax.jit(roof_of, compiler_options=QUICK_TO_COMPILE)


@pytest.mark.parametrize("name", SPACES)
def test_bounds_are_never_below_the_truth(catalogue: Catalogue, name: str) -> None:
    """Of each point the merged evaluation and the roof of its mapping."""
    space = load_space(name, catalogue)
    job = job_of(catalogue, space.model, space.traffic, space.price_basis, most_chips=64)
    places = np.linspace(0, np.size(job.mappings.batch) - 1, 1024).astype(int)
    mappings = jax.tree.map(lambda leaf: np.asarray(leaf)[places], job.mappings)
    serving = job.assumptions.serving
    work = work_of(job.transformer, job.requests, mappings, serving.draft_tokens)
    chips = random_chips(space, catalogue, 8, seed=3)
    seen = 0
    for index in range(8):
        chip = jax.tree.map(lambda leaf, i=index: np.asarray(leaf)[i], chips)
        needs = needs_of(chip, shape_of(chip), work, job.transformer, job.requests, mappings, serving)
        true = all_mappings(chip, job.transformer, job.requests, mappings, job.assumptions)
        quick = quick_of(chip, job.assumptions, job.requests)
        bound = quick_bound(quick, work, job.transformer, job.requests, mappings, job.assumptions)
        roof = quick_roof(sheet_of(quick), needs, job.requests, job.assumptions)
        feasible = np.asarray(true.worst_limit) <= 0.0
        seen += feasible.sum()
        for objective in OBJECTIVES:
            value = np.asarray(getattr(true, objective))[feasible]
            for found, one in (("bound", bound), ("roof", roof)):
                ratio = np.asarray(getattr(one, objective))[feasible] / value
                assert np.all(ratio >= 1.0), f"{name}, design {index}: {found} of {objective} is {ratio.min()} of it"
    assert seen > 100


def boxes_around(sweep: Sweep, digits: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A random box around each of some designs (designs, axes)."""
    generator = np.random.default_rng(seed)
    below, above = (generator.random(digits.shape) ** 3 for _ in range(2))
    first = digits - np.floor(below * (digits + 1)).astype(np.int64)
    last = digits + np.floor(above * (np.array(sweep.shape) - digits)).astype(np.int64)
    return np.maximum(first, 0), np.minimum(last, np.array(sweep.shape) - 1)


@pytest.mark.parametrize("name", LAWS)
def test_a_box_is_at_least_as_good_as_every_design_in_it(catalogue: Catalogue, name: str) -> None:
    """Its sheet by every number, and its roofs under groups of mappings, above those of members of the groups."""
    space = load_space(name, catalogue)
    grid = grid_of(space, grid_sizes(space))
    job = job_of(catalogue, space.model, space.traffic, space.price_basis, most_chips=FEW_CHIPS)
    sweep = prepare(grid, job)
    generator = np.random.default_rng(5)
    digits = np.stack([generator.integers(0, rows, 4096) for rows in grid.shape], 1)
    first, last = boxes_around(sweep, digits, seed=6)
    inside, box = (sheet_over(sweep, *ends) for ends in ((digits, digits), (first, last)))
    point = sheets_at(sweep.tables, digits.astype(np.int32), sweep.assumptions, sweep.traffic)
    for field in Sheet.__dataclass_fields__:
        exact, one, over = (np.asarray(getattr(sheet, field)) for sheet in (point, inside[0], box[0]))
        np.testing.assert_allclose(one, exact, rtol=1e-5, atol=1e-5 if field == "excess" else 0.0, err_msg=field)
        better = over >= exact * (1.0 - 1e-5) if field in HIGH else over <= exact + np.abs(exact) * 1e-5 + 1e-6
        assert np.all(better), f"{field}: {(~better).sum()} designs are better than their box"
    tree = sweep.tree
    for level, (low, high) in enumerate(zip(tree.levels[:-1], tree.levels[1:], strict=True)):
        group = generator.integers(low, high, len(digits))
        below = tree.first[group] + generator.integers(0, tree.count[group])
        above = roofs_of(sweep, box, np.arange(len(digits)), group)
        under = roofs_of(sweep, inside, np.arange(len(digits)), below)
        for objective, roof, member in zip(OBJECTIVES, above, under, strict=True):
            assert np.all(roof >= member * (1.0 - 1e-5)), f"{objective}, level {level}"


def test_tables_give_the_chips_of_the_catalogue(catalogue: Catalogue) -> None:
    for name in SPACES:
        grid = grid_of(space := load_space(name, catalogue), grid_sizes(space))
        tables = tables_of(grid, catalogue.library)
        numbers = np.random.default_rng(7).integers(0, grid.designs, 2000)
        digits = np.stack(np.unravel_index(numbers, grid.shape), 1)
        built = build_chips(grid.columns(numbers), catalogue.library)
        for one, other in zip(jax.tree.leaves(chips_at(tables, digits)), jax.tree.leaves(built), strict=True):
            np.testing.assert_array_equal(np.broadcast_to(one, 2000), np.asarray(other, np.float32), err_msg=name)


@pytest.mark.parametrize("name", LAWS)
def test_pruned_and_exhaustive_give_the_same_answer(catalogue: Catalogue, tmp_path: Path, name: str) -> None:
    grid = small_grid(catalogue, name)
    pruned, quick = swept(catalogue, grid, tmp_path / "pruned", True)
    whole, slow = swept(catalogue, grid, tmp_path / "whole", False)
    assert told(result_of(pruned, quick)) == told(result_of(whole, slow))
    assert slow.counts.designs == quick.counts.designs == grid.designs
    assert result_of(whole, slow).front, "the grid holds a design that can do the job"
    alone, one = swept(catalogue, grid, tmp_path / "alone", True, front=False)
    best, known = (result_of(*pair).optima[OBJECTIVES[0]] for pair in ((alone, one), (whole, slow)))
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
        assert result_of(sweep, state).optima[name].values[name] == pytest.approx(values.max(), rel=1e-6)
    document = document_of(sweep, state, result_of(sweep, state), OBJECTIVES[0])
    proof = document["certificate"]
    assert proof["grid_optimum"] == document["optimum"]["value"] <= proof["grid_upper_bound"]
    assert proof["upper_bound"] is None
    assert document["points"] == grid.designs * np.size(job.mappings.batch)
    rows = sample_rows(sweep, Plan(grid.designs), SweepStore(tmp_path, identity_of(sweep)))
    assert len(rows) == grid.designs
    assert max(row.get(f"value.{OBJECTIVES[0]}", 0.0) for row in rows) == pytest.approx(proof["grid_optimum"])


def test_stopped_anywhere_it_goes_on_to_the_same_answer(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dse.search.sweeps.run.FIRST_CHUNK", 8)
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
    sorted((tmp_path / "stopped/chunks").glob("part-*"))[1].write_bytes(b"torn")
    again = run_sweep(sweep, Plan(grid.designs), store, lambda state: None)
    assert again.counts.designs == state.counts.designs == grid.designs
    assert told(result_of(sweep, again)) == told(result_of(sweep, state))
    for shard in (1, 0, 2, 1):
        parts = SweepStore(tmp_path / "shards", identity_of(sweep))
        run_sweep(sweep, Plan(grid.designs, shard, 3), parts, lambda state: None)
    joined = run_sweep(sweep, Plan(grid.designs), parts, lambda state: None)
    assert joined.fresh_designs == 0
    assert joined.counts.designs == grid.designs
    assert told(result_of(sweep, joined)) == told(result_of(sweep, state))
    file = store.write_part("front", [one.row for one in result_of(sweep, again).front])
    assert pq.read_table(file.parent.parent).column("part").to_pylist()[0] == "front"


def test_what_a_limit_left_says_nothing_of_the_boxes_of_the_whole_grid(catalogue: Catalogue, tmp_path: Path) -> None:
    """A few designs are swept first, then all in the same folder: nothing of the grid counts as done already."""
    grid = small_grid(catalogue, "gpu", 64)
    sweep, whole = swept(catalogue, grid, tmp_path / "whole", False)
    store = SweepStore(tmp_path / "both", identity_of(sweep))
    run_sweep(sweep, Plan(grid.designs // 2), store, lambda state: None)
    both = run_sweep(sweep, Plan(grid.designs), store, lambda state: None)
    assert both.fresh_designs == both.counts.designs == grid.designs
    assert told(result_of(sweep, both)) == told(result_of(sweep, whole))
    rows, own = (sample_rows(sweep, Plan(grid.designs), one) for one in (store, SweepStore(tmp_path / "whole", {})))
    assert [row["feasible"] for row in rows] == [row["feasible"] for row in own]


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


@pytest.mark.slow
def test_a_cluster_gives_the_answer_of_one_process(catalogue: Catalogue, tmp_path: Path) -> None:
    """Also when one of its two workers dies on the way, and where nobody answers it says so."""
    pytest.importorskip("distributed", reason="needs the extra dask")
    from dse.search.sweeps.cluster import cluster, run_on_cluster

    axes = small_grid(catalogue, "gpu").axes
    sizes = tuple(f"{path}={len(np.unique(values))}" for axis in axes for path, values in axis.columns.items())
    asked = Asked("gpu", most_chips=FEW_CHIPS, grid=sizes)
    sweep, _ = sweep_of(asked)
    plan = Plan(sweep.grid.designs)
    alone = run_sweep(sweep, plan, SweepStore(tmp_path / "alone", identity_of(sweep)), lambda state: None)
    lost: list[int] = []
    with cluster("", 2) as client:

        def lose(state: State) -> None:
            if not lost and state.fresh_designs:
                lost.append(next(iter(client.run(os.getpid).values())))  # pyright: ignore[reportAttributeAccessIssue]
                os.kill(lost[0], signal.SIGKILL)

        many = run_on_cluster(asked, sweep, plan, SweepStore(tmp_path / "many", identity_of(sweep)), lose, client)
    assert lost
    assert many.counts.designs == alone.counts.designs == sweep.grid.designs
    assert told(result_of(sweep, many)) == told(result_of(sweep, alone))
    with pytest.raises(CatalogueError, match="no scheduler answers"), cluster("tcp://127.0.0.1:1", 1):
        pass


def test_boxes_that_are_given_up_leave_their_bound() -> None:
    """No bound is lower than what goes, and with it every node of its boxes."""
    whole = Batch(
        *(np.arange(8)[:, None].repeat(2, axis=1) for _ in range(2)),
        box=np.arange(16) // 2,
        group=np.arange(16),
        promise=np.array([5.0, 1.0, 7.0, 3.0, 8.0, 2.0, 6.0, 4.0]),
        depth=3,
        level=1,
    )
    (kept,), bound = without_lower_half([whole])
    assert bound == 4.5
    assert kept.promise.tolist() == [5.0, 7.0, 8.0, 6.0]
    assert kept.first[:, 0].tolist() == [0, 2, 4, 6]
    assert kept.group.tolist() == [0, 1, 4, 5, 8, 9, 12, 13]
    assert kept.box.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert without_lower_half([replace(whole, promise=np.ones(8))]) == ([], 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [*((name, MOST_NODES) for name in SPACES), ("gpu", 5000)])
def test_nothing_between_the_points_of_the_grid_beats_the_ceiling(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.setattr("dse.search.sweeps.ceiling.MOST_NODES", most)
    space = load_space(name, catalogue)
    job = job_of(catalogue, space.model, space.traffic, space.price_basis, space.objective, most_chips=FEW_CHIPS)
    chips = random_chips(space, catalogue, 256, seed=11)
    best = best_mapping(chips, job.transformer, job.requests, job.assumptions, mappings=job.mappings)
    values = np.where(best.metrics.worst_limit <= 0.0, best.metrics.tokens_per_dollar, 0.0)
    bound = ceiling(space, job, float(values.max()) / 2.0, 5.0)
    assert bound is not None
    assert bound >= values.max()


def test_shards_are_submitted_as_an_array(capsys: pytest.CaptureFixture[str]) -> None:
    for system, line in (
        ("slurm", "sbatch --job-name=sweep-gpu --array=1-8 --cpus-per-task=2 --wrap='dse sweep gpu"),
        ("lsf", "bsub -J 'sweep-gpu[1-8]' -n 2 'dse sweep gpu"),
    ):
        submitted(Asked("gpu", front=False), system, 8, None, None, False)
        first, *rest = capsys.readouterr().out.splitlines()
        assert first.startswith(line)
        assert "--shard $" in first
        assert rest[-1].startswith("dse sweep gpu")
    submitted(Asked("gpu"), "slurm", 8, "my run", None, False)
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("sbatch --job-name=sweep-my-run ")
    assert rest[-1].endswith("--name 'my run'")
    with pytest.raises(CatalogueError, match="--submit: unknown batch system"):
        submitted(Asked("gpu"), "slum", 8, None, None, False)
    with pytest.raises(CatalogueError, match="unknown space"):
        submitted(Asked("gqu"), "slurm", 8, None, None, False)
    with pytest.raises(CatalogueError, match="an array needs several shards"):
        submitted(Asked("gpu"), "slurm", 1, None, None, False)


def test_a_name_stays_in_the_folder_of_sweeps() -> None:
    assert folder_of("mine") == Path("results/sweeps/mine")
    for name in ("../mine", "/tmp/mine", "..", "a/b", ""):
        with pytest.raises(CatalogueError, match="is no name of a folder"):
            folder_of(name)
