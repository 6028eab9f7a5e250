"""Quantities: our table against pint, round trips, and units that must be refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import units

VALUES = st.floats(min_value=1e-30, max_value=1e30, allow_nan=False)
DIMENSIONS = st.sampled_from(sorted(units.DIMENSIONS))


@pytest.mark.parametrize(("dimension", "unit"), [(d, u) for d, listed in units.UNITS.items() for u in listed])
def test_table_agrees_with_pint(dimension: str, unit: str) -> None:
    size, exponents = units.resolve_with_pint(unit)
    assert exponents == units.DIMENSIONS[dimension]
    assert math.isclose(size, units.UNITS[dimension][unit], rel_tol=1e-14)


@given(VALUES, DIMENSIONS)
def test_exact_strings_read_back_bit_identical(value: float, dimension: str) -> None:
    assert units.parse(units.exact(value, dimension), dimension) == value


@given(VALUES, DIMENSIONS)
def test_readable_strings_keep_their_digits(value: float, dimension: str) -> None:
    assert math.isclose(units.parse(units.readable(value, dimension, 9), dimension), value, rel_tol=1e-7)


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("3.35 TB/s", "bytes/s", 3.35e12),
        ("80GB", "bytes", 80e9),
        ("1 GiB", "bytes", 2**30),
        ("5 pJ/bit", "J/byte", 40e-12),
        ("2.99 USD/h", "USD/s", 2.99 / 3600),
        ("0.1 defects/cm2", "1/mm2", 1e-3),
        ("0.1/cm2", "1/mm2", 1e-3),
        ("50 %", "1", 0.5),
        ("1024 tokens", "tokens", 1024),
        ("989.4 TFLOP/s", "FLOP/s", 989.4e12),
        ("7 Gb/min", "bytes/s", 7e9 / 8 / 60),
        ("-2 mm", "mm", -2.0),
    ],
)
def test_reads(text: str, dimension: str, value: float) -> None:
    assert math.isclose(units.parse(text, dimension), value, rel_tol=1e-14)


@pytest.mark.parametrize("text", ["", "TB/s", "3.35 TB", "3.35", "3 parsec/s", "3 4", "3 TB/s^", "nan TB/s", "3 (B/s"])
def test_refuses(text: str) -> None:
    with pytest.raises(units.UnitError):
        units.parse(text, "bytes/s")


def test_prefers_a_unit_that_people_read() -> None:
    assert units.readable(3.35e12, "bytes/s") == "3.35 TB/s"
    assert units.readable(0.05, "s") == "50 ms"
    assert units.readable(0.0, "W") == "0 W"
    assert units.exact(528.0, "1") == "528"


@given(st.floats(min_value=1e9, max_value=9e13))
def test_rounded_numbers_are_written_short(value: float) -> None:
    for dimension in ("bytes/s", "bytes", "1/s"):
        rounded = units.rounded(value, dimension)
        text = units.exact(rounded, dimension)
        assert units.parse(text, dimension) == rounded
        assert len(text.split()[0].replace(".", "")) <= 7
        assert math.isclose(rounded, value, rel_tol=1e-5)
