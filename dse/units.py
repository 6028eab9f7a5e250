"""Which number is meant? Quantities with units become base units at the border, and strings again on the way out.

Base units: bytes, seconds, FLOP, joules (W = J/s), mm, USD, tokens, and 1 for counts, ratios and shares.
The units of the shipped catalogue are resolved by the table below, which a test compares with pint; every
other unit is resolved by pint itself, whose import is too slow to be paid by every command.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

__all__ = [
    "DIMENSIONS",
    "UNITS",
    "UnitError",
    "exact",
    "parse",
    "readable",
    "resolve_with_pint",
    "rounded",
    "split_quantity",
]

Exponents = tuple[int, int, int, int, int, int, int, int]

# Exponents of (byte, second, joule, mm, USD, FLOP, token, volt); the name of a dimension is its base unit.
DIMENSIONS: dict[str, Exponents] = {
    "1": (0, 0, 0, 0, 0, 0, 0, 0),
    "tokens": (0, 0, 0, 0, 0, 0, 1, 0),
    "bytes": (1, 0, 0, 0, 0, 0, 0, 0),
    "bytes/s": (1, -1, 0, 0, 0, 0, 0, 0),
    "bytes/mm2": (1, 0, 0, -2, 0, 0, 0, 0),
    "bytes/s/mm": (1, -1, 0, -1, 0, 0, 0, 0),
    "bytes/s/mm2": (1, -1, 0, -2, 0, 0, 0, 0),
    "s": (0, 1, 0, 0, 0, 0, 0, 0),
    "1/s": (0, -1, 0, 0, 0, 0, 0, 0),
    "W": (0, -1, 1, 0, 0, 0, 0, 0),
    "W/mm2": (0, -1, 1, -2, 0, 0, 0, 0),
    "J": (0, 0, 1, 0, 0, 0, 0, 0),
    "J/mm2": (0, 0, 1, -2, 0, 0, 0, 0),
    "V": (0, 0, 0, 0, 0, 0, 0, 1),
    "J/byte": (-1, 0, 1, 0, 0, 0, 0, 0),
    "J/byte/mm": (-1, 0, 1, -1, 0, 0, 0, 0),
    "J/FLOP": (0, 0, 1, 0, 0, -1, 0, 0),
    "mm": (0, 0, 0, 1, 0, 0, 0, 0),
    "mm2": (0, 0, 0, 2, 0, 0, 0, 0),
    "1/mm2": (0, 0, 0, -2, 0, 0, 0, 0),
    "mm2/(byte/s)": (-1, 1, 0, 2, 0, 0, 0, 0),
    "USD": (0, 0, 0, 0, 1, 0, 0, 0),
    "USD/byte": (-1, 0, 0, 0, 1, 0, 0, 0),
    "USD/mm2": (0, 0, 0, -2, 1, 0, 0, 0),
    "USD/s": (0, -1, 0, 0, 1, 0, 0, 0),
    "USD/(byte/s)": (-1, 1, 0, 0, 1, 0, 0, 0),
    "USD/J": (0, 0, -1, 0, 1, 0, 0, 0),
    "USD/W": (0, 1, -1, 0, 1, 0, 0, 0),
    "FLOP": (0, 0, 0, 0, 0, 1, 0, 0),
    "FLOP/s": (0, -1, 0, 0, 0, 1, 0, 0),
}

# Unit -> size in the base unit; within a dimension from small to large, as `readable` picks the largest that fits.
UNITS: dict[str, dict[str, float]] = {
    "1": {"": 1.0, "%": 0.01, "defects": 1.0},
    "tokens": {"tokens": 1.0, "token": 1.0},
    "bytes": {"bit": 0.125, "B": 1.0, "kb": 125.0, "kB": 1e3, "KiB": 1024.0, "Mb": 125e3, "MB": 1e6, "MiB": 1024.0**2}
    | {"Gb": 125e6, "GB": 1e9, "GiB": 1024.0**3, "Tb": 125e9, "TB": 1e12, "TiB": 1024.0**4, "PB": 1e15},
    "bytes/s": {"bit/s": 0.125, "B/s": 1.0, "kB/s": 1e3, "Mb/s": 125e3, "MB/s": 1e6, "Gb/s": 125e6, "GB/s": 1e9}
    | {"GiB/s": 1024.0**3, "Tb/s": 125e9, "TB/s": 1e12, "TiB/s": 1024.0**4, "PB/s": 1e15},
    "bytes/mm2": {"B/mm2": 1.0, "kB/mm2": 1e3, "Mb/mm2": 125e3, "MB/mm2": 1e6, "MiB/mm2": 1024.0**2},
    "bytes/s/mm": {"B/s/mm": 1.0, "Gb/s/mm": 125e6, "GB/s/mm": 1e9, "Tb/s/mm": 125e9, "TB/s/mm": 1e12},
    "bytes/s/mm2": {"B/s/mm2": 1.0, "Gb/s/mm2": 125e6, "GB/s/mm2": 1e9, "Tb/s/mm2": 125e9, "TB/s/mm2": 1e12},
    "s": {"ps": 1e-12, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
    | {"day": 86400.0, "year": 31557600.0},
    "1/s": {
        "%/year": 0.01 / 31557600.0,
        "1/year": 1 / 31557600.0,
        "Hz": 1.0,
        "1/s": 1.0,
        "kHz": 1e3,
        "MHz": 1e6,
        "GHz": 1e9,
    },
    "W": {"pW": 1e-12, "uW": 1e-6, "mW": 1e-3, "W": 1.0, "kW": 1e3, "MW": 1e6},
    "W/mm2": {"mW/mm2": 1e-3, "W/cm2": 0.01, "W/mm2": 1.0},
    "J": {
        "fJ": 1e-15,
        "pJ": 1e-12,
        "nJ": 1e-9,
        "uJ": 1e-6,
        "mJ": 1e-3,
        "J": 1.0,
        "kJ": 1e3,
        "kWh": 3.6e6,
        "MWh": 3.6e9,
    },
    "J/mm2": {"pJ/mm2": 1e-12, "J/mm2": 1.0},
    "V": {"mV": 1e-3, "V": 1.0},
    "J/byte": {"fJ/bit": 8e-15, "pJ/B": 1e-12, "pJ/bit": 8e-12, "nJ/B": 1e-9, "J/B": 1.0},
    "J/byte/mm": {"pJ/B/mm": 1e-12, "pJ/bit/mm": 8e-12, "J/B/mm": 1.0},
    "J/FLOP": {"fJ/FLOP": 1e-15, "pJ/FLOP": 1e-12, "J/FLOP": 1.0},
    "mm": {"nm": 1e-6, "um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1e3},
    "mm2": {"um2": 1e-6, "mm2": 1.0, "cm2": 100.0},
    "1/mm2": {"1/cm2": 0.01, "defects/cm2": 0.01, "1/mm2": 1.0, "defects/mm2": 1.0},
    "mm2/(byte/s)": {
        "mm2/(TB/s)": 1e-12,
        "mm2/(Tb/s)": 8e-12,
        "mm2/(GB/s)": 1e-9,
        "mm2/(Gb/s)": 8e-9,
        "mm2/(B/s)": 1.0,
    },
    "USD": {"USD": 1.0, "USD/wafer": 1.0, "kUSD": 1e3, "MUSD": 1e6},
    "USD/byte": {"USD/TB": 1e-12, "USD/GB": 1e-9, "USD/GiB": 1 / 1024.0**3, "USD/B": 1.0},
    "USD/mm2": {"USD/cm2": 0.01, "USD/mm2": 1.0},
    "USD/s": {"USD/year": 1 / 31557600.0, "USD/h": 1 / 3600.0, "USD/s": 1.0},
    "USD/(byte/s)": {"USD/(GB/s)": 1e-9, "USD/(Gb/s)": 8e-9, "USD/(B/s)": 1.0},
    "USD/J": {"USD/MWh": 1 / 3.6e9, "USD/kWh": 1 / 3.6e6, "USD/J": 1.0},
    "USD/W": {"USD/kW": 1e-3, "USD/W": 1.0},
    "FLOP": {"FLOP": 1.0, "GFLOP": 1e9, "TFLOP": 1e12, "PFLOP": 1e15},
    "FLOP/s": {"FLOP/s": 1.0, "GFLOP/s": 1e9, "TFLOP/s": 1e12, "PFLOP/s": 1e15},
}
BASE_UNITS: dict[str, str] = {
    dimension: next(unit for unit, size in units.items() if size == 1.0) for dimension, units in UNITS.items()
}
RESOLVED: dict[str, tuple[float, Exponents]] = {
    unit: (size, DIMENSIONS[dimension]) for dimension, units in UNITS.items() for unit, size in units.items()
}
# Units that one may write but that reports do not choose.
UNFAMILIAR = frozenset(
    {
        "bit",
        "kb",
        "Mb",
        "Gb",
        "Tb",
        "bit/s",
        "Mb/s",
        "Gb/s",
        "Tb/s",
        "min",
        "day",
        "cm",
        "m",
        "cm2",
        "KiB",
        "MiB",
        "GiB",
    }
    | {"TiB", "GiB/s", "TiB/s", "Mb/mm2", "MiB/mm2", "defects/cm2", "defects/mm2", "W/cm2", "USD/GiB", "kWh", "MWh"}
    | {
        "%",
        "kUSD",
        "MUSD",
        "USD/wafer",
        "%/year",
        "USD/cm2",
        "Gb/s/mm",
        "Gb/s/mm2",
        "Tb/s/mm",
        "Tb/s/mm2",
        "mm2/(Tb/s)",
        "mm/(Tb/s)",
        "USD/MWh",
        "PB",
    }
)
# pint takes None for a registry without its own units, which its annotations do not say.
NO_FILE: Any = None
PINT_DEFINITIONS = """
pico- = 1e-12 = p-
nano- = 1e-9 = n-
micro- = 1e-6 = u- = µ-
milli- = 1e-3 = m-
centi- = 1e-2 = c-
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
peta- = 1e15 = P-
femto- = 1e-15 = f-
kibi- = 1024 = Ki-
mebi- = 1048576 = Mi-
gibi- = 1073741824 = Gi-
tebi- = 1099511627776 = Ti-
byte = [information] = B = bytes
bit = 0.125 * byte = b = bits
second = [time] = s
minute = 60 * second = min
hour = 3600 * second = h
day = 24 * hour
year = 365.25 * day
hertz = 1 / second = Hz
joule = [energy] = J
watt = joule / second = W
watt_hour = 3600 * joule = Wh
meter = [length] = m
usd = [money] = USD
flop = [operation] = FLOP
token = [token] = _ = tokens
volt = [potential] = V
percent = 0.01 = %
defect = 1 = _ = defects
wafer = 1
"""
# Names, small powers, products and quotients, ending in a name, a power or a parenthesis.
PLAUSIBLE = re.compile(r"(?:[A-Za-zµ%()*/ ]|(?<![0-9])[0-9](?![0-9.]))*[A-Za-zµ%)0-9]")
QUANTITY = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*")


SIGNIFICANT = 6
"""Digits of a number that a person reads or a search chooses [1]."""

DIGITS = (SIGNIFICANT, 12, 15, 16, 17)
"""Numbers of digits that an exact text is tried with [1]."""


class UnitError(ValueError):
    """A quantity that cannot be read; its message is the rule that was broken."""


def split_quantity(text: str) -> tuple[float, str]:
    """Number and unit of a string such as '3.35 TB/s'; UnitError when it does not begin with a number."""
    match = QUANTITY.fullmatch(text)
    if match is None:
        raise UnitError("must be a number followed by its unit")
    unit = match[2]
    return float(match[1]), f"1{unit}" if unit.startswith("/") else unit


def parse(text: str, dimension: str) -> float:
    """The value in base units of a quantity that must have the dimension, a key of DIMENSIONS; else UnitError.

    >>> parse("3.35 TB/s", "bytes/s")
    3350000000000.0
    """
    number, unit = split_quantity(text)
    size, found = RESOLVED.get(unit) or resolve_with_pint(unit)
    if DIMENSIONS[dimension] != found:
        given = f"the unit {unit!r}" if unit else "no unit"
        raise UnitError(f"must be in units of {dimension}, and has {given}")
    return number * size


def units_of(dimension: str) -> tuple[str, ...]:
    """Units in which a quantity of this dimension is usually written."""
    return tuple(unit for unit in UNITS[dimension] if unit and unit not in UNFAMILIAR)


def readable(value: float, dimension: str, digits: int = 4) -> str:
    """The value [base units] in the largest familiar unit that keeps it at one or more.

    >>> readable(3.35e12, "bytes/s")
    '3.35 TB/s'
    """
    unit = fitting_unit(value, dimension)
    return f"{value / UNITS[dimension][unit]:.{digits}g} {unit}".rstrip() if unit else f"{value:.{digits}g}"


def exact(value: float, dimension: str) -> str:
    """A string that `parse` turns into the bit-identical value, as short as it can be in the unit that fits best.

    Where no decimal in that unit reads back the same, the next smaller familiar unit is tried, down to the base unit.

    >>> exact(133429087089207.67, "bytes/s"), exact(133.429e12, "bytes/s")
    ('133429087.08920768 MB/s', '133.429 TB/s')
    """
    fitting = fitting_unit(value, dimension)
    units = [unit for unit in units_of(dimension) if UNITS[dimension][unit] <= UNITS[dimension][fitting]]
    for unit in sorted(units if fitting else [], key=lambda unit: (unit != fitting, -UNITS[dimension][unit])):
        for digits in DIGITS:
            text = f"{value / UNITS[dimension][unit]:.{digits}g} {unit}"
            if parse(text, dimension) == value:
                return text
    return f"{shortest(value)} {BASE_UNITS[dimension]}".rstrip()


def rounded(value: float, dimension: str) -> float:
    """The value [base units] that six significant digits in its familiar unit read back to.

    >>> rounded(133429087089207.67, "bytes/s")
    133429000000000.0
    """
    return parse(readable(value, dimension, SIGNIFICANT), dimension)


def shortest(value: float) -> str:
    """The shortest decimal that reads back as the value, without a trailing '.0'."""
    return repr(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))


def fitting_unit(value: float, dimension: str) -> str:
    """The largest familiar unit not above the value, the smallest when all are; '' for counts and ratios."""
    if dimension == "1":
        return ""
    familiar = [(UNITS[dimension][unit], unit) for unit in units_of(dimension)]
    if value == 0:
        return BASE_UNITS[dimension]
    below = [pair for pair in familiar if pair[0] <= abs(value) * (1 + 1e-12)]
    return max(below)[1] if below else min(familiar)[1]


@cache
def pint_registry() -> Any:
    """A pint registry of our units only, so that a misspelt unit is no barn, gauss or minim."""
    import pint

    registry: Any = pint.UnitRegistry(filename=NO_FILE, on_redefinition="raise")
    registry.load_definitions(PINT_DEFINITIONS.strip().splitlines())
    return registry


@cache
def resolve_with_pint(unit: str) -> tuple[float, Exponents]:
    """Size in base units of any unit, with the exponents of its dimension; UnitError when unknown."""
    if (unit and not PLAUSIBLE.fullmatch(unit)) or (unit[:1].isdigit() and not unit.startswith("1/")):
        raise UnitError(f"has the unknown unit {unit!r}")
    spelled = re.sub(r"(?<=[a-zA-Z])([23])\b", r"**\1", unit.replace("%", "percent"))
    try:
        quantity = 1.0 * pint_registry().parse_expression(spelled or "1")
        size, root = pint_registry().get_base_units(getattr(quantity, "units", "dimensionless"))
    # Text that is no unit makes pint raise errors of its own, of the tokenizer and of arithmetic alike.
    except Exception as error:
        raise UnitError(f"has the unknown unit {unit!r}") from error
    powers = {str(name).strip("[]"): power for name, power in dict(root.dimensionality).items()}
    # The registry measures length in metres; ours is the millimetre.
    scale = float(getattr(quantity, "magnitude", quantity)) * size * 1000.0 ** powers.get("length", 0)
    order = ("information", "time", "energy", "length", "money", "operation", "token", "potential")
    exponents: Any = tuple(int(powers.get(name, 0)) for name in order)
    return scale, exponents
