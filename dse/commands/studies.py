"""study run, list, show, resume and export: search a space, keep the search, show what it found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.commands.options import (
    MOST,
    BuyerOption,
    CatalogueOption,
    ChipsLimit,
    JsonOption,
    LeastQsnrOption,
    LossOption,
    VolumeOption,
    print_json,
    print_ranking,
    say,
)
from dse.commands.progress import open_job, run_with_progress

if TYPE_CHECKING:
    import optuna

    from dse.analysis.comparison import Comparison, Job
    from dse.analysis.quality import Quality
    from dse.catalogue import Catalogue, Space
    from dse.search.studies.outcome import Recipe
    from dse.search.studies.study import Plan

__all__ = ["add_to", "run_recipe"]

DEFAULT_STORAGE = "journal:results/studies.journal"
StorageOption = Annotated[
    str, typer.Option("--storage", help="journal:PATH, sqlite:///PATH, postgresql://..., grpc://HOST:PORT, memory:")
]
ReportOption = Annotated[Path | None, typer.Option("--report", help="Folder of the report; results/STUDY when absent.")]
studies = typer.Typer(no_args_is_help=True, help="Search a space of chips; every trial is kept.")


def quiet() -> None:
    """Leave the terminal to our own progress bar."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)


def finish(
    catalogue: Catalogue, study: optuna.Study, storage: str, report: Path | None, own: Path | None, as_json: bool
) -> None:
    """Compare what was found with the chips of the catalogue, write chip file and report, print the ranking.

    own: the user's folder, as it was given.
    """
    from dse.analysis.portfolio import Portfolio
    from dse.commands.again import evaluation_command
    from dse.commands.portfolios import finish_portfolio
    from dse.commands.study_end import end_json, tell_end
    from dse.reporting import write_report
    from dse.reporting.provenance import marked
    from dse.reporting.study_record import study_record

    space, job = open_job(catalogue, study)
    folder = report or Path("results") / study.study_name
    if isinstance(job, Portfolio):
        finish_portfolio(catalogue, study, (space, job), storage, folder, own, as_json)
        return
    comparison = marked(compared(catalogue, study, space, job, folder), catalogue)
    record = study_record(study, space, storage, catalogue)
    page = write_report(folder, comparison, record, catalogue)
    again = [
        evaluation_command(one.mapping, job, folder / "chips" / f"{one.name}.toml", own)
        for one in comparison.candidates
        if one.status == "found"
    ]
    if as_json:
        from dse.reporting.summary import metrics_json

        rows = [
            {"chip": one.name, "status": one.status, "level_with_first": comparison.level(one)} | metrics_json(one)
            for one in comparison.candidates
        ]
        print_json(end_json(study, storage, record, page, again) | {"ranking": rows})
        return
    print_ranking(comparison, record.objectives)
    tell_end([], record, folder, page, again)


def compared(catalogue: Catalogue, study: optuna.Study, space: Space, job: Job, folder: Path) -> Comparison:
    """Found designs, written as chip files, against every chip of the catalogue."""
    from dse.analysis.comparison import compare
    from dse.catalogue import list_entries
    from dse.search.studies.outcome import found_candidates

    found = found_candidates(study, space, job, catalogue, folder / "chips")
    names = [
        entry["name"] for entry in list_entries("chip", catalogue) if entry["name"] not in {one.name for one in found}
    ]
    return compare(catalogue, job, names, found)


