"""How long do the matrix units take? Tiles, waves, fill and drain on the real dimensions."""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, ceil_div
from dse.hardware.chip import MatrixUnits

__all__ = ["PASS_ROWS", "matrix_cycles"]

PASS_ROWS = 4.0
"""Longest stream of rows through one stationary tile, in array heights; longer ones are shared among units."""


def matrix_cycles(tokens: Number, inner: Number, outer: Number, products: Number, unit: MatrixUnits) -> Number:
    """Clocks in which all units together do `products` times (tokens x inner) x (inner x outer).

    A tile of (rows / split) x columns weights stands still while tokens stream past it, at least as long
    as the next tile takes to load (one row a clock, as many as the inner dimension fills), and the tiles are dealt out
    to the units in waves. Splitting cuts a unit across its rows into parts that load and work side by side: small
    batches wait less for weights and short inner dimensions waste less. The array fills and drains once a pass.

    tokens, inner, outer, products [1]; unit: broadcastable. Returns clocks [1].
    Weight-stationary form of SCALE-Sim (arXiv 1811.02883, eq. 3-4) with double-buffered weights.

    One 128 x 128 array, 512 tokens through a 128 x 128 matrix: 512 clocks and 256 to fill and drain.

    >>> unit = MatrixUnits(units=1.0, rows=128.0, columns=128.0, split=1.0, clock=1e9, spare_units=0.0,
    ...                    units_per_core=1.0, area_ratio=1.0, sustained=1.0)
    >>> float(matrix_cycles(512.0, 128.0, 128.0, 1.0, unit))
    768.0
    """
    depth = unit.rows / unit.split
    cuts = ceil_div(jnp.ceil(tokens), PASS_ROWS * unit.rows)
    stream = jnp.ceil(tokens / cuts)
    tiles = ceil_div(inner, depth) * ceil_div(outer, unit.columns) * products
    visits = tiles * cuts
    waves = ceil_div(jnp.ceil(visits), unit.units * unit.split)
    return waves * jnp.maximum(stream, jnp.minimum(depth, inner)) + depth + unit.columns
