"""What does a sensitivity report consist of? A page, its figures as files, and the analysis as JSON, in one folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from dse.analysis.sensitivity import Sensitivity
from dse.catalogue.errors import CatalogueError, Problem
from dse.reporting.folder import save_figures
from dse.reporting.html import PlacedFigure, environment
from dse.reporting.sensitivity_data import (
    FlipRow,
    MarginRow,
    RangeRow,
    flip_rows,
    flip_sentence,
    margin_rows,
    range_rows,
    sensitivity_json,
    works_of_ranges,
)
from dse.reporting.sensitivity_figures import draw_spans, draw_steps, spans_of, steps_of
from dse.reporting.sensitivity_text import margin_note, range_note
from dse.reporting.style import drawn
from dse.reporting.summary import mapping_text
from dse.reporting.text import measured
from dse.sources import Source

__all__ = ["write_sensitivity"]


@dataclass(frozen=True)
class SensitivityPage:
    """Everything that the page shows; rivals: name, sentence and rows of each."""

    found: Sensitivity
    value: str
    mapping: str
    margins: list[MarginRow]
    margin_note: str
    ranges: list[RangeRow]
    range_note: str
    rivals: list[tuple[str, str, list[FlipRow]]]
    figures: dict[str, PlacedFigure]
    works: list[Source]


CAPTIONS = {
    "marginal-values": (
        "What 10 % more of each resource and price does to tokens per dollar: bars by the slope under today's mapping, "
        "diamonds with the mapping that is best after the step. Where they part, a limit, a step or another mapping "
        "comes between."
    ),
    "tornado": (
        "Tokens per dollar at both ends of the range of each constant, one at a time, the mapping re-optimised; ends "
        "are written beside the bars, sources in brackets (fit: 80 % range of a fit to measured rows)."
    ),
}


def draw_all(found: Sensitivity) -> dict[str, tuple[Figure, str]]:
    """The figures with their captions; none that would be empty."""
    made = {}
    steps, spans = steps_of(found), spans_of(found)
    if steps.rows:
        made["marginal-values"] = (drawn(draw_steps, steps), CAPTIONS["marginal-values"])
    if spans.bars:
        made["tornado"] = (drawn(draw_spans, spans), CAPTIONS["tornado"])
    return made


def write_sensitivity(directory: Path, found: Sensitivity) -> Path:
    """Write sensitivity.html, figures/ and sensitivity.json; returns the path of the page.

    CatalogueError when the folder cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        page = SensitivityPage(
            found=found,
            value=" ".join(measured("tokens_per_dollar", found.tornado.tokens_per_dollar)),
            mapping=mapping_text(found.margins.mapping),
            margins=margin_rows(found),
            margin_note=margin_note(found),
            ranges=range_rows(found),
            range_note=range_note(found),
            rivals=[(one.rival, flip_sentence(one), flip_rows(one)) for one in found.rivalries],
            figures=save_figures(directory, draw_all(found)),
            works=works_of_ranges(found),
        )
        text = json.dumps(sensitivity_json(found), indent=1, ensure_ascii=False)
        (directory / "sensitivity.json").write_text(text, encoding="utf-8")
        path = directory / "sensitivity.html"
        path.write_text(environment().get_template("sensitivity.html.j2").render(page=page).lstrip(), encoding="utf-8")
    except OSError as error:
        raise CatalogueError([Problem(f"cannot be written: {error.strerror}", file=str(directory))]) from error
    return path
