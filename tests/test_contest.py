"""Are searches kept, resumed and summed up as they were? And does the published protocol hold what it says?"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from builders import catalogue
from optuna.trial import FrozenTrial

from dse.catalogue import CatalogueError, load_space
from dse.commands.bench_search import add_optima, installed, problems_of, run_missing, searches
from dse.reporting.contest import protocol_rows, write_contest
from dse.search.benchmarks.contest import FRONT, Course, Started, courses_in, keep, pack, run_course, study_of
from dse.search.benchmarks.protocol import A100, SPACE, Protocol
from dse.search.benchmarks.standing import Optimum, Proven, beating, optimum_of, proven_in, standings, to_optimum
from dse.search.samplers.named import make_sampler

GRID_POINTS = 4_704_000


def course(sampler: str, seed: int, values: list[list[float] | None], problem: str = "hill") -> Course:
    """Trials of a second and of ten points each."""
    steps = [float(i + 1) for i in range(len(values))]
    return Course(problem, sampler, seed, ("height",), values, steps, steps, [10 * (i + 1) for i in range(len(values))])


COURSES = [
    course("screening", 0, [[50.0], [99.5], [100.0]]),
    course("screening", 1, [None, [96.0], [99.2]]),
    course("screening", 2, [[99.95], [10.0], [20.0]]),
    course("tpe", 0, [[10.0], [20.0], [94.0]]),
]


@dataclass
class Hill:
    """x between 0 and 1, the higher the better; counts the searches that were begun."""

    name: str = "hill"
    objectives: tuple[str, ...] = ("height",)
    begun: list[tuple[str, int]] = field(default_factory=list)

    def start(self, sampler: str, seed: int) -> Started:
        self.begun.append((sampler, seed))
        study = study_of(make_sampler(sampler, seed, 1), 1)

        def batch(size: int) -> Sequence[FrozenTrial]:
            trials = [study.ask() for _ in range(size)]
            return [study.tell(trial, trial.suggest_float("x", 0.0, 1.0)) for trial in trials]

        return Started(study, batch, lambda: 7 * len(study.trials))


def test_trials_and_seconds_and_points_to_the_best() -> None:
    optimum = optimum_of("hill", COURSES, Proven())
    assert optimum == Optimum("hill", 100.0)
    found = to_optimum(COURSES[:3], optimum)
    assert found["trials_to_1_percent"] == (2.0, 1.5, 2.5, 3)
    assert found["seconds_to_5_percent"].median == 2.0
    assert found["points_to_1_percent"].median == 20.0
    assert found["trials_to_0.1_percent"] == (3.0, 2.0, None, 2)
    assert to_optimum(COURSES[3:], optimum)["trials_to_5_percent"] == (None, None, None, 0)


def test_courses_are_held_against_the_proven_optimum_and_the_best_ever_seen(tmp_path: Path) -> None:
    document = tmp_path / "sweep.json"
    front = [
        {"tokens_per_dollar": dollars, "output_tokens_per_s_per_user": 3.0, "tokens_per_joule": 1.0, "proven": proven}
        for dollars, proven in ((2.0, True), (9.0, False))
    ]
    told = {"space": "hill", "optimum": {"value": 95.0, "proven": True}, "designs": 9, "front": front}
    document.write_text(json.dumps(told))
    add_optima(tmp_path / "optima.csv", [document])
    proven = proven_in(tmp_path / "optima.csv")
    assert proven.fronts["hill"].tolist() == [[2.0, 3.0]]
    optimum = optimum_of("hill", COURSES, proven)
    assert optimum == Optimum("hill", 100.0, 95.0, 9)
    found = to_optimum(COURSES[3:], optimum)
    assert (found["trials_to_5_percent"].median, found["trials_to_1_percent"].median) == (3.0, None)
    assert found["trials_to_5_percent_of_best"].median is None
    assert to_optimum(COURSES[1:2], optimum)["trials_to_1_percent"].median == 2.0
    assert to_optimum(COURSES[1:2], optimum)["trials_to_1_percent_of_best"].median == 3.0
    assert optimum_of("hill", COURSES, Proven({"hill": (120.0, 9)})) == Optimum("hill", 120.0, 120.0, 9)
    document.write_text("{}")
    with pytest.raises(CatalogueError, match="is no document of a sweep"):
        add_optima(tmp_path / "optima.csv", [document])
    document.write_text(json.dumps(told | {"optimum": {"value": 99.0, "proven": False}}))
    with pytest.raises(CatalogueError, match="proves no optimum"):
        add_optima(tmp_path / "optima.csv", [document])
    assert proven_in(tmp_path / "optima.csv").optima == {"hill": (95.0, 9)}


def test_fronts_are_measured_by_their_volume() -> None:
    both = [
        replace(course("screening", 0, [[2.0, 1.0]] * 20, "hill" + FRONT), objectives=("height", "width")),
        replace(course("tpe", 0, [None, *[[1.0, 1.0]] * 19], "hill" + FRONT), objectives=("height", "width")),
    ]
    found = standings(both, Proven())["hill"]["samplers"]
    assert found["screening"]["hypervolume"]["20"].median == 1.0
    assert found["tpe"]["hypervolume"]["20"].median == 0.5
    assert found["tpe"]["hypervolume"]["100"].median is None
    assert [found["tpe"]["hypervolume_within_seconds"][time].median for time in ("1", "10")] == [0.0, 0.5]
    against = standings(both, Proven(fronts={"hill": np.array([[4.0, 1.0]])}))["hill"]["samplers"]
    assert against["screening"]["hypervolume"]["20"].median == 0.5


def test_searches_are_kept_and_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "courses.jsonl"
    for one in COURSES:
        keep(file, one)
    keep(file, course("tpe", 0, [[1.0]]))
    with file.open("a") as lines:
        lines.write('{"problem": "hill", "sam')
    kept = courses_in(file)
    assert kept == [*COURSES[:3], course("tpe", 0, [[1.0]])]
    pack(kept, tmp_path / "courses.parquet")
    assert courses_in(tmp_path / "courses.parquet") == kept
    assert courses_in(tmp_path / "none.jsonl") == []


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    file, hill = tmp_path / "courses.jsonl", Hill()
    run_missing([hill], ["random", "qmc"], (2, 20, 60.0), file)
    begun = len(hill.begun)
    assert begun == 2 + 4
    run_missing([hill], ["random", "qmc"], (2, 20, 60.0), file)
    assert len(hill.begun) == begun
    run_missing([hill], ["random"], (3, 20, 60.0), file)
    assert hill.begun[begun:] == [("random", 10_000), ("random", 2)]
    one = courses_in(file)[0]
    assert len(one.values) == len(one.seconds) == 20
    assert one.points[-1] == 7 * 20


def test_a_search_ends_in_its_time() -> None:
    assert len(run_course(Hill(), "random", 0, 10_000, 1e-9).values) == 0


def test_tables_and_figures_are_written(tmp_path: Path) -> None:
    front = replace(course("screening", 0, [[2.0, 1.0]] * 20, "hill" + FRONT), objectives=("height", "width"))
    files = write_contest(tmp_path, [*COURSES, front], Proven(), None)
    assert all(file.stat().st_size > 100 for file in files)
    rows = list(csv.DictReader((tmp_path / "standings.csv").read_text().splitlines()))
    assert [(row["sampler"], row["trials_to_1_percent"]) for row in rows] == [("screening", "2.0"), ("tpe", "")]
    assert (rows[0]["proven_optimum"], rows[0]["best_seen"]) == ("", "100.0")


def test_the_space_around_an_a100_is_as_large_as_published() -> None:
    space = load_space(SPACE, catalogue())
    assert int(np.prod([len(getattr(one, "values")) for one in space.free.values()])) == GRID_POINTS  # noqa: B009
    assert set(A100) == set(space.free)
    assert all(value in getattr(space.free[path], "values") for path, value in A100.items())  # noqa: B009


def test_designs_that_beat_the_a100_in_all_three_are_found() -> None:
    protocol = Protocol(catalogue())
    assert (protocol.reference < 0.0).all()
    ours, random = (run_course(protocol, name, 0, 20, 600.0) for name in ("screening", "random"))
    assert beating(ours, protocol.reference, 20) >= 10 > beating(random, protocol.reference, 20)
    assert ours.points[-1] > 20_000
    assert random.points[-1] == 20
    rows = {row["sampler"]: row for row in protocol_rows([ours, random], protocol.reference)}
    assert rows["screening"]["points_after_20"] == ours.points[19]


def test_wrong_names_are_refused() -> None:
    with pytest.raises(CatalogueError, match="no-such-space"):
        problems_of(catalogue(), ["no-such-space"], True)
    with pytest.raises(CatalogueError, match="tpee"):
        list(searches([Hill()], ["tpee"], 1))


def test_samplers_search_what_they_can() -> None:
    problems = problems_of(catalogue(), ["gpu", "a100-neighbours"], True)
    assert [one.name for one in problems] == ["gpu", "gpu (front)", SPACE]
    pairs = {(one.name, sampler) for _, one, sampler in searches(problems, ["cmaes", "nsga3", "gradient"], 1)}
    assert pairs == {("gpu", "cmaes"), ("gpu", "gradient"), ("gpu (front)", "nsga3"), ("gpu (front)", "gradient")} | {
        (SPACE, "nsga3")
    }


def test_the_committed_report_is_what_its_recipe_makes(tmp_path: Path) -> None:
    """Tables from the searches that are committed beside it."""
    table = getattr(catalogue().entry("report", "search").document, "samplers")  # noqa: B009
    home = catalogue().entry("report", "search").path.parent
    courses = courses_in(home.parent / table.courses)
    write_contest(tmp_path, courses, proven_in(home.parent / table.optima), Protocol(catalogue()).reference)
    for name in ("standings.csv", "protocol.csv"):
        made, kept = (
            list(csv.reader((folder / name).read_text().splitlines())) for folder in (tmp_path, home / "search")
        )
        assert [row[:2] for row in made] == [row[:2] for row in kept]
        for one, other in zip(made[1:], kept[1:], strict=True):
            for value, expected in zip(one[2:], other[2:], strict=True):
                same = value == expected
                assert same or float(value) == pytest.approx(float(expected), rel=1e-3)


def test_samplers_whose_packages_are_missing_are_left_out_with_a_word(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert installed(["random", "gp", "screening"]) == ["random", "screening"]
    assert "the sampler gp needs PyTorch" in capfd.readouterr().err
