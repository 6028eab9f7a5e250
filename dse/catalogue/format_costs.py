"""What does a multiply-accumulate cost in the format of a file? What the file cites, else what its widths ask for."""

from __future__ import annotations

from collections.abc import Mapping

from dse.catalogue.formats import quantiser_of
from dse.catalogue.read import Entry
from dse.numerics.multiply_accumulate import Gates, Sums, cost_over_bf16
from dse.numerics.parameters import Float, Integer, Quantiser, Ternary
from dse.sources import Cited

__all__ = ["RATIOS", "costs_of", "modelled_costs", "sums_of"]

RATIOS = ("mac_energy_ratio", "mac_area_ratio")
BESIDE_TERNARY = Quantiser(Integer(8))
"""What ternary weights are multiplied with: BitNet b1.58 keeps activations in 8-bit integers."""


def sums_of(gates: Mapping[str, Cited]) -> Sums:
    """How products are added up, from the table [gates] of the technology."""
    return Sums(**{name: float(gates[name].value) for name in Sums.__slots__})


def modelled_costs(
    quantiser: Quantiser, gates: Mapping[str, Cited], accumulator: Float | None = None
) -> dict[str, float]:
    """Energy and area of a multiply-accumulate over one in bf16, from the widths of its operands [1].

    gates: figures of the table [gates] of the technology; accumulator: the format of its sums, else fp32.
    """
    sums = sums_of(gates)
    other = BESIDE_TERNARY if isinstance(quantiser.element, Ternary) else quantiser
    found = {}
    for ratio in RATIOS:
        what = ratio.split("_")[1]
        parts = Gates(**{name: float(gates[f"{name}_{what}"].value) for name in Gates.__slots__})
        found[ratio] = cost_over_bf16(quantiser, other, parts, sums, accumulator)
    return found


def costs_of(entry: Entry, gates: Mapping[str, Cited]) -> dict[str, Cited]:
    """Both ratios of a format: as its file cites them, else from its widths [1]."""
    cited = {ratio: entry.figures[ratio] for ratio in RATIOS if ratio in entry.figures}
    if len(cited) == len(RATIOS):
        return cited
    note = "from the widths of the operands, by dse.numerics.multiply_accumulate"
    modelled = modelled_costs(quantiser_of(entry), gates)
    return {ratio: cited.get(ratio, Cited(modelled[ratio], kind="derived", note=note)) for ratio in RATIOS}
