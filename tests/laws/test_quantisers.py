"""What every quantiser obeys: fixed points, order, saturation, NaN, zero, subnormals, blocks of their own."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from dse.catalogue import open_catalogue
from dse.catalogue.formats import quantiser_of
from dse.numerics.parameters import Float, Levels, Logarithmic, Posit, Quantiser, Scaling, float_of
from dse.numerics.quantise import quantise, signal_to_noise

CATALOGUE = open_catalogue()
FORMATS = {name: quantiser_of(CATALOGUE.entry("format", name)) for name in CATALOGUE.files("format")}
ELEMENTS = {name: Quantiser(quantiser.element) for name, quantiser in FORMATS.items()}
WIDTH = 128


def samples(seed: int = 0, rows: int = 64) -> np.ndarray:
    """Values over many magnitudes, with rows of zeros, of one value and of powers of two."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((rows, WIDTH)) * np.exp2(rng.integers(-12, 12, (rows, 1)))
    values[0], values[1], values[2] = 0.0, -3.0, np.exp2(np.arange(WIDTH) % 20 - 10.0)
    return values.astype(np.float32)


def through(values: np.ndarray, quantiser: Quantiser) -> np.ndarray:
    return np.asarray(quantise(jnp.asarray(values), quantiser))


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_represented_stays(name: str) -> None:
    """Elements are fixed points; whole formats are where the scale of a block is not itself rounded."""
    once = through(samples(), ELEMENTS[name])
    np.testing.assert_array_equal(through(once, ELEMENTS[name]), once)
    scaling = FORMATS[name].scaling
    if scaling is None or scaling.rule == "floor":
        once = through(samples(), FORMATS[name])
        np.testing.assert_array_equal(through(once, FORMATS[name]), once)


@pytest.mark.parametrize("name", FORMATS)
def test_order_and_sign_are_kept(name: str) -> None:
    """In an element, and among values that share their scales."""
    for quantiser in (ELEMENTS[name], FORMATS[name]):
        values = np.sort(samples(3), axis=-1)
        found = through(values, quantiser)
        scaling = quantiser.scaling
        group = max(scaling.group or scaling.block, 0) if scaling is not None else 0
        assert (np.diff(found.reshape(-1, group or WIDTH), axis=-1) >= 0.0).all()
        assert ((found == 0.0) | (np.sign(found) == np.sign(values)) | (values == 0.0)).all()


@pytest.mark.parametrize("name", FORMATS)
def test_zero_infinity_and_nan(name: str) -> None:
    element = ELEMENTS[name].element
    top = np.float32(min(4.0 * element.largest, float(np.finfo(np.float32).max)))
    zero, most, least, nan, above = through(np.float32([0.0, np.inf, -np.inf, np.nan, top]), ELEMENTS[name])
    assert zero == 0.0 or name == "binary"  # which has no zero
    assert np.isnan(nan)
    beyond = np.inf if getattr(element, "overflow", "") == "infinity" else element.largest
    assert np.isnan(most) if isinstance(element, Posit) else most == beyond
    assert least == -most or np.isnan(most)
    assert above in (element.largest, beyond)


@pytest.mark.parametrize("name", [name for name, quantiser in FORMATS.items() if quantiser.scaling is not None])
def test_a_block_is_poisoned_as_a_whole_and_alone(name: str) -> None:
    """NaN has no scale; zeros stay; a block does not depend on its neighbours unless the tensor shares a scale."""
    scaling = FORMATS[name].scaling
    assert scaling is not None
    values = samples(5)
    values[1, 0] = np.nan
    found = through(values, FORMATS[name])
    assert np.isnan(found[1, : max(scaling.block, 0) or WIDTH]).all()
    assert not np.isnan(found[2:]).any() or scaling.tensor_scale or not scaling.block
    assert (through(np.zeros_like(values), FORMATS[name]) == 0.0).all()
    if scaling.block and not scaling.tensor_scale:
        np.testing.assert_array_equal(through(values[::-1].copy(), FORMATS[name])[::-1], found)


@pytest.mark.parametrize("name", FORMATS)
def test_powers_of_two_scale_everything(name: str) -> None:
    """What shares a scale does not depend on the unit in which it is measured."""
    if FORMATS[name].scaling is None:
        return
    values = samples(7)
    np.testing.assert_allclose(through(values * 64.0, FORMATS[name]), 64.0 * through(values, FORMATS[name]), rtol=1e-6)


