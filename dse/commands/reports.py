"""report: make a committed result again, from its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.commands.options import CatalogueOption, JsonOption, print_json, print_wrapped, say
from dse.commands.studies import run_recipe

if TYPE_CHECKING:
    from dse.catalogue import Catalogue
    from dse.catalogue.schema_report import FormatsTable, MoneyTable, SamplersTable, ValidationTable

__all__ = ["add_to"]


def report_command(
    recipe: Annotated[str, typer.Argument(help="A recipe of reports/.")],
    output: Annotated[Path | None, typer.Option("--output", help="Folder; results/RECIPE when absent.")] = None,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Regenerate a committed comparison, validation or other report from its recipe."""
    from dse.catalogue import open_catalogue
    from dse.search.studies.outcome import recipe_of

    found = open_catalogue(catalogue)
    plan = recipe_of(found, recipe)
    if plan is not None:
        run_recipe(found, plan, output, catalogue, as_json)
        return
    entry = found.entry("report", recipe)
    folder = output or Path("results") / entry.name
    table: ValidationTable | None = getattr(entry.document, "validation")  # noqa: B009
    money: MoneyTable | None = getattr(entry.document, "money")  # noqa: B009
    formats: FormatsTable | None = getattr(entry.document, "formats")  # noqa: B009
    samplers: SamplersTable | None = getattr(entry.document, "samplers")  # noqa: B009
    if samplers is not None:
        run_samplers(found, entry.path, samplers, folder, as_json)
    elif table is not None:
        run_validation(found, entry.path, table, folder, as_json)
    elif money is not None:
        run_money(found, entry.path, money, folder, as_json)
    elif formats is not None:
        run_formats(found, formats, folder, as_json)
    else:
        run_silicon(found, folder, as_json)


def run_validation(catalogue: Catalogue, recipe: Path, table: ValidationTable, folder: Path, as_json: bool) -> None:
    """One page for everything that is left out, its figures and tables."""
    from dse.analysis.measurements import sound_rows
    from dse.analysis.validation import predict, summary
    from dse.reporting.validation import NOTHING, write_validation

    rows = sound_rows([recipe.parent.parent / file for file in table.files])
    folds = dict.fromkeys(table.left_out)
    made = {fold: predict(rows, catalogue, "" if fold == NOTHING else fold) for fold in folds}
    page = write_validation(folder, made)
    if as_json:
        results = {fold: summary(predictions) for fold, predictions in made.items()}
        print_json({"report": str(page), "summary": str(page.with_name("summary.csv")), "folds": results})
        return
    say(f"report: {page}")


def run_money(catalogue: Catalogue, recipe: Path, table: MoneyTable, folder: Path, as_json: bool) -> None:
    """Published money beside the modelled, as a table and figures in a folder."""
    from dse.analysis.published_money import figures_of, read_published
    from dse.reporting.money import money_rows, scores, write_money

    figures = figures_of(catalogue, read_published(recipe.parent.parent / table.published))
    made = write_money(folder, figures)
    if as_json:
        summary = [score._asdict() for score in scores(figures)]
        print_json({"files": [str(path) for path in made], "summary": summary, "figures": money_rows(figures)})
        return
    for one in scores(figures):
        errors = f"median distance {one.median:.1%}, largest {one.largest:.1%}, bias {one.bias:.2f}"
        say(f"{one.kind}: {one.figures} figures, {errors}")
    for path in made:
        say(f"file: {path}")


def run_samplers(catalogue: Catalogue, recipe: Path, table: SamplersTable, folder: Path, as_json: bool) -> None:
    """Searches against the optimum as tables and figures in a folder."""
    from dse.commands.bench_search import write
    from dse.search.benchmarks.contest import courses_in

    home = recipe.parent.parent
    made = write(catalogue, folder, courses_in(home / table.courses), home / table.optima)
    if as_json:
        print_json({"files": [str(path) for path in made]})
        return
    for path in made:
        say(f"file: {path}")


def run_silicon(catalogue: Catalogue, folder: Path, as_json: bool) -> None:
    """Tables and figures of every chip as silicon, in a folder."""
    from dataclasses import asdict

    from dse.analysis.silicon import chips_with_silicon, examine
    from dse.reporting.silicon import scores, write_silicon

    examined = [examine(catalogue, name) for name in chips_with_silicon(catalogue)]
    made = write_silicon(folder, examined)
    if as_json:
        print_json({"files": [str(path) for path in made], "summary": [asdict(one) for one in scores(examined)]})
        return
    for one in scores(examined):
        errors = f"median error {100.0 * one.median:.1f} %, largest {100.0 * one.largest:.0f} %, bias {one.bias:.2f}"
        say(f"{one.group}: {one.count}, {errors}")
    for path in made:
        say(f"file: {path}")


def run_formats(catalogue: Catalogue, plan: FormatsTable, folder: Path, as_json: bool) -> None:
    """Number formats: tables, answers in sentences, figures and a page in a folder."""
    from dse.reporting.format_answers import answers_of, sentences_of
    from dse.reporting.format_report import format_tables, write_formats
    from dse.reporting.summary import finite

    tables = format_tables(catalogue, plan)
    made = write_formats(folder, catalogue, plan, tables)
    answers = answers_of(tables, plan)
    sentences = sentences_of(answers, plan)
    if as_json:
        print_json({"files": [str(path) for path in made], "answers": finite(answers), "sentences": sentences})
        return
    for sentence in sentences:
        print_wrapped(sentence)
    for path in made:
        say(f"file: {path}")


def add_to(app: Any) -> None:
    """Register the commands of this file."""
    app.command("report")(report_command)
