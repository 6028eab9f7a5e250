"""What do the formats of a design cost in quality? Stored measurements as columns, and those of a design together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from dse.catalogue.format_quality import USES, FormatQuality

__all__ = ["DISTRIBUTION", "LEAST_NOISE", "MEASURE", "Rows", "accuracy_loss", "noise", "quality_columns"]

LEAST_NOISE = float(np.finfo(np.float32).eps) ** 2
"""Noise over signal below which a measurement in float32 sees none, 138 dB [1]."""

DISTRIBUTION = "gaussian"
"""Values whose noise counts: tensors of trained networks are near it, and rotations bring the others there."""

MEASURE = "spearman"
"""Measure of the sentence model that counts: how far its ranking of pairs is from that in float32."""

Rows = Mapping[str, Int[np.ndarray, "..."] | np.integer | int]
Column = Float[np.ndarray, "..."] | float
Columns = Mapping[str, Float[np.ndarray, " formats"]]


def quality_columns(names: Sequence[str], known: Mapping[str, FormatQuality]) -> Columns:
    """Noise over signal of formats [1], and the loss of the sentence model by use [1]; NaN where never measured."""
    found = [known.get(name, FormatQuality()) for name in names]
    level = np.array([one.noise.get(DISTRIBUTION, np.nan) for one in found])
    losses = {f"loss.{use}": np.array([one.loss(use, MEASURE) for one in found]) for use in USES}
    return {"noise": np.maximum(10.0 ** (-level / 10.0), LEAST_NOISE), **losses}


def noise(columns: Columns, rows: Rows) -> Column:
    """Quantisation noise over signal of the noisiest format of a design on Gaussian values [1].

    columns: as of quality_columns; rows: of the formats of weights, expert_weights, activations and kv_cache in them.
    """
    worst = columns["noise"][rows["weights"]]
    for use in ("expert_weights", "activations", "kv_cache"):
        worst = np.maximum(worst, columns["noise"][rows[use]])
    return worst


def accuracy_loss(columns: Columns, rows: Rows) -> Column:
    """How far the rank correlation of the sentence model falls in the formats of a design [1].

    Measured with all operands in the format where all of them have one; else the sum of the losses measured with the
    weights alone, the activations alone and the cache alone in theirs: errors of independent operands add up in power,
    and losses grow no faster than that, so that the sum is a bound but for chance (of all formats measured both ways
    one loses more than the sum of its parts, by a fifth). Of weights and weights of experts, neither of which the
    sentence model tells apart, the format that loses more counts for all. NaN with sums in anything but fp32, which
    the model was never measured with.
    """
    weights = np.maximum(*(columns["loss.weights"][rows[use]] for use in ("weights", "expert_weights")))
    apart = weights + columns["loss.activations"][rows["activations"]] + columns["loss.kv_cache"][rows["kv_cache"]]
    others = [np.equal(rows["weights"], rows[use]) for use in ("expert_weights", "activations", "kv_cache")]
    return np.where(np.logical_and.reduce(np.broadcast_arrays(*others)), columns["loss.all"][rows["weights"]], apart)
