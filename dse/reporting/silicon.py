"""What does silicon look like beside what is published? Documents, tables and the report of areas and powers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from dse.analysis.silicon import Die, Examination, Score, known_dies, rated, score, standing
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
    "score_table",
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
                    "standing": die.standing or None,
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
    known = "" if math.isnan(item.published_area) else f"{item.published_area:,.0f} mm2 ({item.area_standing})"
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
        unknown = math.isnan(die.published) or item.system
        known = "" if unknown else f"{die.published:,.0f} mm2 ({die.standing})"
        error = "" if unknown else ratio_text(die.modelled, die.published)
        table.add_row(f"{die.count} x {die.name}, {die.node}", f"{die.modelled:,.0f} mm2", known, error)
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


def known_text(value: float, kind: str) -> str:
    """A figure that a chip is held against, marked where it is no published one; '' where there is none."""
    mark = "" if kind == "published" else "~"
    return "" if math.isnan(value) else f"{mark}{value:,.0f}"


def summary_table(examined: Sequence[Examination]) -> Table:
    """All chips for a person, one a line."""
    table = Table(box=None, caption="~ not published: estimated, derived or assumed", caption_justify="left")
    for heading in ("chip", "die", "area mm2", "known", "", "full load W", "rated", "", "yield"):
        table.add_column(heading, justify="left" if heading in ("chip", "die") else "right")
    for item in examined:
        table.add_row(
            item.name,
            item.die,
            f"{item.area:,.0f}",
            known_text(item.published_area, item.area_standing),
            "system" if item.system else ratio_text(item.area, item.published_area),
            f"{item.power:,.0f}",
            known_text(item.published_power, standing(item.power_kind)),
            ratio_text(item.power, item.published_power),
            share_text(item.dies[0].sellable),
        )
    return table


def score_table(found: Sequence[Score]) -> Table:
    """Errors of each group for a person: factors by which the model is off, up or down."""
    table = Table(box=None)
    for heading in ("off by a factor of", "n", "median", "largest", "on average"):
        table.add_column(heading, justify="left" if heading.startswith("off") else "right")
    for one in found:
        factors = (f"{math.exp(one.median):.2f}", f"{math.exp(one.largest):.2f}", f"{one.bias:.2f}")
        table.add_row(one.group, str(one.count), *factors)
    return table


def rounded(value: float) -> float | None:
    """A number with six digits for a table, None where there is none."""
    return None if math.isnan(value) else float(f"{value:.6g}")


def area_rows(examined: Sequence[Examination]) -> list[dict[str, Any]]:
    """areas.csv: each kind of die once, with its parts [mm2].

    kind: 'published' by its maker, or an 'estimate' of analysts, press or the field; fitted: whether its style was
    fitted to it.
    """
    return [
        {
            "die": die.name,
            "chip": die.chip,
            "style": die.style,
            "node": die.node,
            "kind": die.standing,
            "fitted": die.fitted,
            "modelled_mm2": rounded(die.modelled),
            "published_mm2": rounded(die.published),
            "log_error": rounded(die.error),
            **{f"{name}_mm2": rounded(part) for name, part in die.parts.items()},
        }
        for die in known_dies(examined)
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
            "kind": standing(item.power_kind),
            "product_measured": item.measured,
            "log_error": rounded(item.power_error),
            **{f"{name}_w": rounded(part) for name, part in item.power_parts.items()},
        }
        for item in rated(examined)
    ]


def scores(examined: Sequence[Examination]) -> list[Score]:
    """Errors of dies and of powers at full load, what is published apart from estimates.

    Dies: those that nothing was fitted to, by what their area is, and all. Powers: one chip a die; GPUs slow down at
    their rating, which is so their full load, others have room below it; product: chips whose load was measured.
    """
    dies, chips = known_dies(examined), rated(examined)
    free = [die for die in dies if not die.fitted]
    published = [item for item in chips if standing(item.power_kind) == "published"]
    groups: dict[str, list[Die] | list[Examination]] = {
        "die area, published, not fitted": [die for die in free if die.standing == "published"],
        "die area, estimates, not fitted": [die for die in free if die.standing == "estimate"],
        "die area, not fitted": free,
        "die area, all": dies,
        "power, published": published,
        "power, published, GPUs": [item for item in published if item.style == "gpu"],
        "power, published, others": [item for item in published if item.style != "gpu"],
        "power, published, product measured": [item for item in published if item.measured],
        "power, all": chips,
    }
    return [score(group, map(error_of, items)) for group, items in groups.items()]


def error_of(item: Die | Examination) -> float:
    """ln(modelled / published) of the area of a die, of the power of a chip."""
    return item.error if isinstance(item, Die) else item.power_error


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
    "Modelled over known area of a die, each kind of die once. Full: published by its maker; hollow: estimates of "
    "analysts, press or the field. Grey: the die that the one free coefficient of its style was solved for; all others "
    "are predicted. Band: within 20 %."
)
POWER_CAPTION = (
    "Modelled power at full load over the rating of the chip: matrix units and memory at the rates that chips sustain, "
    "before any limit. Of each die the product that may draw the most; cards for drawing left out. Full: published; "
    "hollow: derived from a larger unit. Band: within 20 %."
)


def bars_of(examined: Sequence[Examination]) -> tuple[list[Bar], list[Bar]]:
    """Data of both figures."""
    areas = [
        Bar(f"{die.name} ({die.node})", die.style, die.modelled, die.published, die.standing, die.fitted)
        for die in known_dies(examined)
    ]
    powers = [
        Bar(f"{item.name} ({item.node})", item.style, item.power, item.published_power, standing(item.power_kind))
        for item in rated(examined)
    ]
    return areas, powers


def write_silicon(directory: Path, examined: Sequence[Examination]) -> list[Path]:
    """Write areas.csv, power.csv, summary.csv and figures/; CatalogueError when the folder cannot be written."""
    areas, powers = bars_of(examined)
    figures = {
        "areas": (drawn(draw_comparison, areas, "Die area, modelled over known", "mm²"), AREA_CAPTION),
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