@studies.command("run")
def run_command(
    space: Annotated[str, typer.Argument(help="A search space of the catalogue.")],
    model: Annotated[str | None, typer.Option("--model", help="Default: the space's.")] = None,
    traffic: Annotated[str | None, typer.Option("--traffic", help="Default: the space's.")] = None,
    portfolio: Annotated[
        str | None, typer.Option("--portfolio", help="Several jobs in place of one: a name, or the path of a file.")
    ] = None,
    trials: Annotated[int, typer.Option("--trials", min=0, max=MOST, help="Designs to try; 0: only begin.")] = 300,
    sampler: Annotated[
        str, typer.Option("--sampler", help="screening, gradient, tpe, nsga2, nsga3, cmaes, qmc, random, gp or auto.")
    ] = "auto",
    objective: Annotated[
        list[str] | None,
        typer.Option(
            "--objective",
            help="One, or several with commas for a Pareto search, qsnr and accuracy-loss of formats among them; "
            "of a portfolio: mean, worst-case, minimax-regret.",
        ),
    ] = None,
    price_basis: Annotated[str | None, typer.Option("--price-basis", help="Default: the space's.")] = None,
    buyer: BuyerOption = "hyperscaler",
    volume: VolumeOption = None,
    min_qsnr: LeastQsnrOption = None,
    max_loss: LossOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="The same seed gives the same result.")] = 0,
    study: Annotated[str | None, typer.Option("--study", help="Name; a new one when absent.")] = None,
    storage: StorageOption = DEFAULT_STORAGE,
    report: ReportOption = None,
    most_chips: ChipsLimit = 1024,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a space for the best chip, and compare it with those one can buy."""
    from dse.analysis.quality import quality_asked
    from dse.catalogue import load_space, open_catalogue
    from dse.search.studies.patience import shown
    from dse.search.studies.storage import open_storage
    from dse.search.studies.study import create

    quiet()
    found = open_catalogue(catalogue)
    box = load_space(space, found)
    names = (model, traffic, portfolio, price_basis or box.price_basis)
    limits = (most_chips, buyer, volume, quality_asked(min_qsnr, max_loss))
    plan = new_plan(found, box, names, objective, (sampler, seed), limits)
    durable = create(open_storage(storage), plan, study)
    run_with_progress(found, durable, trials, as_json)
    if trials:
        finish(found, durable, shown(storage), report, catalogue, as_json)
        return
    work_on = f"dse worker {shown(storage)} {durable.study_name}"
    print_json({"study": durable.study_name, "worker": work_on}) if as_json else say(f"begun; now: {work_on}")


def new_plan(
    catalogue: Catalogue,
    box: Space,
    names: tuple[str | None, str | None, str | None, str],
    objective: list[str] | None,
    search: tuple[str, int],
    limits: tuple[int, str, int | None, Quality],
) -> Plan:
    """The plan of a new study of a job, or of a portfolio where one is asked for, or the space names one.

    names: model, traffic, portfolio and price basis; search: sampler and seed; limits: most chips of a
    deployment, buyer, volume and quality.
    """
    from dse.analysis.comparison import job_of
    from dse.analysis.portfolio import portfolio_of
    from dse.best_mapping import OBJECTIVES
    from dse.catalogue import CatalogueError, Problem
    from dse.search.studies.study import plan_of, portfolio_plan

    model, traffic, portfolio, basis = names
    if portfolio and (model or traffic):
        way_out = "leave --model and --traffic out: the portfolio names them"
        raise CatalogueError(
            [Problem("stands beside a single job", "", "--portfolio", repr(portfolio), "", "", way_out)]
        )
    if portfolio or (box.portfolio and not (model or traffic)):
        jobs = portfolio_of(catalogue, catalogue.adopt("portfolio", portfolio or box.portfolio), basis, *limits)
        return portfolio_plan(box, jobs, objective or ["mean"], *search)
    job = job_of(catalogue, model or box.model, traffic or box.traffic, basis, OBJECTIVES[0], *limits)
    return plan_of(box, job, objective or [box.objective], *search)


@studies.command("resume")
def resume_command(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    trials: Annotated[int, typer.Option("--trials", min=0, max=MOST, help="More designs to try.")] = 300,
    storage: StorageOption = DEFAULT_STORAGE,
    report: ReportOption = None,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a study where it stopped."""
    from dse.catalogue import open_catalogue
    from dse.search.studies.patience import shown
    from dse.search.studies.storage import existing_storage, find_study

    quiet()
    found = open_catalogue(catalogue)
    durable = find_study(existing_storage(storage, study), study)
    run_with_progress(found, durable, trials, as_json)
    finish(found, durable, shown(storage), report, catalogue, as_json)


