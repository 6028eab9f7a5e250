"""report: make a committed result again, from its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.commands.options import CatalogueOption, JsonOption, print_json, say
from dse.commands.studies import run_recipe
from dse.commands.validate import read_files

if TYPE_CHECKING:
    from dse.analysis.measurements import Row
    from dse.catalogue import Catalogue
    from dse.catalogue.schema_report import ValidationTable

__all__ = ["add_to"]


def report_command(
    recipe: Annotated[str, typer.Argument(help="A recipe of reports/.")],
    output: Annotated[Path | None, typer.Option("--output", help="Folder; results/RECIPE when absent.")] = None,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Regenerate a committed comparison or validation from its recipe."""
    from dse.catalogue import open_catalogue
    from dse.search.outcome import recipe_of

    found = open_catalogue(catalogue)
    plan = recipe_of(found, recipe)
    if plan is not None:
        run_recipe(found, plan, output, catalogue, as_json)
        return
    entry = found.entry("report", recipe)
    table: ValidationTable = getattr(entry.document, "validation")  # noqa: B009
    run_validation(found, entry.path, table, output or Path("results") / entry.name, as_json)


def sound_rows(files: list[Path]) -> list[Row]:
    """The rows of the files of a recipe; CatalogueError with every fault, as a report must leave none out."""
    from dse.catalogue import CatalogueError, Problem

    rows, faults = read_files(files)
    if faults:
        raise CatalogueError([Problem(fault.rule, str(file), f"line {fault.line}") for file, fault in faults])
    return rows


def run_validation(catalogue: Catalogue, recipe: Path, table: ValidationTable, folder: Path, as_json: bool) -> None:
    """A page for each thing that is left out, in a folder of its name, and one summary of all of them."""
    from dse.analysis.validation import predict, summary
    from dse.reporting.validation import NOTHING, write_summary, write_validation

    rows = sound_rows([recipe.parent.parent / file for file in table.files])
    made, pages = {}, []
    for left_out in dict.fromkeys(table.left_out):
        cross = "" if left_out == NOTHING else left_out
        made[left_out] = predict(rows, catalogue, cross)
        pages.append(write_validation(folder / left_out, made[left_out], cross))
    table_of_all = write_summary(folder, made)
    if as_json:
        results = {left_out: summary(predictions) for left_out, predictions in made.items()}
        print_json({"reports": [str(page) for page in pages], "summary": str(table_of_all), "left_out": results})
        return
    for page in pages:
        say(f"report:  {page}")
    say(f"summary: {table_of_all}")


def add_to(app: Any) -> None:
    """Register the commands of this file."""
    app.command("report")(report_command)
