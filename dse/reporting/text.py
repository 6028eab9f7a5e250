"""How is a number written? A few significant digits, thousands apart, never an exponent where a reader would not."""

from __future__ import annotations

import math

from dse.units import readable

__all__ = ["MEASURES", "counted", "measured", "quantity", "significant", "spoken"]

MEASURES = {
    "tokens_per_dollar": (1e6, "M tokens/USD"),
    "output_tokens_per_s_per_user": (1.0, "tokens/s per user"),
    "tokens_per_joule": (1.0, "tokens/J"),
    "mean_tokens_per_dollar": (1e6, "M tokens/USD"),
    "worst_tokens_per_dollar": (1e6, "M tokens/USD"),
    "share_of_best": (1.0, "of the best shipped chip"),
    "qsnr": (1.0, "dB signal over noise"),
    "accuracy_loss": (1.0, "rank correlation lost"),
    "accuracy_kept": (1.0, "rank correlation kept"),
}
"""Objective -> size of its unit in base units, and the unit as it is written."""

DAY = 86400.0


def significant(value: float | int, digits: int = 3) -> str:
    """A number with so many significant digits and thousands set apart; '–' where there is none.

    >>> significant(1234.5), significant(0.12345), significant(20.04), significant(float("nan"))
    ('1,234', '0.123', '20.0', '–')
    """
    if not math.isfinite(value):
        return "–"
    if value == 0.0:
        return "0"
    size = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if size < -4 or size > 11:
        return f"{value:.{digits}g}"
    return f"{value:,.{max(digits - 1 - size, 0)}f}"


def spoken(names: list[str]) -> str:
    """Names as one enumerates them: 'a, b and c'."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def counted(value: float | int) -> str:
    """A count: whole where it is, else with three significant digits.

    >>> counted(8192.0), counted(3.98)
    ('8,192', '3.98')
    """
    return f"{value:,.0f}" if math.isfinite(value) and value == round(value) else significant(value)


def quantity(value: float | int, dimension: str) -> str:
    """A value [base units] with three significant digits in a familiar unit, never with an exponent.

    A time beyond a day is said to be that: no request waits so long, and its digits mean nothing.

    >>> quantity(2499.9, "mm2"), quantity(3.35e12, "bytes/s"), quantity(3.8e9, "s")
    ('2,500 mm2', '3.35 TB/s', 'over a day')
    """
    if not math.isfinite(value):
        return "–"
    if dimension == "dB":
        return f"{significant(value)} dB"
    if dimension == "s" and value > DAY:
        return "over a day"
    number, _, unit = readable(float(f"{value:.3g}"), dimension, 12).partition(" ")
    return f"{float(f'{float(number):.3g}'):,.12g} {unit}".rstrip()


def measured(objective: str, value: float | int) -> tuple[str, str]:
    """The value of an objective and its unit as texts.

    >>> measured("tokens_per_dollar", 18.58e6), measured("tokens_per_joule", 7.171)
    (('18.6', 'M tokens/USD'), ('7.17', 'tokens/J'))
    """
    size, unit = MEASURES.get(objective, (1.0, objective.replace("_", " ")))
    return significant(value / size), unit