@studies.command("list")
def list_command(storage: StorageOption = DEFAULT_STORAGE, as_json: JsonOption = False) -> None:
    """The studies of a storage."""
    from dse.commands.study_text import study_line
    from dse.search.studies.outcome import summaries
    from dse.search.studies.storage import existing_storage

    quiet()
    begun = storage != DEFAULT_STORAGE or Path(storage.removeprefix("journal:")).is_file()
    rows = summaries(existing_storage(storage)) if begun else []
    if as_json:
        print_json(rows)
        return
    for row in rows:
        say(study_line(row))
    if not rows:
        say("no studies yet: start one with `dse study run SPACE`")


@studies.command("show")
def show_command(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
) -> None:
    """Plan, state and best design of a study."""
    from dse.commands.study_text import study_lines
    from dse.search.studies.outcome import described
    from dse.search.studies.storage import existing_storage, find_study

    quiet()
    document = described(find_study(existing_storage(storage, study), study))
    if as_json:
        print_json(document)
        return
    for line in study_lines(document):
        say(line)


@studies.command("export")
def export_command(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    output: Annotated[Path | None, typer.Option("--output", help="A .parquet, .csv or .json file.")] = None,
    plots: Annotated[
        Path | None, typer.Option("--optuna-plots", metavar="DIR", help="Folder of Optuna's own figures, as .png.")
    ] = None,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
) -> None:
    """Every trial as a table: parameters, values, metrics, reasons; .parquet and .json hold all of the study."""
    from dse.search.studies.storage import existing_storage, find_study
    from dse.search.studies.transfer import export

    quiet()
    if output is None and plots is None:
        raise typer.BadParameter("say what to write: --output FILE, --optuna-plots DIR, or both")
    found = find_study(existing_storage(storage, study), study)
    document: dict[str, Any] = {"study": study}
    if output is not None:
        document |= {"output": str(output), "trials": export(found, output)}
    if plots is not None:
        from dse.reporting.optuna_plots import optuna_plots

        document["figures"] = [str(path) for path in optuna_plots(found, plots)]
    if as_json:
        print_json(document)
        return
    if output is not None:
        say(f"wrote {document['trials']} trials to {output}")
    for path in document.get("figures", []):
        say(f"wrote {path}")


@studies.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="A .parquet or .json file that `dse study export` wrote.")],
    study: Annotated[str | None, typer.Option("--study", help="Name; that of the file when absent.")] = None,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
) -> None:
    """A study from a file, with all that it holds, into this storage."""
    from dse.search.studies.storage import open_storage
    from dse.search.studies.transfer import import_study

    quiet()
    made = import_study(open_storage(storage), file, study)
    trials = len(made.get_trials(deepcopy=False))
    if as_json:
        print_json({"study": made.study_name, "trials": trials})
        return
    say(f"study {made.study_name}: {trials} trials")


def run_recipe(catalogue: Catalogue, plan: Recipe, output: Path | None, own: Path | None, as_json: bool) -> None:
    """The study of a recipe, from its beginning, with its report; own: the user's folder, as it was given."""
    from dse.analysis.comparison import job_of
    from dse.catalogue import load_space
    from dse.search.studies.storage import open_storage
    from dse.search.studies.study import create, plan_of

    quiet()
    job = job_of(catalogue, plan.model, plan.traffic, plan.price_basis)
    begun = plan_of(load_space(plan.space, catalogue), job, plan.objectives, plan.sampler, plan.seed)
    study = create(open_storage("memory:"), begun, plan.name)
    run_with_progress(catalogue, study, plan.trials, as_json)
    finish(catalogue, study, "memory:", output or Path("results") / plan.name, own, as_json)


def add_to(app: Any) -> None:
    """Register the commands of this file."""
    app.add_typer(studies, name="study")
