"""bench search: how soon does each sampler come near the optimum?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse.commands.options import CatalogueOption, JsonOption, print_json, say

if TYPE_CHECKING:
    from dse.catalogue import Catalogue
    from dse.search.benchmarks.contest import Course, Problem

__all__ = ["search_command", "write"]

MOST_SECONDS = 86_400
"""A day [s]."""


def search_command(
    spaces: Annotated[list[str] | None, typer.Argument(help="Search spaces; default: all.")] = None,
    sampler: Annotated[
        list[str] | None, typer.Option("--sampler", help="One or several; default: all that there are.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=1000, help="Searches of each sampler.")] = 10,
    trials: Annotated[int, typer.Option("--trials", min=1, max=100_000, help="Designs of each search.")] = 100,
    most_seconds: Annotated[
        int,
        typer.Option("--most-seconds", min=1, max=MOST_SECONDS, help="After which a search begins no further batch."),
    ] = 600,
    front: Annotated[bool, typer.Option("--front/--no-front", help="Also searches for two objectives.")] = True,
    sweep: Annotated[
        list[Path] | None,
        typer.Option("--sweep", help="Document of `dse sweep SPACE --json`: proven optimum and front."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", help="Folder; what it has of an earlier run is kept.")] = Path(
        "results/search"
    ),
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Samplers against the optimum: trials, seconds and points to come near, and fronts by hypervolume.

    Every search is kept as soon as it has finished, and the same command goes on where it was stopped.
    """
    import optuna

    from dse.catalogue import open_catalogue
    from dse.search.benchmarks.contest import courses_in, pack
    from dse.search.benchmarks.standing import proven_in, standings, summary_of
    from dse.search.samplers.named import OWN, SAMPLERS

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = open_catalogue(catalogue)
    problems = problems_of(found, spaces, front)
    add_optima(output / "optima.csv", sweep or [])
    names = sampler or installed((*SAMPLERS, *OWN))
    run_missing(problems, names, (seeds, trials, most_seconds), output / "courses.jsonl")
    courses = courses_in(output / "courses.jsonl")
    pack(courses, output / "courses.parquet")
    files = write(found, output, courses, output / "optima.csv")
    if as_json:
        from dse.reporting.summary import finite
        from dse.search.benchmarks.protocol import SPACE

        of_spaces = [course for course in courses if course.problem != SPACE]
        document = summary_of(standings(of_spaces, proven_in(output / "optima.csv")))
        print_json(finite(document | {"files": [str(file) for file in files]}))
        return
    for file in files:
        say(f"file: {file}")


def write(catalogue: Catalogue, output: Path, courses: Sequence[Course], optima: Path) -> list[Path]:
    """Tables and figures of what there is."""
    from dse.reporting.contest import write_contest
    from dse.search.benchmarks.protocol import SPACE, Protocol
    from dse.search.benchmarks.standing import proven_in

    asked = any(course.problem == SPACE for course in courses)
    reference = Protocol(catalogue).reference if asked else None
    return write_contest(output, courses, proven_in(optima), reference)


def problems_of(catalogue: Catalogue, spaces: list[str] | None, front: bool) -> list[Problem]:
    """What is searched, the protocol of the A100 for its space; CatalogueError for unknown spaces."""
    from dse.catalogue import load_space
    from dse.search.benchmarks.contest import space_problems
    from dse.search.benchmarks.protocol import SPACE, Protocol

    asked = spaces or sorted(catalogue.files("space"))
    names = list(dict.fromkeys(load_space(catalogue.adopt("space", name), catalogue).name for name in asked))
    found = space_problems(catalogue, [name for name in names if name != SPACE])
    found = [one for one in found if front or len(one.objectives) == 1]
    return [*found, *([Protocol(catalogue)] if SPACE in names else [])]


def installed(samplers: Sequence[str]) -> list[str]:
    """Samplers whose packages are there; what is left out is said."""
    from rich.console import Console

    from dse.catalogue import CatalogueError
    from dse.search.samplers.named import check_sampler

    found = []
    for name in samplers:
        try:
            check_sampler(name, 1)
        except CatalogueError as error:
            Console(stderr=True).print(f"left out: {error}", highlight=False)
        else:
            found.append(name)
    return found


def run_missing(
    problems: Sequence[Problem], samplers: Sequence[str], effort: tuple[int, int, float], file: Path
) -> None:
    """Run what is not in the file yet, seed after seed, so that a stopped run has some of everything.

    effort: seeds, trials of each search, seconds after which one ends.
    """
    from rich.console import Console

    from dse.search.benchmarks.contest import courses_in, keep, run_course

    seeds, trials, most_seconds = effort
    done = {course.key for course in courses_in(file) if len(course.values) >= trials or ended(course, most_seconds)}
    console, warm = Console(stderr=True), set()
    for seed, problem, sampler in searches(problems, samplers, seeds):
        if (problem.name, sampler, seed) in done:
            continue
        if (problem.name, sampler) not in warm:
            # Compiling and importing are no part of a search.
            run_course(problem, sampler, 10_000, 1, most_seconds)
            warm.add((problem.name, sampler))
        course = run_course(problem, sampler, seed, trials, most_seconds)
        keep(file, course)
        text = f"{problem.name} {sampler} seed {seed}: {len(course.values)} trials in {course.seconds[-1]:.1f} s"
        console.print(text, highlight=False)


def ended(course: Course, most_seconds: float) -> bool:
    """Whether a search was ended by its time."""
    return bool(course.seconds) and course.seconds[-1] >= most_seconds


def searches(problems: Sequence[Problem], samplers: Sequence[str], seeds: int) -> Iterator[tuple[int, Problem, str]]:
    """Seed, problem and sampler of every search that makes sense; CatalogueError for unknown samplers."""
    from dse.search.samplers.named import check_name

    for sampler in samplers:
        check_name(sampler)
    for seed in range(seeds):
        for problem in problems:
            several = len(problem.objectives) > 1
            for sampler in samplers:
                unfit = sampler == "cmaes" if several else sampler == "nsga3"
                if not unfit and not (sampler == "gradient" and len(problem.objectives) > 2):
                    yield seed, problem, sampler


def add_optima(file: Path, documents: Sequence[Path]) -> None:
    """Put what sweeps have proven, optima and fronts, into tables; of one space the last counts.

    CatalogueError for other files, and where a sweep has not proven its optimum.
    """
    import numpy as np

    from dse.best_mapping import OBJECTIVES
    from dse.catalogue import CatalogueError, Problem
    from dse.search.benchmarks.standing import keep_proven, proven_in

    proven = proven_in(file)
    for path in documents:
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            exact = read["optimum"]["proven"]
            proven.optima[read["space"]] = (float(read["optimum"]["value"]), int(read["designs"]))
            front = [[point[name] for name in OBJECTIVES[:2]] for point in read["front"] or [] if point["proven"]]
            if front:
                proven.fronts[read["space"]] = np.array(front)
        except (OSError, ValueError, KeyError, TypeError) as error:
            way_out = "write it with: dse sweep SPACE --json > FILE"
            raise CatalogueError([Problem("is no document of a sweep", str(path), way_out=way_out)]) from error
        if not exact:
            way_out = "sweep the whole grid for the objective of the space"
            raise CatalogueError([Problem("proves no optimum", str(path), way_out=way_out)])
    if documents:
        keep_proven(file, proven)
