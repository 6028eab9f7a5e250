"""What does a chip save, and lose, that adds products up in another format than fp32?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float as Floats

from dse.catalogue.errors import CatalogueError, Problem
from dse.catalogue.format_costs import modelled_costs, sums_of
from dse.catalogue.formats import quantiser_of
from dse.catalogue.library import Column, Library, Numbers, codes_of
from dse.catalogue.read import Entry
from dse.numerics.accumulate import sum_noise
from dse.numerics.parameters import Float

__all__ = ["KEY", "USUAL", "Accumulation", "accumulation_of", "accumulator_of"]

USUAL = "fp32"
"""The format of sums where nothing else is said, to which all cited costs refer."""
KEY = "matrix.accumulation"
"""Where a chip says in which format it adds up."""


@dataclass(frozen=True)
class Accumulation:
    """What the format of the sums changes.

    energy, area: of a multiply-accumulate in each format over the same with sums in fp32, (formats,) or
    (formats, designs) [1]; noise: of the sums over signal, 0 in fp32 [1].
    """

    energy: Floats[np.ndarray, " formats *sums"]
    area: Floats[np.ndarray, " formats *sums"]
    noise: Numbers


def accumulator_of(entry: Entry) -> Float:
    """The element of a format that sums can be in; CatalogueError for one that they cannot be in."""
    quantiser = quantiser_of(entry)
    if isinstance(quantiser.element, Float) and quantiser.scaling is None:
        return quantiser.element
    way_out = "a floating-point format without scales, such as fp32, tf32, fp16, bf16 or one of your own"
    raise CatalogueError(
        [Problem("is no format that sums can be in", key=KEY, value=repr(entry.name), way_out=way_out)]
    )


def accumulation_of(columns: Mapping[str, Column], names: list[str], library: Library) -> Accumulation:
    """What the sums of one design, or of columns of designs, change for each of the named formats.

    columns: with matrix.accumulation where it is not fp32.
    """
    given = columns.get(KEY, USUAL)
    chosen, codes = codes_of(given) if isinstance(given, np.ndarray) else ([str(given)], np.zeros((), int))
    tables = [table_of(library.load("format", one), names, library) for one in chosen]
    energy, area = (np.stack([table[ratio] for table, _ in tables], axis=1)[:, codes] for ratio in (0, 1))
    return Accumulation(energy, area, np.array([noise for _, noise in tables])[codes])


def table_of(sums: Entry, names: list[str], library: Library) -> tuple[np.ndarray, float]:
    """Energy and area of each of the formats over those with sums in fp32 (2, formats), noise of the sums [1]."""
    if sums.name == USUAL:
        return np.ones((2, len(names))), 0.0
    element, quantisers = accumulator_of(sums), [quantiser_of(library.load("format", name)) for name in names]
    own, usual = (
        np.array([list(modelled_costs(quantiser, library.gates, one).values()) for quantiser in quantisers]).T
        for one in (element, None)
    )
    return own / usual, sum_noise(element, sums_of(library.gates).terms)
