"""When does a logarithmic chip beat one of another format? Over what nobody has published of it: area, energy, bits.

A format is three numbers here: area and energy of a multiply-accumulate over bf16, and bits of an element. All chips
are of one node, die area, package and memory; how a die is divided between arithmetic and SRAM is free for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from dse.analysis.comparison import Job
from dse.analysis.format_chips import areas, in_format, in_one_format
from dse.analysis.format_noise import noise_levels, samples
from dse.best_mapping import objective_weights, score_designs
from dse.catalogue import Catalogue
from dse.catalogue.build import build_chips
from dse.catalogue.formats import quantiser_of
from dse.catalogue.library import Column, Library
from dse.catalogue.read import Entry
from dse.hardware.area import floor_plan
from dse.hardware.chip import Chip
from dse.numerics.parameters import Logarithmic, Quantiser, Scaling, bits_per_element

__all__ = [
    "DIVISIONS",
    "Logarithm",
    "Region",
    "divided",
    "last_above",
    "logarithms",
    "numbers_of",
    "region",
    "tokens_per_dollar",
    "with_format",
]

DIVISIONS = (0.5, 0.75, 1.0, 1.125, 1.1875)
"""Units of a die over those of the chip that it is derived from, the rest of the area being SRAM [1]."""
LEAST_SRAM = 16e6
"""Shared SRAM below which a division is no chip [bytes]."""
MOST_SRAM = 4e9
"""Shared SRAM that fills any die [bytes]."""
ROUNDING = 1e-6
"""Part of the area that a filled die may differ by [1]."""
HALVINGS = 50
"""Steps in which the SRAM is found that fills the die [1]."""


SCALES = (
    Scaling(32, "floor", "e8m0"),
    Scaling(32, "ceil", "e8m0"),
    Scaling(32, "absmax", "e4m3", tensor_scale=True),
    Scaling(16, "absmax", "e4m3", tensor_scale=True),
)
"""Scales of blocks: MXFP4's, and the next power of two where that saturates; NVFP4's, in blocks of 32 and of its 16."""


@dataclass(frozen=True)
class Logarithm:
    """A logarithmic format by its widths, and its noise on each kind of values [dB].

    block: values that share a scale, 0 where the whole tensor does [1]; scale, rule: the float that this is kept in and
    how it is found; bits: of an element with its share of it.
    """

    integer: int
    fraction: int
    block: int
    scale: str
    rule: str
    bits: float
    noise: dict[str, float]

    @property
    def worst(self) -> float:
        """QSNR on the kind of values that suits it least [dB]."""
        return min(self.noise.values())


def numbers_of(names: Sequence[str], library: Library) -> Float[np.ndarray, "formats 3"]:
    """Area and energy of a multiply-accumulate over bf16 [1], and bits of an element, of formats of the catalogue."""
    shelf = library.formats(list(names))
    rows = [shelf.row(name) for name in names]
    return np.column_stack([shelf.columns[key][rows] for key in ("mac_area_ratio", "mac_energy_ratio", "bits")])


def divided(chip: Entry, job: Job) -> Chip:
    """The die of a chip cut in all DIVISIONS between its units, with their lanes and buffers, and SRAM.

    Leaves (divisions,); every die has the area of the chip's own, and arrays multiply its native format only.
    """
    native, count = str(chip.values["matrix.native"]), np.array(DIVISIONS)
    own = {path: value for path, value in chip.values.items() if path != "package.die_area"}
    scaled = ("matrix.units", "vector_lanes", "sram.local")
    columns: dict[str, Column] = {**own, **{path: count * float(own[path]) for path in scaled}}
    chips = build_chips(in_one_format(columns, np.full(len(count), native)), job.library)
    wanted = area_of(build_chips(in_one_format(own, native), job.library), job)
    return filled(chips, float(wanted), job)


def area_of(chips: Chip, job: Job) -> np.ndarray:
    """Area of all dies [mm2]."""
    return np.asarray(floor_plan(chips, job.assumptions.silicon).area.total)


def filled(chips: Chip, area: float, job: Job) -> Chip:
    """The chips whose SRAM, as fast for its size as before, fills their dies to an area [mm2]; others are left out."""
    density = chips.sram.bandwidth / chips.sram.capacity

    def with_sram(capacity: np.ndarray) -> Chip:
        return replace(chips, sram=replace(chips.sram, capacity=capacity, bandwidth=capacity * density))

    low, high = np.full(np.shape(density), LEAST_SRAM), np.full(np.shape(density), MOST_SRAM)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        small = area_of(with_sram(middle), job) < area
        low, high = np.where(small, middle, low), np.where(small, high, middle)
    fits = np.abs(area_of(with_sram(low), job) / area - 1.0) < ROUNDING
    return jax.tree.map(lambda leaf: np.asarray(leaf)[fits], with_sram(low))


def with_format(chips: Chip, points: Float[np.ndarray, "points 3"], native: float) -> Chip:
    """Chips in each of the formats, leaves (points x chips,).

    points: area and energy of a multiply-accumulate over bf16 [1], bits; native: area that arrays are sized for [1].
    """
    count = len(np.atleast_1d(chips.matrix.units))
    area, energy, bits = (np.repeat(column, count) for column in np.asarray(points).T)
    every: Any = jax.tree.map(lambda leaf: np.tile(np.asarray(leaf), len(points)), chips)
    made = in_format(every, area, native)
    held = dict.fromkeys(("weight", "expert_weight", "state", "activation"), bits / 8.0)
    return replace(made, numerics=replace(made.numerics, mac_energy_ratio=energy, **held))


def tokens_per_dollar(
    chip: Entry, job: Job, points: Float[np.ndarray, "points 3"]
) -> tuple[Float[np.ndarray, " points"], np.ndarray]:
    """Tokens per dollar of the best division of the die in each format [1/USD], and its units over the chip's own [1].

    points: area and energy of a multiply-accumulate over bf16 [1], bits of an element.
    """
    chips = divided(chip, job)
    native = float(areas([str(chip.values["matrix.native"])], job.library)[0])
    designs = with_format(chips, points, native)
    known = (job.transformer, job.requests, job.mappings, job.assumptions)
    scores, _ = score_designs(designs, *known, objective_weights("tokens_per_dollar"))
    found = scores.reshape(len(points), -1)
    units = np.asarray(chips.matrix.units) / float(chip.values["matrix.units"])
    return np.maximum(found.max(axis=1), 0.0), units[found.argmax(axis=1)]


def logarithms(catalogue: Catalogue, name: str) -> list[Logarithm]:
    """Noise of the logarithmic format of a file with each pair of widths that the file bounds, and in blocks."""
    entry, values = catalogue.entry("format", name), samples()
    quantiser = quantiser_of(entry)
    low, high = (int(end) for end in entry.figures["quantiser.integer"].range)
    most = int(entry.figures["quantiser.fraction"].range[1])
    assert isinstance(quantiser.element, Logarithmic)
    base = quantiser.element.base
    assert quantiser.scaling is not None
    made = []
    for scaling, integer, fraction in product((quantiser.scaling, *SCALES), range(low, high + 1), range(most + 1)):
        one = Quantiser(Logarithmic(integer, fraction, base), scaling)
        shared, noise = (scaling.block, scaling.scale, scaling.rule), noise_levels(one, values)
        made.append(Logarithm(integer, fraction, *shared, bits_per_element(one), noise))
    return made


@dataclass(frozen=True)
class Region:
    """Tokens per dollar of a logarithmic chip on a job over its unknown figures, and of named formats beside it.

    area, energy: of a multiply-accumulate over bf16 [1]; bits: of an element; values: (energy, bits, area) [1/USD];
    named: format -> its area, energy and bits, and tokens per dollar [1/USD].
    """

    traffic: str
    area: np.ndarray
    energy: np.ndarray
    bits: np.ndarray
    values: np.ndarray
    named: dict[str, tuple[float, float, float, float]]


def region(
    chip: Entry, job: Job, area: np.ndarray, energy: np.ndarray, bits: np.ndarray, named: Mapping[str, Sequence[float]]
) -> Region:
    """The region of a job: every combination of the figures; named: format -> its area, energy and bits."""
    grid = np.meshgrid(energy, bits, area, indexing="ij")
    points = np.column_stack([grid[2].ravel(), grid[0].ravel(), grid[1].ravel()])
    values, _ = tokens_per_dollar(chip, job, np.concatenate([points, np.array(list(named.values()))]))
    known = {
        name: (float(figures[0]), float(figures[1]), float(figures[2]), float(value))
        for (name, figures), value in zip(named.items(), values[len(points) :], strict=True)
    }
    return Region(job.traffic, area, energy, bits, values[: len(points)].reshape(grid[0].shape), known)


def last_above(places: np.ndarray, ratios: np.ndarray) -> float:
    """How far from the first place on the ratios stay at 1 or above; nan where they begin below it.

    >>> last_above(np.array([4.0, 6.0, 8.0]), np.array([4.0, 2.0, 0.5]))
    7.0
    """
    logs = np.log(ratios)
    if logs[0] < 0.0:
        return float("nan")
    below = np.flatnonzero(logs < 0.0)
    if not below.size:
        return float(places[-1])
    end = below[0]
    share = logs[end - 1] / (logs[end - 1] - logs[end])
    return float(places[end - 1] + share * (places[end] - places[end - 1]))
