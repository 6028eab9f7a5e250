"""What does it cost to have a chip of one's own, before the first is made?"""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.assumptions import Economics
from dse.hardware.chip import Chip

__all__ = ["DevelopmentCost", "break_even_rate", "break_even_volume", "development_cost", "development_per_chip"]


@pytree
class DevelopmentCost:
    """Parts of the cost of a design, paid once [USD]."""

    design: Number
    masks: Number
    intellectual_property: Number
    software: Number

    @property
    def total(self) -> Number:
        """Sum of the parts [USD]."""
        return self.design + self.masks + self.intellectual_property + self.software


def development_cost(chip: Chip, economics: Economics) -> DevelopmentCost:
    """What one design costs on the node of the chip, with the software that it needs [USD]."""
    node = chip.development
    return DevelopmentCost(
        design=node.design,
        masks=node.masks,
        intellectual_property=node.intellectual_property,
        software=economics.software_development,
    )


def development_per_chip(chip: Chip, economics: Economics) -> Number:
    """Share of the development in one chip [USD]; none without a volume, nor where a market price holds it already."""
    counted = (economics.volume > 0.0) & (chip.price.buy <= 0.0)
    return jnp.where(counted, development_cost(chip, economics).total / jnp.maximum(economics.volume, 1.0), 0.0)


def break_even_volume(development: Number, saved: Number) -> Number:
    """Chips that must be built until what each saves pays for the development; infinite when none is saved [1].

    development [USD]; saved: by one chip over its life, against buying the same work elsewhere [USD].

    >>> float(break_even_volume(35e6, 7000.0))
    5000.0
    """
    return jnp.where(saved > 0.0, development / jnp.where(saved > 0.0, saved, 1.0), jnp.inf)


def break_even_rate(development: Number, saved_per_token: Number, life: Number) -> Number:
    """Tokens a second, over the whole life, that pay for the development; infinite when nothing is saved [1/s].

    development [USD]; saved_per_token [USD]; life [s].

    Chiplet Cloud's design at 0.1799 against rented A100 at 16.975 USD per million tokens, 35 million USD, 1.5 years of
    365 days:

    >>> round(float(break_even_rate(35e6, (16.975 - 0.1799) * 1e-6, 1.5 * 365 * 86400)), -1)
    44050.0
    """
    return break_even_volume(development, saved_per_token) / life
