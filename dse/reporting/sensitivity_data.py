"""How are marginal values, ranges and flip points written? As rows for tables, and as one JSON document."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from dse.analysis.constants import Constant
from dse.analysis.flip_points import Flip, Rivalry
from dse.analysis.marginal import STEP, Marginal
from dse.analysis.sensitivity import Sensitivity
from dse.analysis.tornado import Bar
from dse.reporting.breakdown import named_parts
from dse.reporting.summary import finite, reason_of
from dse.reporting.text import significant, spoken
from dse.sources import Source, bibliography
from dse.units import UNITS, fitting_unit

__all__ = [
    "FlipRow",
    "MarginRow",
    "RangeRow",
    "flip_rows",
    "flip_sentence",
    "margin_rows",
    "range_rows",
    "refusals",
    "sensitivity_json",
    "works_of_ranges",
]


MOST_NAMED = 4
"""Constants that a sentence enumerates [1]."""


class MarginRow(NamedTuple):
    """A resource or a price: what there is, what one more unit brings [tokens/USD], percent per percent, and notes."""

    name: str
    now: str
    unit: str
    per_unit: str
    slope: str
    promised: str
    stepped: str
    area: str
    note: str


class RangeRow(NamedTuple):
    """A constant: its value and range, tokens per dollar at both ends against today [%], and who says so."""

    name: str
    value: str
    low: str
    high: str
    at_low: str
    at_high: str
    kind: str
    source: str


class FlipRow(NamedTuple):
    """A constant: its value and range, the value at which the order turns, on which side, and whether in the range."""

    name: str
    value: str
    range: str
    turns: str
    where: str
    note: str


def signed(share: float) -> str:
    """A change in percent with its sign.

    >>> signed(0.0123), signed(-0.5), signed(float("nan")), signed(0.0)
    ('+1.23 %', '-50.0 %', '–', '0 %')
    """
    if not math.isfinite(share):
        return "–"
    text = significant(100.0 * share, 3 if abs(share) >= 1e-3 else 2)
    return f"{'+' if share > 0.0 else ''}{text} %"


def amount(constant: Constant, value: float) -> str:
    """A value of a constant in the unit that fits the constant's own; shares and counts as plain numbers."""
    unit = fitting_unit(constant.value or constant.range[1], constant.dimension)
    return f"{significant(value / UNITS[constant.dimension][unit])} {unit}" if unit else significant(value)


def note_of(row: Marginal) -> str:
    """What a reader must know of a marginal value."""
    notes = []
    if row.broken:
        notes.append(f"+10 % breaks {spoken([name.replace('_', ' ') for name in row.broken])}")
    elif row.disagrees:
        notes.append("slope misleads" if row.promised * row.stepped <= 0.0 else "bends")
    if row.remapped and not row.broken:
        notes.append("other mapping")
    if row.kink:
        notes.append("steps")
    return ", ".join(notes)


def margin_rows(found: Sensitivity) -> list[MarginRow]:
    """Resources, then prices, each in the order of their worth; what is worth nothing on this basis is left out."""
    return [
        MarginRow(
            name=row.knob.name,
            now=f"{significant(row.knob.value / row.knob.size)} {row.knob.unit}",
            unit=row.knob.unit,
            per_unit=f"{'+' if row.per_unit > 0.0 else ''}{significant(row.per_unit)}",
            slope=f"{row.slope:+.3f}",
            promised=signed(math.expm1(row.promised)),
            stepped=signed(math.expm1(row.stepped)),
            area=f"{significant(row.die_area)} mm2" if row.die_area > 0.0 else "",
            note=note_of(row),
        )
        for row in found.margins.rows
        if abs(row.slope) > 5e-4 or abs(row.stepped) > 5e-4
    ]


