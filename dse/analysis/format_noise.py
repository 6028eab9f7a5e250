"""How much noise does a number format add to values of five kinds? QSNR, the signal over the noise of quantising."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.random import Generator

from dse.numerics.parameters import Quantiser
from dse.numerics.quantise import quantise, signal_to_noise

__all__ = ["DISTRIBUTIONS", "SEED", "noise_levels", "samples"]

ROWS, COLUMNS = 512, 4096
"""Shape of the values: tokens and channels of a large model [1]."""

SEED = 0
"""Of the generator of the values [1]."""

FREEDOM = 4
"""Degrees of freedom of Student's t [1]."""

VECTOR = 1024
"""Values that share a variance (Rouhani et al., ISCA 2023) [1]."""

OUTLIERS, OUTLIER_FACTOR = 20, 20.0
"""Channels of COLUMNS that are larger, and how much [1]."""


def variable_variance(generator: Generator) -> np.ndarray:
    """Gaussian vectors whose standard deviation is the magnitude of a Gaussian itself [1]."""
    deviation = np.abs(generator.standard_normal((ROWS * COLUMNS // VECTOR, 1)))
    return (deviation * generator.standard_normal((ROWS * COLUMNS // VECTOR, VECTOR))).reshape(ROWS, COLUMNS)


def outlier_channels(generator: Generator) -> np.ndarray:
    """Gaussian tokens with a few channels that are always larger, as activations have them [1]."""
    values = generator.standard_normal((ROWS, COLUMNS))
    values[:, generator.choice(COLUMNS, OUTLIERS, replace=False)] *= OUTLIER_FACTOR
    return values


DISTRIBUTIONS: dict[str, Callable[[Generator], np.ndarray]] = {
    "gaussian": lambda generator: generator.standard_normal((ROWS, COLUMNS)),
    "laplace": lambda generator: generator.laplace(size=(ROWS, COLUMNS)),
    "student-t4": lambda generator: generator.standard_t(FREEDOM, size=(ROWS, COLUMNS)),
    "variable-variance": variable_variance,
    "outlier-channels": outlier_channels,
}
"""Kind of values -> how they are drawn."""


def samples(seed: int = SEED) -> dict[str, Array]:
    """Two million values of each kind [1]."""
    generator = np.random.default_rng(seed)
    return {kind: jnp.asarray(draw(generator), jnp.float32) for kind, draw in DISTRIBUTIONS.items()}


def noise_levels(quantiser: Quantiser, values: Mapping[str, Array]) -> dict[str, float]:
    """QSNR of a format on values of each kind [dB]."""
    return {kind: float(signal_to_noise(drawn, quantise(drawn, quantiser))) for kind, drawn in values.items()}
