"""bench, validate: how fast is it here, and how far from silicon?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.commands.options import MOST, CatalogueOption, JsonOption, print_json, say

if TYPE_CHECKING:
    from dse.analysis.measurements import Fault
    from dse.analysis.validation import Prediction

__all__ = ["add_to"]


def bench_command(
    trials: Annotated[int, typer.Option("--trials", min=1, max=MOST, help="Trials of the study that is timed.")] = 1000,
    points: Annotated[int, typer.Option("--points", min=1, max=10**10, help="Points that are evaluated.")] = 50_000_000,
    scaling: Annotated[bool, typer.Option("--scaling/--no-scaling", help="Also 1e6 against 1e8 points.")] = False,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Speed of the evaluator, of a study and of the start on this machine."""
    import optuna

    from dse.analysis.bench import bench_evaluator, bench_startup
    from dse.catalogue import open_catalogue
    from dse.search.bench import bench_study

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = open_catalogue(catalogue)
    document = {
        "evaluator": bench_evaluator(found, points, scaling),
        "study": bench_study(found, trials),
        "startup": bench_startup(),
    }
    if as_json:
        print_json(document)
        return
    for part, figures in document.items():
        say(part)
        for name, value in figures.items():
            say(f"  {name:<34} {value:,.4g}" if isinstance(value, float) else f"  {name:<34} {value}")


def row_json(one: Prediction) -> dict[str, Any]:
    """A prediction in the form of the contract."""
    row = one.row
    return {
        "id": row.id,
        "chip": row.chip,
        "model": row.model,
        "phase": row.phase,
        "metric": row.metric,
        "measured": row.value,
        "predicted": one.predicted,
        "low": None,
        "high": None,
        "log_error": one.log_error,
        "skipped": one.skipped,
    }


def validate_command(
    files: Annotated[list[Path], typer.Argument(help="CSV files of measured rows.")],
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predictions against measured rows; rows that cannot be expressed are listed with the reason."""
    from dse.analysis.measurements import read_rows
    from dse.analysis.validation import predict, summary
    from dse.catalogue import open_catalogue

    found = open_catalogue(catalogue)
    rows, faults = [], []
    for file in files:
        some, wrong = read_rows(file)
        rows += some
        faults += [(file, fault) for fault in wrong]
    predictions = predict(rows, found)
    document: dict[str, Any] = {"rows": [row_json(one) for one in predictions], **summary(predictions)}
    document["errors"] = [{"file": str(file), "line": f.line, "column": f.column, "rule": f.rule} for file, f in faults]
    if as_json:
        print_json(document)
    else:
        show_validation(document, predictions, faults)
    if faults:
        sys.exit(1)


def show_validation(document: dict[str, Any], predictions: list[Prediction], faults: list[tuple[Path, Fault]]) -> None:
    """Errors by phase and chip, skipped rows with reasons, faults with lines."""
    for name in ("summary", "by_chip"):
        say(f"{name.replace('_', ' '):<22}{'rows':>6}{'median':>9}{'p90':>9}{'bias':>8}{'within 25 %':>13}")
        for key, e in document[name].items():
            say(
                f"  {key:<20}{e['n']:>6}{e['median_abs_log_error']:>9.3f}{e['p90_abs_log_error']:>9.3f}"
                f"{e['bias']:>8.2f}{100 * e['within_25_percent']:>11.0f} %"
            )
    skipped: dict[str, int] = {}
    for one in predictions:
        if one.skipped:
            skipped[one.skipped] = skipped.get(one.skipped, 0) + 1
    for reason, count in sorted(skipped.items(), key=lambda item: -item[1]):
        say(f"skipped {count}: {reason}")
    for file, fault in faults:
        say(f"{file}: {fault}")


def add_to(app: Any) -> None:
    """Register the commands of this file."""
    app.command("bench")(bench_command)
    app.command("validate")(validate_command)
