"""Which scale do the elements of a block share? OCP microscaling, NVFP4, block floating point, groups of integers."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float as Floats
from jaxtyping import Int

from dse.numerics.element import quantise_element, quantise_float
from dse.numerics.parameters import TENSOR, Element, Integer, Quantiser, Scaling, float_of
from dse.numerics.powers import exponent_of, times_power_of_two

__all__ = ["quantise_scaled"]

POWERS = ("floor", "ceil")
"""Rules whose scales are powers of two."""


class Extent(NamedTuple):
    """The axes of a blocked tensor over which a scale is shared."""

    axes: tuple[int, ...]


def quantise_scaled(values: Floats[Array, "... length"], quantiser: Quantiser) -> Floats[Array, "... length"]:
    """Values after a trip through a format with shared scales, blocks along the last axis [1].

    A block that holds infinity or NaN becomes NaN, as its scale does.
    """
    scaling = quantiser.scaling
    assert scaling is not None
    blocks = values if scaling.block == TENSOR else values.reshape(*values.shape[:-1], -1, scaling.block)
    extent = Extent(tuple(range(blocks.ndim)) if scaling.block == TENSOR else (blocks.ndim - 1,))
    if scaling.rule in POWERS:
        found = by_powers(blocks, quantiser.element, scaling, extent)
    elif isinstance(quantiser.element, Integer) and quantiser.element.zero_point:
        found = by_zero_point(blocks, quantiser.element, scaling, extent)
    elif scaling.rule == "mean":
        found = by_mean(blocks, quantiser.element, scaling, extent)
    else:
        found = by_factor(blocks, quantiser.element, scaling, extent)
    return found.reshape(values.shape)


def largest_of(blocks: Floats[Array, "..."], extent: Extent) -> Floats[Array, "..."]:
    """The largest magnitude of each block [1]."""
    return jnp.max(jnp.abs(blocks), axis=extent.axes, keepdims=True)


def by_powers(blocks: Floats[Array, "..."], element: Element, scaling: Scaling, extent: Extent) -> Floats[Array, "..."]:
    """With powers of two as scales, and microexponents where there are groups [1]."""
    most = largest_of(blocks, extent)
    exponent = scale_exponent(most, element, scaling)
    poison = jnp.where(jnp.isfinite(most), jnp.float32(1.0), jnp.float32(jnp.nan))
    if scaling.group:
        grouped = blocks.reshape(*blocks.shape[:-1], -1, scaling.group)
        own = scale_exponent(jnp.max(jnp.abs(grouped), axis=-1, keepdims=True), element, scaling)
        exponent = exponent[..., None] - jnp.clip(exponent[..., None] - own, 0, 2**scaling.group_bits - 1)
        blocks, poison = grouped, poison[..., None]
    return times_power_of_two(quantise_element(times_power_of_two(blocks, -exponent), element), exponent) * poison


def scale_exponent(most: Floats[Array, "..."], element: Element, scaling: Scaling) -> Int[Array, "..."]:
    """Exponent of the scale of blocks by their largest magnitude [1].

    floor: floor(log2(largest)) less the exponent of the largest value of the elements (OCP Microscaling Formats v1.0,
    conversion from scalar floats).
    """
    kept = float_of(scaling.scale)
    largest = jnp.float32(element.largest)
    exponent = exponent_of(most) - exponent_of(largest)
    if scaling.rule == "ceil":
        exponent = exponent + (times_power_of_two(most, -exponent) > largest).astype(jnp.int32)
    return jnp.clip(exponent, -kept.offset, 2**kept.exponent - 2 - kept.offset)


def tensor_scale(blocks: Floats[Array, "..."], element: Element, scaling: Scaling) -> Floats[Array, ""]:
    """The float32 before the scales of blocks, so that the largest of these is the largest of its format [1]."""
    if not scaling.tensor_scale:
        return jnp.float32(1.0)
    return jnp.max(jnp.abs(blocks)) / jnp.float32(float_of(scaling.scale).largest * element.largest)


def stored(scale: Floats[Array, "..."], scaling: Scaling) -> Floats[Array, "..."]:
    """A scale as its format keeps it [1]."""
    return quantise_float(scale, float_of(scaling.scale))


def by_factor(blocks: Floats[Array, "..."], element: Element, scaling: Scaling, extent: Extent) -> Floats[Array, "..."]:
    """With the largest magnitude, or the root mean square, brought to a value of the elements [1]."""
    whole = tensor_scale(blocks, element, scaling)
    if scaling.rule == "rms":
        wanted = jnp.sqrt(jnp.mean(jnp.square(blocks), axis=extent.axes, keepdims=True))
    else:
        wanted = largest_of(blocks, extent) / jnp.float32(element.largest)
    scale = stored(wanted / guarded(whole), scaling) * whole
    return quantise_element(blocks / guarded(scale), element) * scale


def guarded(scale: Floats[Array, "..."]) -> Floats[Array, "..."]:
    """A scale that one can divide by: what has a scale of zero is zero [1]."""
    return jnp.where(scale == 0.0, jnp.float32(jnp.inf), scale)


def by_mean(blocks: Floats[Array, "..."], element: Element, scaling: Scaling, extent: Extent) -> Floats[Array, "..."]:
    """With the mean magnitude as first scale, then the factor that fits best in least squares [1]."""
    mean = jnp.mean(jnp.abs(blocks), axis=extent.axes, keepdims=True)
    codes = quantise_element(blocks / guarded(mean), element)
    found = jnp.sum(blocks * codes, axis=extent.axes, keepdims=True)
    count = jnp.sum(jnp.square(codes), axis=extent.axes, keepdims=True)
    return codes * stored(found / guarded(count), scaling)


def by_zero_point(
    blocks: Floats[Array, "..."], element: Integer, scaling: Scaling, extent: Extent
) -> Floats[Array, "..."]:
    """With the range from the smallest to the largest value on 2^bits levels, one of which is zero [1]."""
    top = jnp.float32(2.0**element.bits - 1.0)
    low = jnp.minimum(jnp.min(blocks, axis=extent.axes, keepdims=True), 0.0)
    high = jnp.maximum(jnp.max(blocks, axis=extent.axes, keepdims=True), 0.0)
    scale = stored((high - low) / top, scaling)
    point = jnp.round(-low / guarded(scale))
    return (jnp.clip(jnp.round(blocks / guarded(scale)) + point, 0.0, top) - point) * scale
