"""What does silicon look like beside what is published? Documents, tables and the report of areas and powers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from dse.analysis.silicon import Examination, Score, once_each, rated, score
from dse.catalogue import CatalogueError, Problem
from dse.catalogue.read import Entry
from dse.reporting.folder import save_figures
from dse.reporting.results import csv_text
from dse.reporting.silicon_figures import Bar, draw_comparison
from dse.reporting.style import drawn
from dse.reporting.summary import finite

__all__ = [
    "area_rows",
    "cited_works",
    "power_rows",
    "scores",
    "silicon_json",
    "silicon_table",
    "summary_table",
    "write_silicon",
]

PERCENT = 100.0


def silicon_json(item: Examination) -> dict[str, Any]:
    """A chip as silicon as a document: totals of a package, what is not published is null."""
    comparable = math.nan if item.system else item.published_area
    rating = math.nan if item.power_kind in ("assumed", "hypothetical") else item.published_power
    return finite(
        {
            "chip": item.name,
            "die_area_mm2": {"modelled": item.area, "published": comparable, "parts": item.area_parts},
            "power_w": {"modelled": item.power, "published": rating, "parts": item.power_parts},
            "yield": item.dies[0].sellable,
            "slack": item.slack,
            "dies": [
                {
                    "name": die.name,
                    "count": die.count,
                    "node": die.node,
                    "area_mm2": {"modelled": die.modelled, "published": math.nan if item.system else die.published},
                    "defect_free": die.defect_free,
                    "sellable": die.sellable,
                    "per_wafer": die.per_wafer,
                }
                for die in item.dies
            ],
        }
    )


def ratio_text(modelled: float, published: float) -> str:
    """How far modelled is from published, '' where nothing is."""
    return "" if math.isnan(published) else f"{PERCENT * (modelled / published - 1.0):+.0f} %"


def share_text(share: float) -> str:
    """A share in per cent, 'not stated' where it is none."""
    return "not stated" if math.isnan(share) else f"{PERCENT * share:.0f} %"


def silicon_table(item: Examination) -> Table:
    """One chip for a person: area and power by part, dies and slack."""
    table = Table(title=f"{item.title}: {item.node}, style {item.style}", title_justify="left", box=None)
    for heading in ("", "modelled", "published", ""):
        table.add_column(heading, justify="left" if not heading else "right")
    known = "" if math.isnan(item.published_area) else f"{item.published_area:,.0f} mm2"
    system = "its die holds processors too" if item.system else ratio_text(item.area, item.published_area)
    table.add_row("die area", f"{item.area:,.0f} mm2", known, system)
    for name, part in item.area_parts.items():
        if part > 0.0:
            table.add_row(f"  {name.replace('_', ' ')}", f"{part:,.1f} mm2")
    published = f"{item.published_power:,.0f} W ({item.power_kind})"
    table.add_row("full load", f"{item.power:,.0f} W", published, ratio_text(item.power, item.published_power))
    for name, part in item.power_parts.items():
        if part > 0.0:
            table.add_row(f"  {name.replace('_', ' ')}", f"{part:,.1f} W")
    for die in item.dies:
        each = "" if math.isnan(die.published) or item.system else f"{die.published:,.0f} mm2"
        table.add_row(f"{die.count} x {die.name}, {die.node}", f"{die.modelled:,.0f} mm2", each)
        good = f"{share_text(die.sellable)} sellable"
        table.add_row(f"  {die.per_wafer:.0f} a wafer", f"{share_text(die.defect_free)} without a defect", good)
    table.add_row("room left in each limit", "", "")
    for name, room in item.slack.items():
        table.add_row(f"  {name.replace('_', ' ')}", share_text(room))
    return table


SILICON_TABLES = ("process", "matrix", "sram", "memory", "package", "base", "vector_lanes", "double_lanes")


def cited_works(entry: Entry) -> list[str]:
    """Titles of the works that the silicon of a chip is taken from."""
    keys = {figure.source for path, figure in entry.figures.items() if path.partition(".")[0] in SILICON_TABLES}
    return [f"{key}: {source.title}" for key, source in entry.sources.items() if key in keys]


def summary_table(examined: Sequence[Examination]) -> Table:
    """All chips for a person, one a line."""
    table = Table(box=None)
    for heading in ("chip", "die", "area mm2", "published", "", "full load W", "rated", "", "yield"):
        table.add_column(heading, justify="left" if heading in ("chip", "die") else "right")
    for item in examined:
        unknown = math.isnan(item.published_area)
        table.add_row(
            item.name,
            item.die,
            f"{item.area:,.0f}",
            "" if unknown else f"{item.published_area:,.0f}",
            "system" if item.system else ratio_text(item.area, item.published_area),
            f"{item.power:,.0f}",
            f"{item.published_power:,.0f}",
            ratio_text(item.power, item.published_power),
            share_text(item.dies[0].sellable),
        )
    return table


def rounded(value: float) -> float | None:
    """A number with six digits for a table, None where there is none."""
    return None if math.isnan(value) else float(f"{value:.6g}")


def area_rows(examined: Sequence[Examination]) -> list[dict[str, Any]]:
    """areas.csv: each die once, with its parts [mm2]; fitted: whether its style was fitted to it."""
    return [
        {
            "die": item.die,
            "chip": item.name,
            "style": item.style,
            "node": item.node,
            "fitted": item.fitted,
            "modelled_mm2": rounded(item.area),
            "published_mm2": rounded(item.published_area),
            "log_error": rounded(item.area_error),
            **{f"{name}_mm2": rounded(part) for name, part in item.area_parts.items()},
        }
        for item in once_each(examined)
    ]


def power_rows(examined: Sequence[Examination]) -> list[dict[str, Any]]:
    """power.csv: each chip that is held to the power of its silicon, with its parts [W]."""
    return [
        {
            "chip": item.name,
            "die": item.die,
            "style": item.style,
            "node": item.node,
            "modelled_w": rounded(item.power),
            "published_w": rounded(item.published_power),
            "kind": item.power_kind,
            "log_error": rounded(item.power_error),
            **{f"{name}_w": rounded(part) for name, part in item.power_parts.items()},
        }
        for item in rated(examined)
    ]


def scores(examined: Sequence[Examination]) -> list[Score]:
    """Errors of dies that nothing was fitted to and of all, and of power.

    Power: of every chip whose best product was measured, at whatever it is rated; of chips that are held to the power
    of their silicon, all and GPUs alone.
    """
    dies, chips = once_each(examined), rated(examined)
    return [
        score("die area, not fitted", (item.area_error for item in dies if not item.fitted)),
        score("die area, all", (item.area_error for item in dies)),
        score("power, product measured", (item.power_error for item in examined if item.measured)),
        score("power, rated chips", (item.power_error for item in chips)),
        score("power, rated GPUs", (item.power_error for item in chips if item.style == "gpu")),
    ]


def score_rows(found: Sequence[Score]) -> list[dict[str, Any]]:
    """summary.csv: count, median and largest |ln(modelled / published)|, geometric mean of the ratio."""
    return [
        {
            "group": one.group,
            "n": one.count,
            "median_abs_log_error": rounded(one.median),
            "largest_abs_log_error": rounded(one.largest),
            "bias": rounded(one.bias),
        }
        for one in found
    ]


AREA_CAPTION = (
    "Modelled over published area of the dies of a package, each die once. Grey: the die that the one free coefficient "
    "of its style was solved for; all others are predicted. Band: within 20 %."
)
POWER_CAPTION = (
    "Modelled power at full load over the rating of the chip: matrix units and memory at the rates that chips sustain, "
    "before any limit. Of each die the product that may draw the most; cards for drawing left out. Band: within 20 %."
)


def bars_of(examined: Sequence[Examination]) -> tuple[list[Bar], list[Bar]]:
    """Data of both figures."""
    areas = [
        Bar(f"{item.die} ({item.node})", item.style, item.area, item.published_area, item.fitted)
        for item in once_each(examined)
    ]
    powers = [
        Bar(f"{item.name} ({item.node})", item.style, item.power, item.published_power, False)
        for item in rated(examined)
    ]
    return areas, powers


def write_silicon(directory: Path, examined: Sequence[Examination]) -> list[Path]:
    """Write areas.csv, power.csv, summary.csv and figures/; CatalogueError when the folder cannot be written."""
    areas, powers = bars_of(examined)
    figures = {
        "areas": (drawn(draw_comparison, areas, "Die area, modelled over published", "mm²"), AREA_CAPTION),
        "power": (drawn(draw_comparison, powers, "Power at full load, modelled over rated", "W"), POWER_CAPTION),
    }
    tables = {
        "areas.csv": area_rows(examined),
        "power.csv": power_rows(examined),
        "summary.csv": score_rows(scores(examined)),
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, rows in tables.items():
            (directory / name).write_text(csv_text(rows), encoding="utf-8")
        save_figures(directory, figures)
    except OSError as error:
        raise CatalogueError([Problem(f"cannot be written: {error.strerror}", file=str(directory))]) from error
    return [directory / name for name in tables] + [directory / "figures" / f"{name}.png" for name in figures]
