"""Does the cost of a multiply-accumulate lie within every published range, and does width cost?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import catalogue
from hypothesis import given
from hypothesis import strategies as st

from dse.catalogue import check, list_entries, open_catalogue
from dse.catalogue.format_costs import RATIOS, modelled_costs
from dse.catalogue.formats import quantiser_of
from dse.numerics.parameters import Float, Integer, Levels, Logarithmic, Posit, Quantiser, Scaling

CITED = [row["name"] for row in list_entries("formats", catalogue())]


def modelled(quantiser: Quantiser) -> tuple[float, float]:
    """Energy and area over bf16."""
    energy, area = modelled_costs(quantiser, catalogue().library.gates).values()
    return energy, area


@pytest.mark.parametrize("name", CITED)
def test_every_format_lies_within_its_cited_range(name: str) -> None:
    """Ratios of technology tables and papers as the format files cite them; hypothetical formats promise none."""
    entry = catalogue().entry("format", name)
    costs = modelled_costs(quantiser_of(entry), catalogue().library.gates)
    for ratio in RATIOS:
        figure = entry.figures[ratio]
        if figure.kind != "hypothetical":
            low, high = figure.range
            assert low * (1.0 - 1e-9) <= costs[ratio] <= high * (1.0 + 1e-9), ratio


ALIGNED = pytest.mark.xfail(strict=True, reason="products of logarithms are aligned by as wide a shifter as fp8")
AGAINST = pytest.mark.xfail(strict=True, reason="MXFP8 over MXINT8, 1.15 to 1.43, leaves no room for it")


@pytest.mark.parametrize(
    ("one", "other", "ratio", "low", "high"),
    [
        ("mxint8", "mxfp8", RATIOS[0], 0.55, 0.7),  # INT v.s. FP (arXiv 2510.25602)
        ("mxint8", "mxfp8", RATIOS[1], 0.7, 0.87),
        ("nvfp4", "mxfp8", RATIOS[0], 0.48, 0.6),
        ("nvfp4", "mxfp8", RATIOS[1], 0.48, 0.6),
        ("nvint4", "mxfp8", RATIOS[0], 0.3, 0.4),
        ("nvint4", "mxfp8", RATIOS[1], 0.33, 0.43),
        ("mxfp4", "nvfp4", RATIOS[1], 0.84, 0.92),  # 12 % smaller (arXiv 2603.08713), a third to either side
        ("mx6", "fp8-e4m3", RATIOS[1], 0.6, 0.8),  # Rouhani et al. (ISCA 2023): 0.45 to 0.6 with memory, which is 0.75
        ("mx4", "fp8-e4m3", RATIOS[1], 0.4, 0.6),  # and 0.2 to 0.3 with memory, which is 0.5
        ("fp8-e4m3", "int8", RATIOS[0], 1.5, 2.8),  # Qualcomm: 0.5 to 1.8 more in hardware of its own
        pytest.param("fp8-e4m3", "int8", RATIOS[1], 1.5, 2.8, marks=AGAINST),
        ("lns16", "fp16", RATIOS[0], 0.55, 0.65),  # ELMA (arXiv 1811.01721)
        ("lns16", "fp16", RATIOS[1], 0.62, 0.75),
        pytest.param("lns8", "int8", RATIOS[0], 0.9, 1.05, marks=ALIGNED),
        pytest.param("lns8", "int8", RATIOS[1], 1.05, 1.2, marks=ALIGNED),
        ("lns8", "fp16", RATIOS[0], 0.18, 0.3),  # LNS-Madam (arXiv 2106.13914)
    ],
)
def test_ratios_between_formats(one: str, other: str, ratio: str, low: float, high: float) -> None:
    """Published comparisons of two formats by the same authors, each within its range but where it says why not."""
    a, b = (
        modelled_costs(quantiser_of(catalogue().entry("format", n)), catalogue().library.gates) for n in (one, other)
    )
    assert low <= a[ratio] / b[ratio] <= high


@given(exponent=st.integers(2, 5), mantissa=st.integers(1, 2), bits=st.integers(2, 7), block=st.integers(8, 64))
def test_width_costs(exponent: int, mantissa: int, bits: int, block: int) -> None:
    """One more bit of mantissa, of a whole number or of a logarithm costs more; so do scales, and shorter blocks."""
    pairs = [
        (Quantiser(Float(exponent, mantissa)), Quantiser(Float(exponent, mantissa + 1))),
        (Quantiser(Integer(bits)), Quantiser(Integer(bits + 1))),
        (Quantiser(Logarithmic(3, mantissa)), Quantiser(Logarithmic(3, mantissa + 1))),
        (Quantiser(Integer(bits)), Quantiser(Integer(bits), Scaling(2 * block, "floor", "e8m0"))),
        (
            Quantiser(Integer(bits), Scaling(2 * block, "floor", "e8m0")),
            Quantiser(Integer(bits), Scaling(block, "floor", "e8m0")),
        ),
    ]
    for narrow, wide in pairs:
        assert (np.array(modelled(narrow)) < np.array(modelled(wide))).all()


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3])
def test_a_posit_without_a_fraction_costs_no_less_than_one_bit(bits: int, exponent: int) -> None:
    """A bit more of a posit costs more, down to those whose exponent leaves no place for a fraction."""
    narrow, wide = (np.array(modelled(Quantiser(Posit(one, exponent)))) for one in (bits, bits + 1))
    assert (narrow < wide).all()
    assert (narrow > 0.0).all()


def test_levels_that_are_no_whole_numbers_are_multiplied_as_what_their_table_gives_out() -> None:
    """NF4 is stored in 4 bits and multiplied in bf16; levels -2 to 2 are a whole number of three bits."""
    whole, looked_up = Levels((-2.0, -1.0, 0.0, 1.0, 2.0)), Levels((-1.0, -0.5, 0.0, 0.3, 1.0))
    assert modelled(Quantiser(whole)) == modelled(Quantiser(Integer(3)))
    assert np.all(np.array(modelled(Quantiser(looked_up))) > 1.5 * np.array(modelled(Quantiser(whole))))


def test_bf16_is_the_unit() -> None:
    assert modelled(quantiser_of(catalogue().entry("format", "bf16"))) == (1.0, 1.0)


OWN = """kind = "format"
name = "mine"
title = "five bits"
bits = 5
multiplies = true

[quantiser]
element = "float"
exponent = 2
mantissa = 2
"""


def test_a_format_of_ones_own_is_priced_by_its_widths(tmp_path: Path) -> None:
    folder = tmp_path / "models/formats"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text(OWN)
    own = open_catalogue(tmp_path)
    assert check([folder / "mine.toml"], own) == []
    shelf = own.library.formats(["mine", "fp4-e2m1", "fp6-e2m3"])
    for ratio in RATIOS:
        values = shelf.columns[ratio]
        assert 0.05 < values[shelf.row("mine")] < 0.4
        assert values[shelf.row("mine")] == modelled_costs(Quantiser(Float(2, 2)), own.library.gates)[ratio]
        assert values[shelf.row("fp4-e2m1")] == own.entry("format", "fp4-e2m1").figures[ratio].value
