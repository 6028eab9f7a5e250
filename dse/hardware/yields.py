"""How many good dies come from a wafer?"""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number

__all__ = ["dies_per_wafer", "negative_binomial_yield", "sellable_yield"]

ROWS_ABOVE_CENTRE = 64


def negative_binomial_yield(die_area: Number, defect_density: Number, alpha: Number) -> Number:
    """Share of dies without a defect, (1 + A D / alpha) ** -alpha.

    die_area [mm2]; defect_density [1/mm2]; alpha: clustering, 2-10 [1]. Stapper, IBM J. Res. Dev. 27 (1983).
    Exact limits: 1 at no defects, exp(-A D) as alpha grows.

    814 mm2 at 0.1 defects/cm2 and alpha 10 (technology tables of Chiplet Actuary, DAC 2022):

    >>> round(float(negative_binomial_yield(814.0, 0.1 / 100, 10.0)), 3)
    0.457
    """
    return (1.0 + die_area * defect_density / alpha) ** -alpha


def sellable_yield(defect_free: Number, defect_recovery: Number) -> Number:
    """Share of dies that can be sold when spares and harvesting save some of the defective ones [1].

    defect_free, defect_recovery: shares [1]. y + (1 - y) h, Chiplet Actuary's regular-array form.
    """
    return defect_free + (1.0 - defect_free) * defect_recovery


def dies_per_wafer(die_area: Number, diameter: Number, edge_exclusion: Number, scribe: Number) -> Number:
    """Square dies that fit whole on a wafer, counted on an exact grid; at least 1 for a wafer-scale part.

    die_area [mm2]; diameter, edge_exclusion, scribe: of the wafer [mm]. The grid is laid with a street or
    with a die on the centre in each axis and the best of the four is taken. Rows are counted one by one, up to
    64 on either side, enough for dies of 5 mm2 and more.

    >>> int(dies_per_wafer(814.0, 300.0, 5.0, 0.2))
    62
    """
    pitch = jnp.sqrt(die_area) + scribe
    radius = diameter / 2.0 - edge_exclusion
    row = jnp.arange(ROWS_ABOVE_CENTRE, dtype=jnp.result_type(float))
    pitch = jnp.asarray(pitch)[..., None]
    radius = jnp.asarray(radius)[..., None]

    def columns(outer_edge: Number, centred: bool) -> Number:
        half = jnp.sqrt(jnp.maximum(radius**2 - outer_edge**2, 0.0))
        count = 2.0 * jnp.floor(half / pitch + (0.5 if centred else 0.0)) - (1.0 if centred else 0.0)
        return jnp.where(outer_edge <= radius, jnp.maximum(count, 0.0), 0.0)

    def grid(centred: bool) -> Number:
        street = 2.0 * columns((row + 1.0) * pitch, centred).sum(-1)
        on_centre = columns((row + 0.5) * pitch, centred)
        return jnp.maximum(street, 2.0 * on_centre.sum(-1) - on_centre[..., 0])

    return jnp.maximum(jnp.maximum(grid(False), grid(True)), 1.0)