def range_row(bar: Bar, today: float) -> RangeRow:
    """A bar of the tornado as a row; today: tokens per dollar [1/USD]."""
    constant = bar.constant
    low, high = constant.range
    work = constant.source
    return RangeRow(
        name=constant.label,
        value=amount(constant, constant.value),
        low=amount(constant, low),
        high=amount(constant, high),
        at_low=signed(bar.at_low / today - 1.0),
        at_high=signed(bar.at_high / today - 1.0),
        kind="fitted" if constant.fitted else constant.cited.kind,
        source="measured rows" if constant.fitted else "" if work is None else work.key,
    )


def within_limits(bar: Bar) -> bool:
    """Whether the chip can do its job at both ends of a range."""
    return math.isfinite(bar.swing)


def range_rows(found: Sensitivity) -> list[RangeRow]:
    """Constants at both of whose ends the chip can do its job, the widest first."""
    return [range_row(bar, found.tornado.tokens_per_dollar) for bar in found.tornado.bars if within_limits(bar)]


def refusals(found: Sensitivity) -> list[str]:
    """Ends of ranges at which no mapping keeps the limits, and which one is exceeded."""
    texts = []
    for bar in found.tornado.bars:
        for end, broken in zip(bar.constant.range, bar.broken, strict=True):
            if broken:
                why = reason_of(*next(iter(broken.items())))
                texts.append(f"{bar.constant.label} at {amount(bar.constant, end)}: {why}")
    return texts


def flip_row(flip: Flip, winner: str) -> FlipRow:
    """A crossing as a row; winner: who wins beyond it."""
    constant = flip.constant
    low, high = constant.range
    return FlipRow(
        name=constant.label,
        value=amount(constant, constant.value),
        range=f"{amount(constant, low)} to {amount(constant, high)}" if constant.ranged else "",
        turns=amount(constant, flip.value),
        where=f"{winner} wins {side_of(flip)}",
        note="in its range" if flip.inside else "beyond its range" if constant.ranged else "no range stated",
    )


def side_of(flip: Flip) -> str:
    """On which side of a flip the order is another."""
    return "above" if flip.above else "below"


def leads(rivalry: Rivalry) -> bool:
    """Whether the chip gives at least as many tokens per dollar as the rival."""
    mine, other = rivalry.tokens_per_dollar
    return mine >= other


def flip_rows(rivalry: Rivalry) -> list[FlipRow]:
    """The crossings with a rival: those inside their ranges first, then the nearest."""
    winner = rivalry.rival if leads(rivalry) else rivalry.chip
    return [flip_row(flip, winner) for flip in rivalry.flips if not flip.jump]


def named_once(flips: list[Flip]) -> str:
    """The constants of some flips."""
    names = list(dict.fromkeys(flip.constant.label for flip in flips))
    more = len(names) - MOST_NAMED
    return spoken(names) if more < 2 else f"{', '.join(names[:MOST_NAMED])} and {more} others"


def flip_sentence(rivalry: Rivalry) -> str:
    """Who is ahead, and which constants could turn that within their ranges: by a crossing, or by a broken limit."""
    mine, other = rivalry.tokens_per_dollar
    ahead, behind = (rivalry.chip, rivalry.rival) if leads(rivalry) else (rivalry.rival, rivalry.chip)
    crossings = [flip for flip in rivalry.flips if not flip.jump]
    inside = [flip for flip in crossings if flip.inside]
    steps = [flip for flip in rivalry.flips if flip.jump and flip.inside]
    text = f"{ahead} gives {significant(max(mine, other) / min(mine, other))} times the tokens per dollar of {behind}. "
    if inside:
        text += f"Each of these alone turns that within its range: {named_once(inside)}."
    else:
        text += f"None of {rivalry.tried} constants alone turns that within its range"
        text += ", but some do beyond it." if crossings else ", nor up to a factor of ten from its value."
    if steps:
        text += (
            f" The model refuses {ahead}, or it falls by a step, for some values in the range of {named_once(steps)}."
        )
    return text


def works_of_ranges(found: Sensitivity) -> list[Source]:
    """The works that the ranges of the tornado are taken from."""
    works = [bar.constant.source for bar in found.tornado.bars]
    return bibliography(work for work in works if work is not None)


