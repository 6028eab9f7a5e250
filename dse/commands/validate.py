"""validate, calibrate: how far is the model from silicon, and what do measured rows say of software?"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.commands.options import CatalogueOption, JsonOption, print_json, say

if TYPE_CHECKING:
    from dse.analysis.calibration_file import Scatter
    from dse.analysis.csv_table import Fault
    from dse.analysis.measurements import Row
    from dse.analysis.validation import Prediction

__all__ = ["add_to"]


class Fold(StrEnum):
    """What a cross-validated prediction has not seen."""

    CHIP = "chip"
    MODEL = "model"
    BOTH = "chip-model"
    MACHINE = "machine"


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
        "low": one.low,
        "high": one.high,
        "log_error": one.log_error,
        "skipped": one.skipped,
    }


def validate_command(
    files: Annotated[list[Path], typer.Argument(help="CSV files of measured rows.")],
    cross: Annotated[
        Fold | None,
        typer.Option(
            "--cross",
            help="Predict every row from a fit without its chip (all of one die), its model class, its model on its "
            "chip, or its class of machines.",
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Folder for plots, page and table.")] = None,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predictions with their 80 % ranges against measured rows; rows that cannot be expressed, with the reason.

    Faults of the files are listed with line and column, the other rows are scored, and the exit status is 1.
    """
    from dse.analysis.measurements import read_files
    from dse.analysis.validation import predict, summary
    from dse.catalogue import open_catalogue

    found = open_catalogue(catalogue)
    rows, faults = read_files(files)
    predictions = predict(rows, found, cross.value if cross is not None else "")
    document: dict[str, Any] = {"rows": [row_json(one) for one in predictions], **summary(predictions)}
    document["errors"] = [{"file": f.file, "line": f.line, "column": f.column, "rule": f.rule} for f in faults]
    page: Path | None = None
    if report is not None:
        from dse.reporting.validation import NOTHING, write_validation

        page = write_validation(report, {cross.value if cross is not None else NOTHING: predictions})
    if as_json:
        print_json(document)
    else:
        show_validation(document, predictions, faults)
        if page is not None:
            say(f"report: {page}")
    if faults:
        sys.exit(1)


def show_validation(document: dict[str, Any], predictions: list[Prediction], faults: list[Fault]) -> None:
    """Errors by phase and chip, skipped rows with reasons and places, faults with lines and columns."""
    if not predictions:
        say("no measured row to predict: the files hold no sound row")
    for name in ("summary", "by_chip", "by_model_class", "by_software"):
        if not document[name]:
            continue
        say(
            f"{name.replace('_', ' '):<24}{'rows':>6}{'median':>9}{'p90':>9}{'bias':>8}{'within 25 %':>13}"
            f"{'in 80 % range':>15}"
        )
        for key, e in document[name].items():
            say(
                f"  {key:<22}{e['n']:>6}{e['median_abs_log_error']:>9.3f}{e['p90_abs_log_error']:>9.3f}"
                f"{e['bias']:>8.2f}{100 * e['within_25_percent']:>11.0f} %{100 * e['within_range']:>13.0f} %"
            )
    skipped: dict[str, list[Row]] = {}
    for one in predictions:
        if one.skipped:
            skipped.setdefault(one.skipped, []).append(one.row)
    for reason, rows in sorted(skipped.items(), key=lambda item: -len(item[1])):
        say(f"skipped {len(rows)}: {reason}")
        for row in rows:
            say(f"  {row.file}: line {row.line}: {row.id}")
    for fault in faults:
        say(f"error: {fault}")


def calibrate_command(
    output: Annotated[
        Path | None, typer.Option("--output", help="File to write, such as models/calibration/default.toml.")
    ] = None,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit the execution profiles to the shipped measured rows; print them, or write the calibration file."""
    from dse.analysis.calibration_file import calibrate, calibration_text
    from dse.catalogue import CatalogueError, Problem, open_catalogue

    found, scatter = calibrate(open_catalogue(catalogue))
    beliefs = {name: found.belief(name) for name in found.software}
    if output is not None:
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(calibration_text(found, scatter), encoding="utf-8")
        except OSError as error:
            raise CatalogueError([Problem(f"cannot be written: {error.strerror}", file=str(output))]) from error
    if as_json:
        print_json(calibration_json(beliefs, scatter, found.burst_share))
        return
    for name, belief in beliefs.items():
        low, high = belief.bounds()
        say(f"{name}, {belief.rows} rows")
        for key, value in belief.values.items():
            say(f"  {key:<20}{value:>12.4g}   80 %: {low[key]:.3g} to {high[key]:.3g}{' s' if key in TIMES else ''}")
    say("scatter of ln(predicted / measured) under cross-validation: of profiles with rows, and without")
    for phase, value in scatter.fitted.items():
        say(f"  {phase:<20}{value:>12.3f}{scatter.prior[phase]:>12.3f}")
    if output is not None:
        say(f"wrote {output}")


TIMES = ("operator_time", "step_time", "sequence_time", "request_time", "collective_time")


def calibration_json(beliefs: dict[str, Any], scatter: Scatter, burst_share: float) -> dict[str, Any]:
    """Fitted coefficients with their ranges [base units]."""
    profiles = {}
    for name, belief in beliefs.items():
        low, high = belief.bounds()
        values = belief.values.items()
        profiles[name] = {"rows": belief.rows} | {
            key: {"value": value, "low": low[key], "high": high[key]} for key, value in values
        }
    scatters = {"scatter": scatter.fitted, "prior_scatter": scatter.prior}
    return {"profiles": profiles, **scatters, "burst_share": burst_share}


def add_to(app: Any) -> None:
    """Register the commands of this file."""
    app.command("validate")(validate_command)
    app.command("calibrate")(calibrate_command)
