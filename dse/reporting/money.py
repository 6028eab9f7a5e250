"""The report of money: a table of every published figure beside the modelled one, its figures, and a summary."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dse.analysis.published_money import KINDS, Figure
from dse.reporting.money_figures import draw_bills, draw_totals
from dse.reporting.style import drawn, png_of

__all__ = ["Score", "money_rows", "scores", "write_money"]


class Score(NamedTuple):
    """How a kind of amount comes out: figures, median and largest distance [1], geometric mean of the ratio."""

    kind: str
    figures: int
    median: float
    largest: float
    bias: float


def money_rows(figures: Sequence[Figure]) -> list[dict[str, object]]:
    """One line a figure: what was published, what is modelled, ratio to the middle, distance from the interval."""
    return [
        {
            "chip": one.published.chip,
            "kind": one.published.kind,
            "part": one.published.part or "total",
            "published_low": one.published.low,
            "published_high": one.published.high,
            "modelled": float(f"{one.modelled:.6g}"),
            "unit": one.published.unit,
            "ratio": float(f"{one.modelled / one.published.middle:.4g}"),
            "distance": float(f"{np.expm1(one.log_error):.4f}"),
            "source": one.published.source,
            "date": one.published.date,
        }
        for one in figures
    ]


def scores(figures: Sequence[Figure]) -> list[Score]:
    """By kind of amount, totals only; parts of bills apart."""
    groups = {kind: [one for one in figures if one.published.kind == kind and not one.published.part] for kind in KINDS}
    groups["parts of bills"] = [one for one in figures if one.published.part]
    found = []
    for kind, members in groups.items():
        if members:
            errors = np.abs(np.expm1([one.log_error for one in members]))
            ratios = np.log([one.modelled / one.published.middle for one in members])
            bias = float(np.exp(ratios.mean()))
            found.append(Score(kind, len(members), float(np.median(errors)), float(errors.max()), bias))
    return found


def write_money(folder: Path, figures: Sequence[Figure]) -> list[Path]:
    """The table and the figures of a report in a folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "money.csv"
    rows = money_rows(figures)
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    made = [table]
    for name, draw in (("bills.png", draw_bills), ("totals.png", draw_totals)):
        (folder / name).write_bytes(png_of(drawn(draw, figures)))
        made.append(folder / name)
    return made
