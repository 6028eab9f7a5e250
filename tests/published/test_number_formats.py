"""Values of number formats as published, to the last bit, and the noise that they add."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from dse.analysis.format_noise import DISTRIBUTIONS, samples
from dse.catalogue import open_catalogue
from dse.catalogue.formats import quantiser_of
from dse.numerics.parameters import (
    Element,
    Float,
    Integer,
    Levels,
    Logarithmic,
    Posit,
    Quantiser,
    Scaling,
    bits_per_element,
    float_of,
)
from dse.numerics.quantise import quantise, signal_to_noise

CATALOGUE = open_catalogue()
IEEE = {"specials": "ieee", "overflow": "infinity"}

ML_DTYPES = {
    "bfloat16": Float(8, 7, **IEEE),
    "float16": Float(5, 10, **IEEE),
    "float8_e5m2": Float(5, 2, **IEEE),
    "float8_e4m3": Float(4, 3, **IEEE),
    "float8_e3m4": Float(3, 4, **IEEE),
    "float8_e4m3fn": Float(4, 3, specials="nan", overflow="nan"),
    "float6_e2m3fn": Float(2, 3),
    "float6_e3m2fn": Float(3, 2),
    "float4_e2m1fn": Float(2, 1),
}


def quantiser(name: str) -> Quantiser:
    return quantiser_of(CATALOGUE.entry("format", name))


def through(values: np.ndarray, element: Element) -> np.ndarray:
    return np.asarray(quantise(jnp.asarray(values), Quantiser(element)))


def float32_inputs() -> np.ndarray:
    """All 2^16 upper halves of a float32, with eight lower halves, among them those of ties and their neighbours."""
    low = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF, 0x1234, 0xC000], np.uint32)
    return ((np.arange(2**16, dtype=np.uint32) << 16)[:, None] | low).view(np.float32).reshape(-1)


@pytest.mark.parametrize("name", ML_DTYPES)
def test_floats_agree_with_ml_dtypes_bit_by_bit(name: str) -> None:
    """Half a million float32 with NaN, infinities, subnormals; where ml_dtypes has no NaN to give, ours stays one."""
    dtype = np.dtype(np.float16) if name == "float16" else np.dtype(getattr(ml_dtypes, name))
    values = float32_inputs()
    with np.errstate(all="ignore"):
        expected = values.astype(dtype).astype(np.float32)
    found = through(values, ML_DTYPES[name])
    number = ~np.isnan(values)
    assert np.isnan(found[~number]).all()
    np.testing.assert_array_equal(found[number], expected[number])
    kept = number & ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[kept]), np.signbit(expected[kept]))


@pytest.mark.parametrize("name", [name for name in ML_DTYPES if name not in ("bfloat16", "float16")])
def test_every_code_of_a_narrow_float_is_a_fixed_point(name: str) -> None:
    dtype = np.dtype(getattr(ml_dtypes, name))
    codes = np.arange(2 ** ml_dtypes.finfo(dtype).bits, dtype=np.uint8).view(dtype).astype(np.float32)
    codes = codes[np.isfinite(codes)]
    np.testing.assert_array_equal(through(codes, ML_DTYPES[name]), codes)
    assert codes.max() == ML_DTYPES[name].largest
    assert codes[codes > 0].min() == ML_DTYPES[name].least


@pytest.mark.parametrize(
    ("name", "largest", "least_normal", "least"),
    [  # OCP OFP8 v1.0 and Microscaling Formats v1.0, tables of the element data types
        ("fp8-e5m2", 57344.0, 2.0**-14, 2.0**-16),
        ("fp8-e4m3", 448.0, 2.0**-6, 2.0**-9),
        ("fp6-e3m2", 28.0, 2.0**-2, 2.0**-4),
        ("fp6-e2m3", 7.5, 1.0, 0.125),
        ("fp4-e2m1", 6.0, 1.0, 0.5),
    ],
)
def test_limits_of_ocp_floats(name: str, largest: float, least_normal: float, least: float) -> None:
    element = quantiser(name).element
    assert isinstance(element, Float)
    assert (element.largest, 2.0**element.lowest_exponent, element.least) == (largest, least_normal, least)
    near = np.float32([largest * 1.5, np.inf, least, least * 0.49])
    np.testing.assert_array_equal(through(near, element), [largest, largest, least, 0.0])


def test_all_values_of_fp4() -> None:
    """OCP Microscaling Formats v1.0: 0, 0.5, 1, 1.5, 2, 3, 4, 6; ties to the even code."""
    grid = np.linspace(-8.0, 8.0, 4097, dtype=np.float32)
    found = through(grid, quantiser("fp4-e2m1").element)
    assert set(np.abs(found)) == {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0}
    ties = np.float32([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0])
    np.testing.assert_array_equal(through(ties, quantiser("fp4-e2m1").element), [0, 1, 1, 2, 2, 4, 4])


def test_a_block_of_ocp_microscaling_by_hand() -> None:
    """Largest 40: scale 2^(5 - 2) = 8, where 40 is 5 and a tie goes to 4; 100 is 2^4 x 6.25, saturated at 6."""
    for most, scale, kept in ((40.0, 8.0, 32.0), (100.0, 16.0, 96.0)):
        values = np.zeros((1, 32), np.float32)
        values[0, :4] = most, 0.5 * scale, -0.2 * scale, 1.25 * scale
        found = np.asarray(quantise(jnp.asarray(values), quantiser("mxfp4")))
        np.testing.assert_array_equal(found[0, :5], [kept, 0.5 * scale, -0.0, scale, 0.0])


def test_a_block_of_nvfp4_by_hand() -> None:
    """Tensor scale 448 x 6 / (448 x 6) = 1; block of largest 20: 20 / 6 = 3.33 is kept as 3.25 in E4M3."""
    values = np.zeros((1, 32), np.float32)
    values[0, 0], values[0, 16:18] = 2688.0, (20.0, 3.0)
    found = np.asarray(quantise(jnp.asarray(values), quantiser("nvfp4")))
    np.testing.assert_array_equal(found[0, [0, 16, 17]], [2688.0, 6.0 * 3.25, 3.25])


def test_microexponents_by_hand() -> None:
    """MX4: largest 6 makes the shared exponent 2, so steps of 2; a pair below 4 moves down one bit, to steps of 1."""
    values = np.zeros((1, 16), np.float32)
    values[0, :4] = 6.0, 1.2, 3.2, 1.2
    found = np.asarray(quantise(jnp.asarray(values), quantiser("mx4")))
    np.testing.assert_array_equal(found[0, :4], [6.0, 2.0, 3.0, 1.0])


def posit_values(bits: int, exponent: int) -> np.ndarray:
    """All values above zero of a posit in rising order, decoded bit by bit after the standard."""
    found = []
    for code in range(1, 2 ** (bits - 1)):
        text = format(code, f"0{bits - 1}b")
        run = len(text) - len(text.lstrip(text[0]))
        regime = run - 1 if text[0] == "1" else -run
        rest = text[run + 1 :]
        power, fraction = rest[:exponent].ljust(exponent, "0"), rest[exponent:]
        scale = regime * 2**exponent + (int(power, 2) if power else 0)
        found.append(2.0**scale * (1.0 + (int(fraction, 2) / 2 ** len(fraction) if fraction else 0.0)))
    return np.array(found)


def test_posit8_has_the_values_of_the_standard() -> None:
    """Posit Standard (2022): largest 2^24, smallest its inverse; 1 has three bits of fraction beside it."""
    table = posit_values(8, 2)
    assert (table[0], table[-1], len(table)) == (2.0**-24, 2.0**24, 127)
    assert list(table[63:68]) == [1.0, 1.125, 1.25, 1.375, 1.5]
    assert list(table[-4:]) == [2.0**16, 2.0**18, 2.0**20, 2.0**24]
    signed = np.concatenate([-table[::-1], [0.0], table]).astype(np.float32)
    np.testing.assert_array_equal(through(signed, quantiser("posit8").element), signed)


@pytest.mark.parametrize(("bits", "exponent"), [(8, 0), (8, 1), (8, 2), (6, 2), (16, 1)])
def test_posits_round_at_the_posit_with_one_bit_more(bits: int, exponent: int) -> None:
    """The rule of the standard: the border of two posits is the posit of one bit more between them, ties to even."""
    table, finer = posit_values(bits, exponent), posit_values(bits + 1, exponent)
    borders = finer[2:-1:2].astype(np.float32)
    np.testing.assert_array_equal(finer[1::2], table)
    even = np.where(np.arange(1, len(table)) % 2, table[1:], table[:-1])
    posit = Posit(bits, exponent)
    np.testing.assert_array_equal(through(borders, posit), even)
    np.testing.assert_array_equal(through(np.nextafter(borders, np.float32(0.0)), posit), table[:-1])
    np.testing.assert_array_equal(through(np.nextafter(borders, np.float32(np.inf)), posit), table[1:])
    ends = np.float32([table[-1] * 1.9, table[0] / 3.0, -table[0] / 3.0, 0.0])
    np.testing.assert_array_equal(through(ends, posit), [table[-1], table[0], -table[0], 0.0])


def test_logarithms_have_their_codes() -> None:
    """LNS8, 4 bits before the point and 3 behind: 2^(k / 8) for k from -63 to 63, and zero."""
    values = np.exp2(np.linspace(-9.0, 9.0, 100_000)).astype(np.float32)
    found = np.unique(through(values, quantiser("lns8").element))
    np.testing.assert_allclose(found[1:], np.exp2(np.arange(-63, 64) / 8.0), rtol=1e-7)
    assert found[0] == 0.0


NF4 = (  # Dettmers et al., QLoRA (arXiv:2305.14314), appendix E
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip


def grouped(element: Element, block: int, scale: str = "e5m10", rule: str = "absmax") -> Quantiser:
    return Quantiser(element, Scaling(block, rule, scale))


def whole(element: Element, rule: str = "absmax") -> Quantiser:
    return Quantiser(element, Scaling(0, rule, "e8m23"))


# Noise of formats on 2^21 samples [dB]: an independent script of numpy, +-0.1 dB from run to run by its own account;
# columns as in DISTRIBUTIONS. Its logarithmic rows give zero a code beside those that the width has room for.
FREE_ZERO = {"zero_code": False}
NOISE: list[tuple[str, Quantiser, float, tuple[float, float, float, float, float]]] = [
    ("bf16", quantiser("bf16"), 16, (55.6, 55.6, 55.6, 55.6, 55.6)),
    ("fp16", quantiser("fp16"), 16, (73.65, 73.65, 73.65, 73.65, 73.65)),
    ("tf32", Quantiser(float_of("e8m10")), 19, (73.65, 73.65, 73.65, 73.65, 73.65)),
    ("int8 per tensor", whole(Integer(8)), 8, (38.3, 33.1, 18.7, 29.4, 19.5)),
    ("int8 per row", quantiser("int8"), 8.004, (41.2, 36.8, 31.5, 38.2, 24.6)),
    ("int8 g128", grouped(Integer(8), 128), 8.125, (43.8, 41.0, 39.3, 43.8, 33.9)),
    ("mxint8", quantiser("mxint8"), 8.25, (41.7, 40.0, 39.3, 42.0, 35.9)),
    ("fp8-e4m3", quantiser("fp8-e4m3"), 8, (31.5, 31.5, 31.5, 31.5, 31.5)),
    ("fp8-e5m2", quantiser("fp8-e5m2"), 8, (25.6, 25.6, 25.6, 25.6, 25.6)),
    ("e4m3 b128", grouped(float_of("e4m3"), 128, "e8m23"), 8.25, (31.8, 32.1, 32.4, 31.8, 35.7)),
    ("mxfp8", quantiser("mxfp8"), 8.25, (30.7, 30.0, 29.9, 30.5, 28.6)),
    ("mxfp8-e5m2", quantiser("mxfp8-e5m2"), 8.25, (25.35, 25.2, 25.2, 25.35, 24.8)),
    ("mxfp6", quantiser("mxfp6"), 6.25, (30.9, 30.3, 30.0, 31.0, 27.8)),
    ("mxfp6-e3m2", quantiser("mxfp6-e3m2"), 6.25, (25.35, 25.2, 25.2, 25.35, 24.8)),
    ("mxfp4", quantiser("mxfp4"), 4.25, (18.8, 17.9, 17.65, 18.8, 15.7)),
    ("mxfp4 ceil", grouped(Float(2, 1), 32, "e8m0", "ceil"), 4.25, (18.8, 17.6, 17.1, 18.65, 15.6)),
    ("nvfp4", quantiser("nvfp4"), 4.5, (20.4, 20.7, 20.7, 20.4, 20.8)),
    ("nvint4", quantiser("nvint4"), 4.5, (21.3, 19.8, 19.4, 21.3, 19.0)),
    ("int4", quantiser("int4"), 4.125, (18.6, 15.9, 14.3, 18.6, 11.2)),
    ("int4 zero point", grouped(Integer(4, zero_point=True), 128), 4.16, (19.95, 17.7, 16.8, 20.0, 14.3)),
    ("int4 g32", grouped(Integer(4), 32), 4.5, (20.3, 18.35, 17.6, 20.3, 16.4)),
    ("int4 per row", grouped(Integer(4), 4096), 4.004, (16.0, 11.8, 7.2, 13.6, 4.8)),
    ("nf4 g64", grouped(Levels(NF4), 64, "e8m23"), 4.5, (20.7, 19.7, 19.1, 20.7, 16.35)),
    ("msfp16", quantiser("msfp16"), 8.5, (42.8, 41.5, 41.05, 43.0, 38.7)),
    ("msfp12", quantiser("msfp12"), 4.5, (18.6, 17.4, 17.0, 18.9, 17.3)),
    ("mx9", quantiser("mx9"), 9, (46.5, 45.5, 45.2, 46.6, 43.2)),
    ("mx6", quantiser("mx6"), 6, (28.3, 27.3, 27.1, 28.4, 25.3)),
    ("mx4", quantiser("mx4"), 4, (15.7, 14.9, 14.7, 15.8, 14.9)),
    ("lns8", quantiser("lns8"), 8, (32.0, 32.0, 32.0, 32.0, 32.0)),
    ("lns8 3.4", whole(Logarithmic(3, 4, **FREE_ZERO)), 8, (38.0, 37.4, 25.2, 35.0, 25.2)),
    ("lns6 3.2", whole(Logarithmic(3, 2, **FREE_ZERO)), 6, (26.0, 26.0, 22.2, 25.7, 22.2)),
    ("lns4 2.1", grouped(Logarithmic(2, 1, **FREE_ZERO), 16, "e8m23"), 6, (20.8, 20.5, 20.4, 20.8, 19.6)),
    ("posit8 es0", whole(Posit(8, 0), "rms"), 8, (40.15, 37.6, 32.4, 35.6, 22.6)),
    ("posit8 es1", whole(Posit(8, 1), "rms"), 8, (37.5, 36.4, 35.2, 35.35, 28.3)),
    ("posit8 es2", quantiser("posit8"), 8, (31.5, 31.5, 31.4, 31.5, 27.8)),
    ("posit16 es1", whole(Posit(16, 1), "rms"), 16, (85.6, 84.5, 83.1, 83.5, 76.5)),
    ("ternary", quantiser("ternary"), 1.6, (6.7, 5.0, 4.5, 4.1, 1.7)),
    ("binary", quantiser("binary"), 1, (4.4, 3.0, 3.0, 2.2, 1.3)),
]


@pytest.fixture(scope="module")
def data() -> dict[str, jnp.ndarray]:
    return samples()


@pytest.mark.parametrize(("name", "given", "bits", "levels"), NOISE, ids=[row[0] for row in NOISE])
def test_noise_on_five_distributions(
    data: dict, name: str, given: Quantiser, bits: float, levels: tuple[float, ...]
) -> None:
    """Within 0.3 dB, at the bits that the table counts."""
    assert bits_per_element(given) == pytest.approx(bits, abs=0.005)
    found = [float(signal_to_noise(data[kind], quantise(data[kind], given))) for kind in DISTRIBUTIONS]
    np.testing.assert_allclose(found, levels, atol=0.3)


def test_published_distances_of_formats(data: dict) -> None:
    """Rouhani et al. (ISCA 2023), on variable variance: MX9 is 3.6 dB above MSFP16 and about 16 above FP8-E4M3."""
    values = data["variable-variance"]
    level = {name: float(signal_to_noise(values, quantise(values, quantiser(name)))) for name in ("mx9", "msfp16")}
    assert level["mx9"] - level["msfp16"] == pytest.approx(3.6, abs=0.3)


def test_logarithms_in_blocks_are_as_good_as_mxfp4_at_as_many_bits(data: dict) -> None:
    """Two bits before the point, one behind, an e4m3 scale per 32: what the report of formats finds, to 0.3 dB."""
    logarithm = Quantiser(Logarithmic(2, 1), Scaling(32, "absmax", "e4m3", tensor_scale=True))
    assert bits_per_element(logarithm) == bits_per_element(quantiser("mxfp4")) == 4.25
    own, other = (
        {kind: float(signal_to_noise(drawn, quantise(drawn, one))) for kind, drawn in data.items()}
        for one in (logarithm, quantiser("mxfp4"))
    )
    assert (own["gaussian"], min(own.values())) == pytest.approx((18.9, 15.6), abs=0.05)
    assert (other["gaussian"], min(other.values())) == pytest.approx((18.8, 15.8), abs=0.05)


def test_closed_forms(data: dict) -> None:
    """Uniform error in the significand: 13.5 + 6.02 m dB; in the logarithm: 12 / (ln 2)^2 = 13.97 dB, + 6.02 a bit."""
    values = data["gaussian"]
    for mantissa, fraction in itertools.product((2, 4, 6), (1, 3)):
        level = float(signal_to_noise(values, quantise(values, Quantiser(Float(7, mantissa)))))
        assert level == pytest.approx(13.5 + 6.02 * mantissa, abs=0.1)
        level = float(signal_to_noise(values, quantise(values, Quantiser(Logarithmic(7, fraction)))))
        assert level == pytest.approx(13.97 + 6.02 * fraction, abs=0.15)
