"""How soon does each sampler come near the optimum? Seeded searches in memory, each kept as soon as it has finished."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import optuna
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from dse.analysis.comparison import job_of
from dse.best_mapping import OBJECTIVES
from dse.catalogue import load_space
from dse.catalogue.store import Catalogue
from dse.search.samplers.named import batch_size, calmly, make_sampler
from dse.search.samplers.scorer import SpaceScorer
from dse.search.space import distributions, suggest
from dse.search.studies.plan import plan_of
from dse.search.studies.study import evaluation

__all__ = ["FRONT", "Course", "Problem", "SpaceProblem", "courses_in", "keep", "pack", "run_course", "space_problems"]

FRONT = " (front)"
"""Behind the name of a space: the search for its front of tokens per dollar against tokens/s per user."""


@dataclass(frozen=True)
class Course:
    """One search: what each trial came to, and what had been spent when it was told.

    problem: name of the space; values: of each trial (objectives,), larger is better, None where a limit was broken;
    seconds: wall clock [s]; cpu: of all threads of the process [s]; points: evaluations, screening included [1].
    """

    problem: str
    sampler: str
    seed: int
    objectives: tuple[str, ...]
    values: list[list[float] | None]
    seconds: list[float]
    cpu: list[float]
    points: list[int]

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes two searches the same."""
        return self.problem, self.sampler, self.seed


@dataclass(frozen=True)
class Started:
    """A search about to begin: the study in memory, how a batch of it is run, and evaluations made so far."""

    study: optuna.Study
    batch: Callable[[int], Sequence[FrozenTrial]]
    points: Callable[[], int]


@runtime_checkable
class Problem(Protocol):
    """Something to be searched."""

    @property
    def name(self) -> str:
        """Of the space."""
        ...

    @property
    def objectives(self) -> tuple[str, ...]:
        """What is maximised."""
        ...

    def start(self, sampler: str, seed: int) -> Started:
        """A fresh search; CatalogueError where the sampler cannot do it."""
        ...


@dataclass(frozen=True)
class SpaceProblem:
    """A space of the catalogue with its own job; front: for two objectives in place of one."""

    catalogue: Catalogue
    space: str
    front: bool

    @property
    def name(self) -> str:
        """The space, and whether its front is meant."""
        return self.space + (FRONT if self.front else "")

    @property
    def objectives(self) -> tuple[str, ...]:
        """Of the space, or the two of the front."""
        return OBJECTIVES[:2] if self.front else (load_space(self.space, self.catalogue).objective,)

    def start(self, sampler: str, seed: int) -> Started:
        """A study in memory, as `dse study run` works on it."""
        space = load_space(self.space, self.catalogue)
        job = job_of(self.catalogue, space.model, space.traffic, space.price_basis)
        plan = plan_of(space, job, self.objectives, sampler, seed)
        scorer = SpaceScorer(space, job, plan.objectives)
        study = study_of(make_sampler(sampler, seed, len(plan.objectives), scorer), len(plan.objectives))
        evaluate = evaluation(space, plan, job, self.catalogue.library, scorer)
        lattice, fields = len(job.mappings.batch), distributions(space)

        def batch(size: int) -> Sequence[FrozenTrial]:
            trials = [study.ask() for _ in range(size)]
            outcomes = evaluate(trials, [suggest(trial, space, fields) for trial in trials])
            for trial, outcome in zip(trials, outcomes, strict=True):
                for name, excess in outcome.limits.items():
                    trial.set_constraint(name, excess)
            return [study.tell(trial, outcome.values) for trial, outcome in zip(trials, outcomes, strict=True)]

        return Started(study, batch, lambda: scorer.points + lattice * len(study.get_trials(deepcopy=False)))


def study_of(sampler: BaseSampler, objectives: int) -> optuna.Study:
    """A study in memory that maximises so many objectives."""
    return optuna.create_study(sampler=sampler, directions=[StudyDirection.MAXIMIZE] * objectives)


def space_problems(catalogue: Catalogue, spaces: Sequence[str]) -> list[Problem]:
    """The optimum and the front of each space."""
    return [SpaceProblem(catalogue, space, front) for space in spaces for front in (False, True)]


def run_course(problem: Problem, sampler: str, seed: int, trials: int, most_seconds: float) -> Course:
    """So many trials, or as many as can be begun in the time [s]; CatalogueError where the sampler cannot do it."""
    begun, spent = time.perf_counter(), time.process_time()
    started = problem.start(sampler, seed)
    course = Course(problem.name, sampler, seed, problem.objectives, [], [], [], [])
    while len(course.values) < trials and time.perf_counter() - begun < most_seconds:
        with calmly():
            told = started.batch(min(batch_size(sampler), trials - len(course.values)))
        course.values.extend(values_of(trial) for trial in told)
        course.seconds.extend([round(time.perf_counter() - begun, 4)] * len(told))
        course.cpu.extend([round(time.process_time() - spent, 4)] * len(told))
        course.points.extend([started.points()] * len(told))
    return course


def values_of(trial: FrozenTrial) -> list[float] | None:
    """What a trial was told, None where it breaks a limit."""
    broken = max(trial.constraints.values(), default=0.0) > 0.0
    return None if broken or trial.values is None else list(trial.values)


def keep(file: Path, course: Course) -> None:
    """Add a course to a file, one line each."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(course)) + "\n")


def courses_in(file: Path) -> list[Course]:
    """The courses of a file of lines or of Parquet, of two with the same key the later; none where there is no file.

    A last line that was cut off, as when the program was killed, is left out.
    """
    rows = (packed_rows(file) if file.suffix == ".parquet" else lines_of(file)) if file.is_file() else []
    found = [Course(**{**row, "objectives": tuple(row["objectives"])}) for row in rows]
    return list({course.key: course for course in found}.values())


def lines_of(file: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file."""
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def packed_rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a file that `pack` wrote."""
    from pyarrow import parquet

    return parquet.read_table(file).to_pylist()


def pack(courses: Sequence[Course], file: Path) -> None:
    """All courses in order as Parquet, a fraction of the size: what is committed beside a report."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = [asdict(course) for course in sorted(courses, key=lambda course: course.key)]
    parquet.write_table(pa.Table.from_pylist(rows), file, compression="zstd", use_dictionary=True)
