"""The front of a sweep at stated speeds: that of the exhaustive sweep, whether killed, in shards or at once."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_sweeps import SPACES, small_grid, swept, told

from dse.best_mapping import OBJECTIVES
from dse.catalogue import Catalogue, CatalogueError
from dse.catalogue.build import build_traffic
from dse.search.sweeps.points import NONE, Points, answers, rivals_at
from dse.search.sweeps.result import Result, document_of, front_of, result_of
from dse.search.sweeps.run import Plan, State, run_sweep
from dse.search.sweeps.speeds import speeds_asked, usual_speeds
from dse.search.sweeps.store import SweepStore, identity_of

OTHERS = [name for name in SPACES if name != "gpu"]


def front_table(result: Result) -> np.ndarray:
    """Speeds and tokens per dollar of a front (points, 2)."""
    return np.array([[one.point.values[name] for name in OBJECTIVES[1::-1]] for one in result.front])


def best_at(front: np.ndarray, speed: float) -> float:
    """Most tokens per dollar at a speed or more, by the whole front."""
    return float(front[front[:, 0] >= speed, 1].max())


@pytest.mark.parametrize("name", ["gpu", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_the_front_at_stated_speeds_is_that_of_the_exhaustive_sweep(
    catalogue: Catalogue, tmp_path: Path, name: str
) -> None:
    grid = small_grid(catalogue, name)
    sweep, every = swept(catalogue, grid, tmp_path / "whole", False)
    whole = result_of(sweep, every)
    front = front_table(whole)
    least, most = front[0, 0], front[-1, 0]
    # Between points, just at them, and above the fastest, which no point reaches.
    speeds = sorted({*np.geomspace(least * 1.001, most, 8).tolist(), *front[1::9, 0].tolist(), most * 1.1})
    stated, state = swept(catalogue, grid, tmp_path / "stated", True, speeds=speeds)
    result = result_of(stated, state)
    document = document_of(stated, state, result, OBJECTIVES[0])
    exact = document["certificate"]["front_speeds"]
    assert len(exact) >= 6
    assert document["optimum"]["value"] == whole.optima[OBJECTIVES[0]].values[OBJECTIVES[0]]
    assert document["certificate"]["optima_proven"] == [OBJECTIVES[0]]
    assert [document["optima"][one]["proven"] for one in OBJECTIVES] == [True, False, False]
    for speed in exact:
        answer = max(
            (one for one in document["front"] if one[OBJECTIVES[1]] >= speed and one["proven"]),
            key=lambda one: one[OBJECTIVES[0]],
        )
        assert answer[OBJECTIVES[0]] == pytest.approx(best_at(front, speed), rel=1e-6)
        assert answer["at_least"] <= speed * (1.0 + 1e-6)
    for one in document["front"]:
        if one["proven"]:
            assert one[OBJECTIVES[0]] == pytest.approx(best_at(front, one["at_least"]), rel=1e-6)
    told_of = " ".join(document["certificate"]["statements"])
    assert f"{exact[-1]:g} tokens/s/user" in told_of
    assert "best found, not proven: output_tokens_per_s_per_user, tokens_per_joule" in told_of


def test_speeds_that_are_not_worth_it_are_left_out_and_said_to_be(catalogue: Catalogue, tmp_path: Path) -> None:
    grid = small_grid(catalogue, "gpu")
    sweep, every = swept(catalogue, grid, tmp_path / "whole", False)
    front = front_table(result_of(sweep, every))
    speeds = np.geomspace(front[0, 0] * 1.001, front[-1, 0], 6).tolist()
    stated, state = swept(catalogue, grid, tmp_path / "stated", True, speeds=speeds, share=0.7)
    result = result_of(stated, state)
    assert state.reach in speeds
    assert state.reach < front[-1, 0]
    proven = [one for one in result.front if one.exact]
    assert proven
    for one in proven:
        assert one.point.values[OBJECTIVES[0]] == pytest.approx(best_at(front, one.at_least), rel=1e-6)
    assert document_of(stated, state, result, OBJECTIVES[0])["certificate"]["front_speeds"][-1] == state.reach
    worth = front[front[:, 1] >= 0.7 * front[:, 1].max(), 0].max()
    assert state.reach == max(speed for speed in speeds if speed <= worth)


def test_stopped_or_in_shards_the_front_at_stated_speeds_is_the_same(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dse.search.sweeps.run.FIRST_CHUNK", 8)
    grid = small_grid(catalogue, "gpu")
    speeds = (25.0, 40.0)
    sweep, state = swept(catalogue, grid, tmp_path / "whole", True, speeds=speeds)

    def answer(other: State) -> tuple[object, list[tuple[float, bool]], float]:
        result = result_of(sweep, other)
        _, front = told(result)
        best = result.optima[OBJECTIVES[0]].values
        return (front, best), [(one.at_least, one.exact) for one in result.front], other.reach

    class StoppedError(Exception):
        pass

    def stop(state: State) -> None:
        if state.counts.designs >= grid.designs // 2:
            raise StoppedError

    store = SweepStore(tmp_path / "stopped", identity_of(sweep))
    with pytest.raises(StoppedError):
        run_sweep(sweep, Plan(grid.designs), store, stop)
    assert answer(run_sweep(sweep, Plan(grid.designs), store, lambda state: None)) == answer(state)
    parts = SweepStore(tmp_path / "shards", identity_of(sweep))
    for shard in (1, 0):
        run_sweep(sweep, Plan(grid.designs, shard, 2), parts, lambda state: None)
    joined = run_sweep(sweep, Plan(grid.designs), parts, lambda state: None)
    assert joined.fresh_designs == 0
    assert answer(joined) == answer(state)
    for other in (replace(sweep, speeds=sweep.speeds[:-1]), replace(sweep, speeds=sweep.speeds[:0])):
        with pytest.raises(CatalogueError, match="holds another sweep: sought changed"):
            SweepStore(tmp_path / "whole", identity_of(other))
    part = document_of(sweep, replace(state, counts=replace(state.counts, designs=1)), result_of(sweep, state), "none")
    assert not any(one["proven"] for one in part["front"])
    assert part["certificate"]["front_speeds"] == part["certificate"]["optima_proven"] == []


def test_a_bound_competes_at_the_stated_speed_below_it() -> None:
    """Against every point at least as fast as that speed, not against those as fast as itself."""
    dollars, speed = np.array([9.0, 6.0, 2.0]), np.array([10.0, 30.0, 80.0])
    points = Points(np.arange(3), np.arange(3), dollars, speed, np.ones(3))
    assert answers(dollars, speed, np.array([0.0, 10.0, 20.0, 30.0, 31.0])).tolist() == [0, 0, 1, 1, 2]
    rivals = rivals_at(points, OBJECTIVES[0], np.array([20.0, 40.0]))
    asked = np.array([19.9, 19.9, 20.0, 20.0, 39.9, 39.9, 40.0, 79.0, 1e6])
    offered = np.array([8.9, 9.1, 5.9, 6.1, 5.9, 6.1, 2.1, 1.9, 1.9])
    beaten = rivals.beat(offered, asked, np.ones(9))
    assert beaten.tolist() == [True, False, True, False, True, False, False, True, True]
    fastest = rivals_at(points, OBJECTIVES[1], np.array([20.0, 40.0]))
    assert fastest.beat(np.ones(2), np.array([80.0, 80.1]), np.ones(2)).tolist() == [True, False]
    thrifty = rivals_at(points, OBJECTIVES[2], np.array([20.0]))
    assert thrifty.beat(np.ones(2), np.full(2, 20.0), np.array([0.9, 1.1])).tolist() == [True, False]


def test_a_rival_at_a_speed_is_that_fast_in_double_precision_too() -> None:
    """One that is faster by less than single precision errs does not beat what else may be the answer."""
    dollars, speed = np.array([9.0, 5.0]), np.array([20.0 * (1.0 + 1e-7), 25.0])
    points = Points(np.arange(2), np.arange(2), dollars, speed, np.ones(2))
    rivals = rivals_at(points, OBJECTIVES[0], np.array([20.0]))
    offered = np.array([8.0, 4.0])
    assert rivals.beat(offered, np.full(2, 22.0), np.ones(2)).tolist() == [False, True]
    assert rivals.beat(offered, np.full(2, 19.0), np.ones(2)).tolist() == [True, True]


def test_speeds_below_that_of_the_traffic_let_nothing_in(catalogue: Catalogue, tmp_path: Path) -> None:
    """Every point that is found keeps the limit of the traffic, so that its answer is the optimum of the grid."""
    grid = small_grid(catalogue, "gpu")
    sweep, state = swept(catalogue, grid, tmp_path, True, speeds=(5.0, 25.0))
    assert 1.0 / sweep.traffic.time_per_output_token > 5.0
    result = result_of(sweep, state)
    assert len(result.refused.number) == 0
    document = document_of(sweep, state, result, OBJECTIVES[0])
    assert document["optimum"]["proven"]
    assert document["certificate"]["front_speeds"] == [5.0, 25.0]


def test_speeds_are_round_above_the_limit_of_the_traffic(catalogue: Catalogue) -> None:
    chat, batch = (usual_speeds(build_traffic(catalogue.entry("traffic", one).values)) for one in ("chat", "batch"))
    assert chat[:5] == (25.0, 31.5, 40.0, 50.0, 63.0)
    assert batch[0] == 1.0
    assert np.all(np.diff(np.log(chat)) < math.log(1.3))
    for wrong in ("fast", "20,,50", "-1", "0", "nan", "inf"):
        with pytest.raises(CatalogueError, match="--speeds: must be speeds above 0"):
            speeds_asked(wrong)
    with pytest.raises(CatalogueError, match="contradict each other"):
        speeds_asked("20", front=False)


def test_what_double_precision_refuses_takes_the_proof_away(catalogue: Catalogue, tmp_path: Path) -> None:
    """A point that beat others and cannot do the job itself: nothing that it may have hidden is said to be proven."""
    grid = small_grid(catalogue, "gpu")
    sweep, state = swept(catalogue, grid, tmp_path / "stated", True, speeds=[30.0, 60.0])
    result = result_of(sweep, state)
    assert document_of(sweep, state, result, OBJECTIVES[0])["optimum"]["proven"]
    points = [one.point for one in result.front]
    best = points[0].values
    first = np.zeros(1, np.int64)
    for share, proof in ((0.999, True), (1.01, False)):
        refused = Points(first, first, np.array([best[OBJECTIVES[0]] * share]), np.array([1.0]), np.zeros(1))
        document = document_of(sweep, state, replace(result, refused=refused), OBJECTIVES[0])
        assert document["optimum"]["proven"] == proof
        assert (document["certificate"]["grid_optimum"] is not None) == proof
        assert (
            any("not proven: points that only single" in line for line in document["certificate"]["statements"])
            != proof
        )
    nothing = document_of(sweep, state, Result({}, [], refused), OBJECTIVES[0])["certificate"]["statements"]
    assert any("not proven: points that only single" in line for line in nothing)
    none = document_of(sweep, state, Result({}, []), OBJECTIVES[0])["certificate"]
    assert "no design of the grid can do the job" in none["statements"]
    all_of_it = replace(sweep, speeds=sweep.speeds[:0])
    for every, proof in ((result.front, True), ([replace(result.front[0], exact=False)], False)):
        certificate = document_of(all_of_it, state, replace(result, front=every), OBJECTIVES[0])["certificate"]
        assert certificate["whole_front"] == proof
        assert any("the whole front" in line for line in certificate["statements"]) == proof
    assert [one.exact for one in front_of(sweep, points, NONE, state.reach)] == [True] * len(points)
    fast = replace(refused, speed=np.array([best[OBJECTIVES[1]] * 1.001]))
    found = front_of(sweep, points, fast, state.reach)
    assert [answer.exact for answer in found] == [answer.at_least > fast.speed[0] for answer in found]