def source_json(constant: Constant) -> dict[str, str] | None:
    """Who says so."""
    work = constant.source
    if work is None:
        return None
    place = {"at": constant.cited.at} if constant.cited.at else {}
    return {"key": work.key, "title": work.title, "locator": work.locator, "date": work.date} | place


def constant_json(constant: Constant) -> dict[str, Any]:
    """A constant with its range in base units."""
    low, high = constant.range if constant.ranged else (None, None)
    return {
        "name": constant.label,
        "key": constant.key,
        "unit": constant.dimension,
        "range": {"value": constant.value, "low": low, "high": high},
        "range_of": "80 % of a fit to measured rows" if constant.fitted else "judged",
        "kind": constant.cited.kind,
        "note": constant.cited.note,
        "source": source_json(constant),
    }


def margin_json(row: Marginal) -> dict[str, Any]:
    """A marginal value."""
    return {
        "name": row.knob.name,
        "of": "price" if row.knob.price else "resource",
        "value": row.knob.value / row.knob.size,
        "unit": row.knob.unit,
        "tokens_per_dollar_per_unit": row.per_unit,
        "percent_per_percent": row.slope,
        "finite_differences": {"left": row.left, "right": row.right},
        "kink": row.kink,
        "die_area_mm2_per_unit": row.die_area,
        "make_usd_per_unit": row.make,
        "step": {
            "percent": 100.0 * STEP,
            "promised_percent": 100.0 * math.expm1(row.promised),
            "reoptimised_percent": 100.0 * math.expm1(row.stepped),
            "mapping_changes": row.remapped,
            "broken_limits": row.broken,
        },
        "disagrees": row.disagrees,
    }


def bar_json(bar: Bar, today: float) -> dict[str, Any]:
    """A bar of the tornado."""
    return constant_json(bar.constant) | {
        "tokens_per_dollar": {"value": today, "low": bar.at_low, "high": bar.at_high},
        "swing_percent": 100.0 * math.expm1(bar.swing) if within_limits(bar) else None,
        "mapping_changes": bar.remapped,
        "broken_limits": {"low": bar.broken[0], "high": bar.broken[1]},
    }


def rivalry_json(rivalry: Rivalry) -> dict[str, Any]:
    """A rival with its flip points; tokens per dollar at the constants' low and high stand in the tornado."""
    winner = rivalry.rival if leads(rivalry) else rivalry.chip
    flips = [
        constant_json(flip.constant)
        | {"flip": flip.value, "winner_beyond": winner, "side": "above" if flip.above else "below"}
        | {"inside_range": flip.inside, "at_a_step": flip.jump, "broken_limits": flip.broken}
        | {"tokens_per_dollar": dict(zip(("chip", "rival"), flip.tokens_per_dollar, strict=True))}
        for flip in rivalry.flips
    ]
    both = dict(zip(("chip", "rival"), rivalry.tokens_per_dollar, strict=True))
    document = {"rival": rivalry.rival, "tokens_per_dollar": both, "chip_leads": leads(rivalry)}
    return document | {"constants_tried": rivalry.tried, "flips": flips}


def sensitivity_json(found: Sensitivity) -> dict[str, Any]:
    """The whole analysis as a document; NaN and infinity are None."""
    today = found.tornado.tokens_per_dollar
    return finite(
        {
            "chip": found.chip.name,
            "model": found.job.model,
            "traffic": found.job.traffic,
            "price_basis": found.job.price_basis,
            "feasible": True,
            "reasons": [],
            "tokens_per_dollar": today,
            "mapping": named_parts(found.margins.mapping),
            "marginal_values": [margin_json(row) for row in found.margins.rows],
            "tornado": [bar_json(bar, today) for bar in found.tornado.bars],
            "without_effect": found.tornado.idle,
            "flip_points": [rivalry_json(rivalry) for rivalry in found.rivalries],
        }
    )
