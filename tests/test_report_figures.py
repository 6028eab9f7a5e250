"""What the figures of a report show: their data, and the few choices of their drawing that decide what is seen."""

from dataclasses import replace

import numpy as np
import pytest
from reported import random_study, small_comparison

from dse.analysis.comparison import Comparison
from dse.reporting.convergence import convergence, convergence_lines
from dse.reporting.figure_data import Bars, heat_map, part_bars, time_bars, winners
from dse.reporting.figures import SHORTEST, scale_of
from dse.reporting.front_data import Window, front_figure
from dse.reporting.front_figure import draw_fronts, edge_note, look_of
from dse.reporting.search_data import histories, pareto
from dse.reporting.search_figures import draw_histories, draw_pareto
from dse.reporting.tables import StudyRecord

BOTH = ("tokens_per_dollar", "output_tokens_per_s_per_user")


@pytest.fixture
def comparison() -> Comparison:
    return small_comparison()


@pytest.fixture
def study() -> StudyRecord:
    return random_study()


@pytest.fixture
def two_objectives() -> StudyRecord:
    record = random_study()
    speed = np.random.default_rng(1).uniform(10.0, 300.0, record.count)
    return replace(record, values=record.values | {BOTH[1]: speed}, objectives=BOTH)


def test_the_fronts_hold_their_best_points(comparison: Comparison) -> None:
    data = front_figure(comparison, {"h100-sxm": "NVIDIA"})
    assert data is not None
    assert data.least_speed == pytest.approx(20.0)
    for front in data.fronts:
        assert np.all(np.diff(front.speed) > 0)
        assert np.all(np.diff(front.usd) > 0)
        if front.best is not None:
            at_least = front.usd[front.speed >= front.best[0] * (1 - 1e-9)].min()
            assert at_least <= front.best[1] * (1 + 1e-9)


def test_heat_map_keeps_the_best_of_each_cell(comparison: Comparison, study: StudyRecord) -> None:
    data = heat_map(study, comparison.candidates)
    assert data is not None
    assert data.without_memory
    assert np.nanmax(data.best) == np.nanmax(study.values["tokens_per_dollar"])
    none = study.feasible & (study.values["memory_bandwidth"] == 0)
    assert np.nanmax(data.best[0]) == study.values["tokens_per_dollar"][none].max()
    assert {mark.name for mark in data.marks} | set(data.outside) == {item.name for item in comparison.candidates}
    assert heat_map(replace(study, feasible=np.zeros(200, bool)), []) is None


def test_the_best_so_far_never_falls(study: StudyRecord) -> None:
    (data,) = histories(study)
    seen = data.best[np.isfinite(data.best)]
    assert np.all(np.diff(seen) >= 0)
    assert seen[-1] == np.nanmax(study.values["tokens_per_dollar"])


def test_bars_add_up(comparison: Comparison) -> None:
    best = winners(comparison)
    assert best[0].feasible
    assert "found-good" in {item.name for item in best}
    area, power, make, owned = part_bars(best)
    assert area.totals == pytest.approx([float(item.metrics.hardware.area.total) for item in best])
    assert power.totals == pytest.approx([float(item.metrics.power) for item in best])
    assert make.totals == pytest.approx([float(item.metrics.hardware.make.total) for item in best])
    assert owned.totals == pytest.approx([3600 * float(item.metrics.rate.tco) for item in best])
    assert all(len(bars.names) == len(best) for bars in time_bars(comparison.job, best))


def test_every_chip_has_a_look_of_its_own_and_none_is_lost(comparison: Comparison) -> None:
    data = front_figure(comparison, {item.name: "NVIDIA" for item in comparison.candidates})
    assert data is not None
    assert len({look_of(front) for front in data.fronts}) == len(data.fronts)
    assert {front.name for front in data.fronts} | set(data.absent) == {item.name for item in comparison.candidates}
    texts = [text.get_text() for text in draw_fronts(data).legends[0].get_texts()]
    assert [text.split()[0] for text in texts] == [
        front.name for front in sorted(data.fronts, key=lambda front: front.best[1] if front.best else np.inf)
    ]


def test_what_lies_beyond_the_axes_is_named_under_them(comparison: Comparison) -> None:
    far = next(item for item in comparison.candidates if item.feasible)
    metrics = replace(far.metrics, usd_per_output_token=1e3 * float(far.metrics.usd_per_output_token))
    dear = replace(far, name="dear", status="shipping", metrics=metrics, front_usd=1e3 * far.front_usd)
    data = front_figure(replace(comparison, candidates=[*comparison.candidates, dear]), {})
    assert data is not None
    assert [text.split()[0] for text in data.beyond] == ["dear"]
    assert "Beyond the axes: dear" in edge_note(data)
    assert isinstance(data.window, Window)


@pytest.mark.parametrize("shortest", [1e-3, 0.5])
def test_bars_too_short_to_see_are_drawn_as_shares(shortest: float) -> None:
    parts = {"matrix": np.array([1.0, 1.0, shortest]), "memory": np.array([1.0, 2.0, shortest])}
    none = np.full(3, np.nan)
    edge, shares = scale_of(Bars("Chip time", "ms", ["a", "b", "c"], [False] * 3, parts, none))
    assert shares == (2.0 * shortest < SHORTEST * 3.0)
    assert edge == (100.0 if shares else 3.0)


def test_convergence_is_that_of_the_trials(study: StudyRecord) -> None:
    (found,) = convergence(study)
    values = np.where(study.feasible, study.values["tokens_per_dollar"], 0.0)
    assert found.half == values[:100].max()
    assert found.three_quarters == values[:150].max()
    assert found.whole == values.max()
    assert found.gain == pytest.approx(found.whole / found.three_quarters - 1.0)


def test_a_gain_of_the_last_quarter_means_still_improving(study: StudyRecord) -> None:
    for gain, improving in ((1.02, True), (1.005, False)):
        values = np.ones(200)
        values[180] = gain
        steady = replace(study, values={"tokens_per_dollar": values}, feasible=np.ones(200, bool))
        (found,) = convergence(steady)
        assert found.improving == improving
        assert ("still improving" in convergence_lines(steady)[0]) == improving
    first = np.ones(200)
    first[3] = 2.0
    begun = replace(study, values={"tokens_per_dollar": first}, feasible=np.ones(200, bool))
    assert "start point tpu-v6e itself" in convergence_lines(begun)[0]
    assert convergence(replace(study, feasible=np.zeros(200, bool))) == []


def test_several_objectives_have_a_front_and_a_course_each(comparison: Comparison, two_objectives: StudyRecord) -> None:
    courses = histories(two_objectives)
    assert [course.objective for course in courses] == list(BOTH)
    assert len(draw_histories(courses).axes) == 2
    (pair,) = pareto(two_objectives, comparison.candidates)
    points = np.column_stack([pair.x, pair.y])
    for point, ahead in zip(points, pair.front, strict=True):
        beaten = np.any(np.all(points >= point, axis=1) & np.any(points > point, axis=1))
        assert ahead == (not beaten)
    assert 0 < pair.front.sum() < pair.front.size
    assert draw_pareto([pair]).axes
    assert pareto(replace(two_objectives, objectives=BOTH[:1]), comparison.candidates) == []
