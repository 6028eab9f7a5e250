"""What does a study say to people who open it with other programs? Names with units, and each trial in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dse.catalogue.fields import Value
from dse.catalogue.read import dimension_of
from dse.catalogue.space import Space
from dse.search.objective import METRICS, QUALITY_METRICS
from dse.search.space import TARGET
from dse.timing.mapping import mapping_words
from dse.units import readable

__all__ = ["objective_names", "trial_words", "units_of_fields"]

UNITS = {
    "tokens_per_dollar": "tokens/USD",
    "output_tokens_per_s_per_user": "tokens/s per user",
    "tokens_per_joule": "tokens/J",
    "qsnr": "dB",
}
"""Of objectives; scores of portfolios and shares of accuracy have none."""

HEAD = ("style", "process.node", "package.dies", "sram.capacity", "memory.kind", "memory.stacks", "package.tdp")
"""Fields that tell chips of a space apart at a glance, of those that it has free."""


def objective_names(objectives: tuple[str, ...]) -> list[str]:
    """Objectives as a person reads them.

    >>> objective_names(("tokens_per_dollar", "qsnr"))
    ['tokens-per-dollar [tokens/USD]', 'qsnr [dB]']
    """
    called = {field: name for name, field in {**METRICS, **QUALITY_METRICS}.items()}
    names = {field: called.get(field, field.replace("_", "-")) for field in objectives}
    return [f"{name} [{UNITS[field]}]" if field in UNITS else name for field, name in names.items()]


def units_of_fields(space: Space) -> dict[str, str]:
    """The unit in which the parameters of a study are told: base units; those without one are counts or names."""
    found = {path: dimension_of("space", path) for path in space.free} | {TARGET: "s"}
    return {path: unit for path, unit in found.items() if unit != "1"}


def chip_words(space: Space, design: Mapping[str, Value]) -> str:
    """A design in a few words: 'dataflow, 3nm, sram capacity 1.4 GB, hbm3e'."""
    words = []
    for path in (path for path in HEAD if path in space.free):
        value, unit = design[path], dimension_of("space", path)
        name = "" if unit == "1" and isinstance(value, str) else f"{path.replace('.', ' ')} "
        words.append(name + (readable(value, unit, 3) if isinstance(value, int | float) else str(value)))
    return ", ".join(words) or space.name


def trial_words(space: Space, design: Mapping[str, Value], record: Mapping[str, Any]) -> dict[str, str]:
    """What a told trial says of itself: chip, mapping, and what its time goes into, or which limits it breaks."""
    words = {"chip": chip_words(space, design)}
    if not record.get("feasible"):
        return words | {"breaks": percentages(record.get("reasons", {}), "+")}
    each: dict[str, dict[str, float | int]] = {}
    for name, value in record.get("mapping", {}).items():
        pair, _, field = name.rpartition(".")
        each.setdefault(pair, {})[field] = value
    texts = [f"{pair}: {mapping_words(one)}" if pair else mapping_words(one) for pair, one in sorted(each.items())]
    words["mapping"] = "; ".join(texts)
    if "busy" in record:
        words["breakdown"] = percentages(record["busy"])
    return words


def percentages(shares: Mapping[str, float | int], sign: str = "") -> str:
    """Shares in words, largest first, those below one per cent left out.

    >>> percentages({"matrix": 0.12, "memory": 0.874, "vector": 0.001})
    'memory 87 %, matrix 12 %'
    """
    kept = sorted(((share, name) for name, share in shares.items() if share >= 0.01 or sign), reverse=True)
    return ", ".join(f"{name.replace('_', ' ')} {sign}{100 * share:.2g} %" for share, name in kept)
