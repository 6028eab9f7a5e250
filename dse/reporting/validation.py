"""What does a validation consist of? A page, its figures as files, and two tables, all in one folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dse.analysis.validation import Prediction
from dse.catalogue.errors import CatalogueError, Problem
from dse.reporting.folder import save_figures
from dse.reporting.headline import Finding
from dse.reporting.html import PlacedFigure, environment
from dse.reporting.results import csv_text
from dse.reporting.style import drawn
from dse.reporting.validation_data import (
    COLUMNS,
    SCORE_COLUMNS,
    SPLITS,
    TABLES,
    Score,
    coverages,
    groups,
    left_out_words,
    panels,
    phase_name,
    prediction_rows,
    score_rows,
    scored,
    scores,
    skipped,
    trends,
    worst,
)
from dse.reporting.validation_figures import draw_coverage, draw_panels, draw_residuals

__all__ = ["NOTHING", "write_summary", "write_validation"]

NOTHING = "nothing"
"""What a prediction has not seen that uses the profiles as they are."""


@dataclass(frozen=True)
class ValidationPage:
    """Everything that the page shows; count: rows that were predicted; basis: how, as part of a sentence."""

    predictions: Sequence[Prediction]
    count: int
    basis: str
    findings: list[Finding]
    reading: list[str]
    scores: list[Score]
    figures: dict[str, PlacedFigure]
    worst: list[Prediction]
    skipped: list[tuple[str, int, list[str]]]


def basis_of(cross: str) -> str:
    """From what the predictions were made."""
    if not cross:
        return "execution profiles as the catalogue has them"
    return f"cross-validated: each row is predicted by a fit that has seen no row of {left_out_words(cross)}"


def findings_of(predictions: Sequence[Prediction]) -> list[Finding]:
    """What matters most, of all rows together."""
    some = scored(predictions)
    if not some:
        return []
    error = np.abs([one.log_error or 0.0 for one in some])
    ratio = np.exp([one.log_error or 0.0 for one in some])
    middle = float(np.median(error))
    near = float(np.mean((ratio >= 0.75) & (ratio <= 1.25)))
    inside = float(np.mean([one.within_range for one in some]))
    return [
        Finding("Median error", f"factor {math.exp(middle):.2f}", f"|ln(predicted / measured)| {middle:.3f}, all rows"),
        Finding("Within 25 %", f"{100 * near:.0f} % of rows", "predicted between 0.75 and 1.25 of what was measured"),
        Finding(
            "Inside the 80 % range", f"{100 * inside:.0f} % of rows", "80 % would be honest, 70 to 90 % is the aim"
        ),
    ]


def reading_of(cross: str) -> list[str]:
    """How to read the page, in paragraphs."""
    first = (
        "An error is ln(predicted / measured): 0.10 is about 10 % off, 0.22 a factor of 1.25, 0.69 a factor of two. "
        "The median says what to expect of an ordinary row, the 90th percentile what to fear, the bias whether a group "
        "is off in one direction (1.00: it is not; it counts in the metric, so above 1 is too long for a time and too "
        "fast for a rate). Groups of few rows say little."
    )
    ranges = (
        "Every prediction comes with a range that is meant to hold the measured value in 80 % of all cases. It widens "
        "with what is not known of the software, most of all where a class of machines was never measured, and with "
        "the scatter of the phase, which no coefficient explains."
    )
    as_they_are = (
        "The profiles are used as they are. Rows that they were fitted to, which are those of models/measurements, are "
        "no test: for these, make the page with --cross. Rows of your own are one."
    )
    held_out = (
        f"Before a row is predicted, the profiles are fitted again without all rows of {left_out_words(cross)}, so "
        "that this is how the model does on what it has not met. Two things remain shared: the judged priors, and the "
        "scatter of each phase, which was set so that 80 % of the shipped rows fall into their ranges when the same "
        "model on the same chip is left out. That 80 % of a phase are covered is therefore no proof; the shape of the "
        "curve and the groups are."
    )
    return [first, ranges, held_out if cross else as_they_are]


CAPTIONS = {
    "predicted-measured": (
        "Predicted against measured, a panel for each phase; thin bars: 80 % range; band: within 25 %. Prefill as time "
        "of the whole batch and decode as time of a step, rates converted; generate and offline as tokens per second "
        "of all chips."
    ),
    "residuals": (
        "Predicted over measured time (of rates: the inverse ratio), so that to the right, and up, the model is slower "
        "than silicon whatever was measured. Rows in brackets; medians and middle halves of each group and octave; "
        "band: 0.8 to 1.25; crosses: beyond the axis. Were nothing left to explain, all medians would lie on the line."
    ),
    "coverage": (
        "Share of rows inside a range against the share that the range claims, for every width of range. On the dashed "
        "line, ranges are honest; marks: the 80 % range that predictions carry, grey: 70 to 90 %."
    ),
}


def draw_all(predictions: Sequence[Prediction]) -> dict[str, tuple[Figure, str]]:
    """The figures with their captions; none where no row was predicted."""
    if not scored(predictions):
        return {}
    split = [groups(predictions, title) for title in SPLITS]
    made = {
        "predicted-measured": drawn(draw_panels, panels(predictions)),
        "residuals": drawn(draw_residuals, split, trends(predictions)),
        "coverage": drawn(draw_coverage, coverages(predictions)),
    }
    return {name: (figure, CAPTIONS[name]) for name, figure in made.items()}


def write_summary(directory: Path, made: Mapping[str, Sequence[Prediction]]) -> Path:
    """Write summary.csv of several validations, by what each has left out; returns its path.

    CatalogueError when the folder cannot be written.
    """
    rows = [row for left_out, predictions in made.items() for row in score_rows(predictions, left_out)]
    path = directory / "summary.csv"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path.write_text(csv_text(rows, SCORE_COLUMNS), encoding="utf-8")
    except OSError as error:
        raise CatalogueError([Problem(f"cannot be written: {error.strerror}", file=str(directory))]) from error
    return path


def write_validation(directory: Path, predictions: Sequence[Prediction], cross: str) -> Path:
    """Write validation.html, figures/, rows.csv and summary.csv; returns the path of the page.

    cross: '' or the fold that each row's prediction has not seen. The page needs no other file and asks nothing of the
    network. CatalogueError when the folder cannot be written.
    """
    try:
        return written(directory, predictions, cross)
    except OSError as error:
        raise CatalogueError([Problem(f"cannot be written: {error.strerror}", file=str(directory))]) from error


def written(directory: Path, predictions: Sequence[Prediction], cross: str) -> Path:
    """The files of a validation."""
    write_summary(directory, {cross or NOTHING: predictions})
    page = ValidationPage(
        predictions=predictions,
        count=len(scored(predictions)),
        basis=basis_of(cross),
        findings=findings_of(predictions),
        reading=reading_of(cross),
        scores=scores(predictions),
        figures=save_figures(directory, draw_all(predictions)),
        worst=worst(predictions),
        skipped=skipped(predictions),
    )
    (directory / "rows.csv").write_text(csv_text(prediction_rows(predictions), COLUMNS), encoding="utf-8")
    path = directory / "validation.html"
    jinja = environment()
    jinja.filters["phase"] = phase_name
    text = jinja.get_template("validation.html.j2").render(page=page, tables=TABLES)
    path.write_text(text.lstrip(), encoding="utf-8")
    return path
