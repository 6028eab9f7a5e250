"""How far is a search? Its trials run behind one line with the best so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dse.commands.options import say

if TYPE_CHECKING:
    import optuna
    from rich.console import Console
    from rich.progress import Progress as Bar

    from dse.analysis.comparison import Job
    from dse.analysis.portfolio import Portfolio
    from dse.catalogue import Catalogue, Space
    from dse.search.studies.study import Progress, Work

__all__ = ["bar_of", "open_job", "run_with_progress", "state_text", "sweep_bar"]

BAR = 5
"""Width of the bar itself [columns]."""


def open_job(catalogue: Catalogue, study: optuna.Study) -> tuple[Space, Job | Portfolio]:
    """Space and job, or portfolio of jobs, that a study was begun with."""
    from dse.analysis.comparison import job_of
    from dse.analysis.portfolio import portfolio_of
    from dse.catalogue import load_space
    from dse.search.objective import mapping_objective
    from dse.search.studies.study import plan_in

    plan = plan_in(study)
    space = load_space(plan.space, catalogue)
    limits = (plan.most_chips, plan.buyer, plan.volume, plan.quality)
    if plan.portfolio:
        return space, portfolio_of(catalogue, plan.portfolio, plan.price_basis, *limits)
    objective = mapping_objective(plan.objectives)
    return space, job_of(catalogue, plan.model, plan.traffic, plan.price_basis, objective, *limits)


def bar_of(console: Console, silent: bool = False) -> Bar:
    """The line: bar, trials, time and the best so far, in 80 columns up to 100,000 trials."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(BAR), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[best]}"))
    return Progress(*columns, console=console, disable=silent)


def sweep_bar(console: Console, silent: bool = False) -> Bar:
    """The line of a sweep: bar, share of the designs, time, and a field for rate, time left and the best so far."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (BarColumn(BAR), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.fields[state]}"))
    return Progress(*columns, console=console, disable=silent)


def state_text(state: Progress, objective: str) -> str:
    """The best so far and how many are feasible, short enough for one line."""
    from dse.reporting.text import measured

    if not state.feasible:
        return "none feasible yet"
    return f"best {' '.join(measured(objective, state.best))} (#{state.best_number}), {state.feasible} feasible"


def run_with_progress(
    catalogue: Catalogue, study: optuna.Study, trials: int, silent: bool, work: Work | None = None
) -> Progress:
    """Run trials behind a progress bar with the best so far; Ctrl-C stops after the batch that was told last.

    work: how this process works on the study; None: alone.
    """
    from rich.console import Console

    from dse.search.start_points import start_points
    from dse.search.studies.study import ALONE, plan_in, run

    space, job = open_job(catalogue, study)
    objective = plan_in(study).objectives[0]
    starts = start_points(space, catalogue)
    console = Console(stderr=True)
    if not silent:
        console.print(f"study {study.study_name}", highlight=False)
    with bar_of(console, silent) as bar:
        task = bar.add_task("", total=trials, best="")

        def told(state: Progress) -> None:
            bar.update(task, completed=state.told, best=state_text(state, objective))

        try:
            return run(study, space, job, catalogue.library, trials, told, starts, work or ALONE)
        except KeyboardInterrupt:
            say(f"stopped; every told trial is kept. Go on with: dse study resume {study.study_name}")
            raise
