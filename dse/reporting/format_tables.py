"""Which numbers does the report of formats show? Its tables: quality, tokens, region, logarithms, widths of weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from dse.analysis.format_chips import Bought
from dse.analysis.logarithmic import Logarithm, Region
from dse.analysis.weight_width import Widths
from dse.reporting.breakdown import resource_shares
from dse.reporting.formats import FormatRow
from dse.reporting.summary import binds

__all__ = ["FREE", "Row", "logarithm_rows", "quality_rows", "region_rows", "token_rows", "width_rows"]

Row = dict[str, Any]
FREE = "free"
"""What the points of the region are called that are no named format."""
DOLLAR = "tokens_per_dollar"
LEAST_LOSS = 1e-4
"""Below this a loss on a hundred pairs is chance [1]."""


def number(value: float) -> float | None:
    """A number with six digits, None where there is none."""
    return float(f"{float(value):.6g}") if math.isfinite(value) else None


def costs(rows: Iterable[FormatRow], baseline: str) -> dict[str, float]:
    """Format -> area of a multiply-accumulate times bits of an element, over the baseline's [1]."""
    products = {row.name: float(row.area.value) * row.bits for row in rows}
    return {name: product / products[baseline] for name, product in products.items()}


def on_front(cost: np.ndarray, worth: np.ndarray) -> list[bool]:
    """Whether nothing costs as little or less and is worth as much or more, better in one.

    >>> on_front(np.array([1.0, 2.0, 2.0]), np.array([5.0, 5.0, 6.0]))
    [True, False, True]
    """
    better = (cost[:, None] <= cost) & (worth[:, None] >= worth)
    strictly = (cost[:, None] < cost) | (worth[:, None] > worth)
    beaten = np.any(better & strictly, axis=0)
    return [not bool(one) for one in np.atleast_1d(beaten)]


def quality_rows(rows: Sequence[FormatRow], baseline: str) -> list[Row]:
    """quality.csv: silicon times bytes against noise and loss, the cheapest first; a format without noise left out."""
    some = sorted(
        (row for row in rows if math.isfinite(row.quality.gaussian)), key=lambda row: float(row.area.value) * row.bits
    )
    cost = costs(rows, baseline)
    place = np.array([cost[row.name] for row in some])
    level, loss = np.array([[row.quality.gaussian, max(row.quality.loss(), LEAST_LOSS)] for row in some]).T
    fronts = on_front(place, level), on_front(place, -np.nan_to_num(loss, nan=math.inf))
    return [
        {
            "format": row.name,
            "bits": row.bits,
            "area_ratio": float(row.area.value),
            "energy_ratio": float(row.energy.value),
            "area_times_bits": number(cost[row.name]),
            "qsnr_db": number(row.quality.gaussian),
            "worst_qsnr_db": number(row.quality.worst),
            "loss_all": number(row.quality.loss()),
            "loss_weights": number(row.quality.loss("weights")),
            "front_qsnr": by_noise,
            "front_loss": by_loss,
        }
        for row, by_noise, by_loss in zip(some, *fronts, strict=True)
    ]


def nth(tree: Any, place: int, count: int) -> Any:
    """One of so many entries of every leaf."""
    return jax.tree.map(lambda leaf: float(np.broadcast_to(leaf, (count,))[place]), tree)


def token_rows(bought: Iterable[Bought], formats: Mapping[str, FormatRow], baseline: str) -> list[Row]:
    """tokens.csv: what each format buys on the best chip of each space."""
    made = []
    for one in bought:
        values = np.broadcast_to(one.metrics.tokens_per_dollar, (len(one.formats),))
        base = values[one.formats.index(baseline)]
        for place, name in enumerate(one.formats):
            metrics = nth(one.metrics, place, len(one.formats))
            feasible, quality = metrics.worst_limit <= 0.0, formats[name].quality
            made.append(
                {
                    "space": one.space,
                    "model": one.model,
                    "traffic": one.traffic,
                    "format": name,
                    "bits": formats[name].bits,
                    DOLLAR: number(values[place]) if feasible else None,
                    f"over_{baseline}": number(values[place] / base) if feasible else None,
                    "chips": number(metrics.chips),
                    "bound_by": binds(metrics),
                    "qsnr_db": number(quality.gaussian),
                    "loss_all": number(quality.loss()),
                    "designs": one.tried,
                }
            )
    return made


def region_rows(regions: Iterable[Region], rivals: Sequence[str]) -> list[Row]:
    """region.csv: tokens per dollar over all unknown figures of a logarithmic chip, and of named formats."""
    made = []
    for one in regions:
        grid = np.meshgrid(one.energy, one.bits, one.area, indexing="ij")
        energy, bits, area = (axis.ravel() for axis in grid)
        free = [(FREE, *point) for point in zip(area, energy, bits, one.values.ravel(), strict=True)]
        for name, *figures, value in [*((name, *known) for name, known in one.named.items()), *free]:
            made.append(
                {
                    "traffic": one.traffic,
                    "format": name,
                    **dict(zip(("area_ratio", "energy_ratio", "bits"), map(number, figures), strict=True)),
                    DOLLAR: number(value),
                    **{f"over_{rival}": number(value / one.named[rival][-1]) for rival in rivals},
                }
            )
    return made


def logarithm_rows(found: Iterable[Logarithm]) -> list[Row]:
    """logarithms.csv: noise of logarithmic formats by their scales, block 0 for one of the tensor, and widths [dB]."""
    return [
        {"block": one.block, "scale": one.scale, "rule": one.rule, "integer": one.integer, "fraction": one.fraction}
        | {"bits": one.bits, "worst_qsnr_db": number(one.worst)}
        | {f"{kind}_db": number(level) for kind, level in one.noise.items()}
        for one in found
    ]


def width_rows(found: Widths, formats: Mapping[str, FormatRow]) -> list[Row]:
    """weights.csv: the best design of the space with each format of the weights, and where its decode step goes."""
    made, qualities = [], {name: row.quality for name, row in formats.items()}
    for place, (weights, activations) in enumerate(found.pairs):
        metrics = nth(found.metrics, place, len(found.pairs))
        made.append(
            {
                "space": found.space,
                "model": found.model,
                "traffic": found.traffic,
                "weights": weights,
                "activations": activations,
                "bits": formats[weights].bits,
                DOLLAR: number(metrics.tokens_per_dollar) if metrics.worst_limit <= 0.0 else None,
                "loss": number(metrics.accuracy_loss),
                "loss_weights": number(qualities[weights].loss("weights")),
                "qsnr_db": number(qualities[weights].gaussian),
                "chips": number(metrics.chips),
                "weights_per_chip_gb": number(metrics.footprint.weights / 1e9),
                "sram_per_chip_gb": number(np.asarray(found.columns["sram.capacity"])[place] / 1e9),
                "bound_by": binds(metrics),
                **{f"busy_{name}": number(share) for name, share in resource_shares(metrics.decode).items()},
                "designs": found.tried,
            }
        )
    return made
