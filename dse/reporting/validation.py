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
    NOTHING,
    SCORE_COLUMNS,
    SPLITS,
    TABLES,
    Score,
    coverages,
    groups,
    left_out_words,
    panels,
    phase_name,
    phase_place,
    prediction_rows,
    score_rows,
    scored,
    scores,
    skipped,
    trends,
    worst,
)
from dse.reporting.validation_figures import draw_coverage, draw_panels, draw_residuals
from dse.reporting.validation_patterns import unexplained

__all__ = ["NOTHING", "write_validation"]


@dataclass(frozen=True)
class PhaseScore:
    """Errors of a phase under one fold, in words; first: whether it is the first line of its phase, of `lines`."""

    phase: str
    fold: str
    score: Score
    first: bool
    lines: int


@dataclass(frozen=True)
class ValidationPage:
    """Everything that the page shows.

    predictions, scores, worst, skipped: of the fold that is drawn, basis: what that is, as part of a sentence; count:
    rows that were predicted; phases: every phase under every fold; unexplained: sentences on the residuals.
    """

    predictions: Sequence[Prediction]
    count: int
    basis: str
    findings: list[Finding]
    reading: list[str]
    phases: list[PhaseScore]
    unexplained: list[str]
    scores: list[Score]
    figures: dict[str, PlacedFigure]
    worst: list[Prediction]
    skipped: list[tuple[str, int, list[str]]]


def basis_of(fold: str) -> str:
    """From what the predictions were made."""
    if fold == NOTHING:
        return "execution profiles as the catalogue has them"
    return f"cross-validated: each row is predicted by a fit that has seen no row of {left_out_words(fold)}"


def phase_scores(made: Mapping[str, Sequence[Prediction]]) -> list[PhaseScore]:
    """Errors of every phase, under every fold beside each other."""
    found: dict[str, list[tuple[str, Score]]] = {}
    for fold, predictions in made.items():
        for score in scores(predictions):
            if score.table == "summary":
                found.setdefault(score.name, []).append((fold, score))
    return [
        PhaseScore(phase, left_out_words(fold), score, place == 0, len(some))
        for phase, some in sorted(found.items(), key=lambda item: phase_place(item[0]))
        for place, (fold, score) in enumerate(some)
    ]


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


def reading_of(fold: str) -> list[str]:
    """How to read the page, in paragraphs."""
    first = (
        "An error is ln(predicted / measured): 0.10 is about 10 % off, 0.22 a factor of 1.25, 0.69 a factor of two. "
        "The median says what to expect of an ordinary row, the 90th percentile what to fear, the bias whether a group "
        "is off in one direction (1.00: it is not; it counts in the metric, so above 1 is too long for a time and too "
        "fast for a rate). Groups of few rows say little."
    )
    ranges = (
        "Every prediction comes with a range that is meant to hold the measured value in 80 % of all cases. It widens "
        "with what is not known of the software, and with the scatter of the phase, which no coefficient explains; "
        "where a class of machines was never measured both are larger, and meant to be."
    )
    as_they_are = (
        "The profiles are used as they are. Rows that they were fitted to, which are those of models/measurements, are "
        "no test: for these, make the page with --cross. Rows of your own are one."
    )
    held_out = (
        f"Before a row is predicted, the profiles are fitted again without all rows of {left_out_words(fold)}, so "
        "that this is how the model does on what it has not met. Two things remain shared: the judged priors, and the "
        "scatter of each phase, which was set so that 80 % of the shipped rows fall into their ranges when the same "
        "model on the same chip is left out. That 80 % of a phase are covered is therefore no proof; the shape of the "
        "curve and the groups are."
    )
    return [first, ranges, as_they_are if fold == NOTHING else held_out]


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
        "line, ranges are honest; marks: the 80 % range that predictions carry, grey: 70 to 90 %. A panel for each "
        "thing that was left out."
    ),
}


def draw_all(made: Mapping[str, Sequence[Prediction]], drawn_fold: str) -> dict[str, tuple[Figure, str]]:
    """The figures with their captions; none where no row was predicted."""
    predictions = made[drawn_fold]
    if not scored(predictions):
        return {}
    split = [groups(predictions, title) for title in SPLITS]
    honest = {left_out_words(fold): coverages(some) for fold, some in made.items()}
    figures = {
        "predicted-measured": drawn(draw_panels, panels(predictions)),
        "residuals": drawn(draw_residuals, split, trends(predictions)),
        "coverage": drawn(draw_coverage, honest),
    }
    return {name: (figure, CAPTIONS[name]) for name, figure in figures.items()}


def write_validation(directory: Path, made: Mapping[str, Sequence[Prediction]]) -> Path:
    """Write validation.html, figures/, rows.csv and summary.csv; returns the path of the page.

    made: what was left out (NOTHING, or a fold of the cross-validation) -> predictions of the same rows; of the last
    one every row is drawn. The page needs no other file and asks nothing of the network. CatalogueError when the folder
    cannot be written.
    """
    try:
        return written(directory, made)
    except OSError as error:
        raise CatalogueError([Problem(f"cannot be written: {error.strerror}", file=str(directory))]) from error


def page_of(made: Mapping[str, Sequence[Prediction]], figures: dict[str, PlacedFigure]) -> ValidationPage:
    """What the page shows of several validations of the same rows."""
    fold, predictions = list(made.items())[-1]
    return ValidationPage(
        predictions=predictions,
        count=len(scored(predictions)),
        basis=basis_of(fold),
        findings=findings_of(predictions),
        reading=reading_of(fold),
        phases=phase_scores(made),
        unexplained=unexplained(predictions),
        scores=scores(predictions),
        figures=figures,
        worst=worst(predictions),
        skipped=skipped(predictions),
    )


def written(directory: Path, made: Mapping[str, Sequence[Prediction]]) -> Path:
    """The files of a validation."""
    directory.mkdir(parents=True, exist_ok=True)
    tables = {"summary.csv": (score_rows, SCORE_COLUMNS), "rows.csv": (prediction_rows, COLUMNS)}
    for name, (rows_of, columns) in tables.items():
        rows = [row for fold, predictions in made.items() for row in rows_of(predictions, fold)]
        (directory / name).write_text(csv_text(rows, columns), encoding="utf-8")
    page = page_of(made, save_figures(directory, draw_all(made, list(made)[-1])))
    path = directory / "validation.html"
    jinja = environment()
    jinja.filters["phase"] = phase_name
    text = jinja.get_template("validation.html.j2").render(page=page, tables=TABLES)
    path.write_text(text.lstrip(), encoding="utf-8")
    return path