@pytest.mark.parametrize("name", ["fp16", "fp8-e4m3", "fp8-e5m2", "fp6-e2m3", "fp6-e3m2", "fp4-e2m1"])
def test_subnormals_are_evenly_spaced(name: str) -> None:
    """Below the smallest normal value the distance stays; half of the least rounds to zero, a little more to it."""
    element = FORMATS[name].element
    assert isinstance(element, Float)
    steps = np.arange(2**element.mantissa + 1, dtype=np.float32) * np.float32(element.least)
    np.testing.assert_array_equal(through(steps, ELEMENTS[name]), steps)
    half = np.float32(element.least / 2.0)
    np.testing.assert_array_equal(
        through(np.float32([half, half * 1.001, -half]), ELEMENTS[name]), [0, element.least, 0]
    )


def test_the_exponent_of_float32_keeps_its_subnormals() -> None:
    """2^-133 is the least bf16; XLA takes what is below 2^-126 for zero in sums and products, but not here."""
    values = np.float32([2.0**-133, 2.0**-134, 1.5 * 2.0**-134, 3.0e38, 3.4e38])
    expected = np.float32([2.0**-133, 0.0, 2.0**-133, 3.0e38, np.inf])
    found = through(values, ELEMENTS["bf16"])
    np.testing.assert_array_equal(found[[0, 1, 2, 4]], expected[[0, 1, 2, 4]])
    np.testing.assert_array_equal(through(values, ELEMENTS["fp32"]), values)


def test_extremes_of_powers_of_two() -> None:
    """A block near the largest float32 and one near the smallest, whose scale and its inverse are no float32."""
    for factor in (2.0**127, 2.0**-112):
        values = (np.float32([1.0, -0.5, 0.75, 0.0] * 8) * np.float32(factor)).reshape(1, 32)
        np.testing.assert_array_equal(through(values, FORMATS["mxfp8"]), values)


@pytest.mark.parametrize("base", [2.0, 3.0, 1.5])
def test_a_logarithm_rounds_the_logarithm(base: float) -> None:
    """Against the definition in double precision, borders of codes excepted, which no float32 hits."""
    element = Logarithmic(4, 3, base)
    values = np.exp(np.random.default_rng(0).uniform(-6.0, 6.0, 20_000)).astype(np.float32)
    code = np.round(np.log(values.astype(np.float64)) / np.log(base) * 8.0)
    expected = np.where(code < -63, 0.0, np.power(base, np.clip(code, -63, 63) / 8.0))
    np.testing.assert_allclose(through(values, Quantiser(element)), expected, rtol=1e-7)


def test_a_product_of_logarithms_is_a_logarithm() -> None:
    """What the format is for: within the range, products need no rounding."""
    powers = Quantiser(Logarithmic(5, 3))
    values = through(np.exp2(np.linspace(-4.0, 4.0, 97)).astype(np.float32), powers)
    products = np.multiply.outer(values, values)
    np.testing.assert_allclose(through(products, powers), products, rtol=1e-6)


def test_finer_formats_are_never_noisier() -> None:
    """A bit of mantissa is 6 dB; smaller blocks and finer scales do not harm."""
    values = jnp.asarray(np.random.default_rng(1).standard_normal((256, WIDTH)), jnp.float32)

    def level(quantiser: Quantiser) -> float:
        return float(signal_to_noise(values, quantise(values, quantiser)))

    by_mantissa = [level(Quantiser(Float(5, bits))) for bits in range(2, 8)]
    np.testing.assert_allclose(np.diff(by_mantissa), 6.02, atol=0.2)
    by_block = [level(Quantiser(Float(2, 1), Scaling(size, "absmax", "e8m23"))) for size in (8, 32, WIDTH)]
    assert by_block == sorted(by_block, reverse=True)
    assert level(FORMATS["mx9"]) > level(FORMATS["msfp16"]) > level(FORMATS["msfp14"]) > level(FORMATS["msfp12"])


def test_blocks_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="block size must divide the last axis, got 32 and 48"):
        through(np.ones((2, 48), np.float32), FORMATS["mxfp4"])


def test_levels_are_chosen_by_distance() -> None:
    nearest = Quantiser(Levels((-1.0, 0.0, 0.25, 1.0)))
    np.testing.assert_array_equal(
        through(np.float32([-9, -0.6, -0.4, 0.13, 0.6, 0.7]), nearest), [-1, -1, 0, 0.25, 0.25, 1]
    )


@pytest.mark.parametrize(("exponent", "mantissa"), [(0, 3), (9, 3), (4, 24)])
def test_a_float_without_bits_is_refused(exponent: int, mantissa: int) -> None:
    with pytest.raises(ValueError, match="1 to 8 bits of exponent"):
        Float(exponent, mantissa)
    with pytest.raises(ValueError, match="write e, bits of the exponent"):
        float_of("fp8")
