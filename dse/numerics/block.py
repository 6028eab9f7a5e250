"""Which scale do the elements of a block share? OCP microscaling, NVFP4, block floating point, groups of integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float as Floats
from jaxtyping import Int

from dse.numerics.element import quantise_element, quantise_float
from dse.numerics.parameters import ROW, TENSOR, Element, Integer, Quantiser, Scaling, float_of
from dse.numerics.powers import exponent_of, largest_magnitude, times_power_of_two

__all__ = ["quantise_scaled"]

Axes: TypeAlias = tuple[int, ...]

POWERS = ("floor", "ceil")
"""Rules whose scales are powers of two."""


def quantise_scaled(values: Floats[Array, "... length"], quantiser: Quantiser) -> Floats[Array, "... length"]:
    """Values after a trip through a format with shared scales, blocks along the last axis [1].

    What shares a scale with infinity or NaN becomes NaN, as the scale does.
    """
    scaling = quantiser.scaling
    assert scaling is not None
    blocks = values if scaling.block in (TENSOR, ROW) else values.reshape(*values.shape[:-1], -1, scaling.block)
    every = tuple(range(blocks.ndim))
    axes = every if scaling.block == TENSOR else every[-1:]
    found = rule_of(quantiser.element, scaling)(blocks, quantiser.element, scaling, axes)
    most = largest_magnitude(blocks, every if scaling.tensor_scale else axes)
    return jnp.where(jnp.isfinite(most), found, jnp.float32(jnp.nan)).reshape(values.shape)


def rule_of(element: Element, scaling: Scaling) -> Callable[..., Floats[Array, "..."]]:
    """How the scales are found."""
    if scaling.rule in POWERS:
        return by_powers
    if isinstance(element, Integer) and element.zero_point:
        return by_zero_point
    return by_mean if scaling.rule == "mean" else by_factor


def by_powers(blocks: Floats[Array, "..."], element: Element, scaling: Scaling, axes: Axes) -> Floats[Array, "..."]:
    """With powers of two as scales, and microexponents where there are groups [1]."""
    exponent = scale_exponent(largest_magnitude(blocks, axes), element, scaling)
    shape = blocks.shape
    if scaling.group:
        blocks = blocks.reshape(*shape[:-1], -1, scaling.group)
        own = scale_exponent(largest_magnitude(blocks, (blocks.ndim - 1,)), element, scaling)
        exponent = exponent[..., None] - jnp.clip(exponent[..., None] - own, 0, 2**scaling.group_bits - 1)
    scaled = quantise_element(times_power_of_two(blocks, -exponent), element)
    return times_power_of_two(scaled, exponent).reshape(shape)


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


def tensor_scale(blocks: Floats[Array, "..."], element: Element, scaling: Scaling) -> Floats[Array, "..."]:
    """The float32 before the scales of blocks, so that the largest of these is the largest of its format [1]."""
    if not scaling.tensor_scale:
        return jnp.float32(1.0)
    return largest_magnitude(blocks, tuple(range(blocks.ndim))) / jnp.float32(
        float_of(scaling.scale).largest * element.largest
    )


def stored(scale: Floats[Array, "..."], scaling: Scaling) -> Floats[Array, "..."]:
    """A scale as its format keeps it [1]."""
    return quantise_float(scale, float_of(scaling.scale))


def by_factor(blocks: Floats[Array, "..."], element: Element, scaling: Scaling, axes: Axes) -> Floats[Array, "..."]:
    """With the largest magnitude, or the root mean square, brought to a value of the elements [1]."""
    whole = tensor_scale(blocks, element, scaling)
    if scaling.rule == "rms":
        wanted = jnp.sqrt(jnp.mean(jnp.square(blocks), axis=axes, keepdims=True))
    else:
        wanted = largest_magnitude(blocks, axes) / jnp.float32(element.largest)
    scale = stored(wanted / guarded(whole), scaling) * whole
    return quantise_element(blocks / guarded(scale), element) * scale


def guarded(scale: Floats[Array, "..."]) -> Floats[Array, "..."]:
    """A scale that one can divide by: what has a scale of zero is zero [1]."""
    return jnp.where(scale == 0.0, jnp.float32(jnp.inf), scale)


def by_mean(blocks: Floats[Array, "..."], element: Element, scaling: Scaling, axes: Axes) -> Floats[Array, "..."]:
    """With the mean magnitude as first scale, then the factor that fits best in least squares [1]."""
    mean = jnp.mean(jnp.abs(blocks), axis=axes, keepdims=True)
    codes = quantise_element(blocks / guarded(mean), element)
    found = jnp.sum(blocks * codes, axis=axes, keepdims=True)
    count = jnp.sum(jnp.square(codes), axis=axes, keepdims=True)
    return codes * stored(found / guarded(count), scaling)


def by_zero_point(blocks: Floats[Array, "..."], element: Integer, scaling: Scaling, axes: Axes) -> Floats[Array, "..."]:
    """With the range from the smallest to the largest value on 2^bits levels, one of which is zero [1]."""
    top = jnp.float32(2.0**element.bits - 1.0)
    low = jnp.minimum(jnp.min(blocks, axis=axes, keepdims=True), 0.0)
    high = jnp.maximum(jnp.max(blocks, axis=axes, keepdims=True), 0.0)
    scale = stored((high - low) / top, scaling)
    point = jnp.round(-low / guarded(scale))
    return (jnp.clip(jnp.round(blocks / guarded(scale)) + point, 0.0, top) - point) * scale
