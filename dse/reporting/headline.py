"""What is the result in a sentence? The best found design against the best chip in use, with what each rests on."""

from __future__ import annotations

import math
from typing import NamedTuple

from dse.reporting.tables import FOUND, RankingRow
from dse.reporting.text import counted, measured, significant

__all__ = ["IN_USE", "Finding", "findings", "headline_text", "named", "pools_text", "ratio_range"]

IN_USE = ("shipping", "legacy", "internal")
DOLLARS = "tokens_per_dollar"


class Finding(NamedTuple):
    """A sentence of the summary: what it is about, the figure that counts, and the rest."""

    label: str
    value: str
    text: str


def named(row: RankingRow) -> str:
    """A chip with what it is, unless one can use it: 'matx-one (hypothetical)'.

    A design that a search found is as hypothetical as the space that it comes from, and is called found.
    """
    return row.name if row.status in ("", *IN_USE) else f"{row.name} ({row.status})"


def pools_text(decode: float, prefill: float) -> str:
    """Chips of a deployment: '8 decode + 1.37 prefill chips (average; ...)', or '8 chips' where they share.

    >>> pools_text(1.0, 0.0), pools_text(8.0, 0.0)
    ('1 chip', '8 chips')
    """
    if prefill:
        pools = f"{counted(decode)} decode + {significant(prefill)} prefill chips"
        return f"{pools} (average; prefill pools are shared among deployments)"
    return "1 chip" if decode == 1 else f"{counted(decode)} chips"


def basis_text(row: RankingRow) -> str:
    """What the numbers of a chip rest on: formats of weights and KV cache, kind of price."""
    return f"weights {row.weights}, KV cache {row.kv_cache}, {row.price_source} price"


def finding_of(label: str, row: RankingRow, objective: str) -> Finding:
    """What one chip comes to."""
    dollars = f"${significant(row.usd_per_million)}"
    low, high = (significant(end) for end in row.usd_range)
    value = dollars if objective == DOLLARS else " ".join(measured(objective, row.value))
    lead = "per million output tokens" if objective == DOLLARS else f"{dollars} per million output tokens"
    lead += f" (80 %: {low} to {high})"
    chips = pools_text(row.decode_chips, row.prefill_chips)
    text = (
        f"{lead}; {basis_text(row)}; {significant(row.tokens_per_s_per_user)} tokens/s per user on {chips}, "
        f"{row.mapping}; bound by {row.binds}"
    )
    return Finding(label, f"{named(row)}: {value}", text)


def sides(rows: list[RankingRow]) -> tuple[RankingRow | None, RankingRow | None]:
    """The best found design and the best chip in use."""
    found = next((row for row in rows if row.status == FOUND), None)
    return found, next((row for row in rows if row.status in IN_USE), None)


def findings(rows: list[RankingRow], objective: str = DOLLARS) -> list[Finding]:
    """The summary: the best found design, the best that is in use, and how many times better the first is."""
    if not rows:
        return [
            Finding("Nothing feasible", "0 chips", "No candidate keeps every limit of this job; see the reasons below.")
        ]
    found, used = sides(rows)
    notes = []
    if found is not None:
        notes.append(finding_of("Best design found", found, objective))
    if used is not None:
        notes.append(finding_of("Best chip in use", used, objective))
    if rows[0] not in (found, used):
        notes.append(finding_of(f"Ahead of them, {rows[0].status}", rows[0], objective))
    if found is not None and used is not None:
        ratio, text = ratio_text(found, used, objective)
        notes.append(Finding("Found over in use", ratio, text))
    return notes


def ratio_range(one: RankingRow, other: RankingRow) -> tuple[float, float]:
    """The 80 % range of how many times better one is, as if the errors of both had nothing in common [1]."""
    widths = [math.log(high / low) / 2.0 for low, high in (one.value_range, other.value_range)]
    factor = math.exp(math.hypot(*widths))
    return one.value / other.value / factor, one.value / other.value * factor


def ratio_text(found: RankingRow, used: RankingRow, objective: str) -> tuple[str, str]:
    """How many times better a found design is than a chip in use, and what stands against what."""
    text = f"the {objective.replace('_', ' ')}: {named(found)}, {basis_text(found)}, against {named(used)}"
    text += f", {basis_text(used)}"
    if objective == DOLLARS:
        modelled = used.usd_per_million_modelled / found.usd_per_million_modelled
        text += f"; with both prices modelled {significant(modelled)} times"
    low, high = ratio_range(found, used)
    text += f"; 80 %: {significant(low)} to {significant(high)} times"
    text += ", so that the error bars leave open which is better" if low < 1.0 < high else ""
    return f"{significant(found.value / used.value)} times", text


def headline_text(rows: list[RankingRow], objective: str) -> str:
    """The result as one sentence, '' without a found design or a chip in use to compare."""
    found, used = sides(rows)
    return f"{' '.join(ratio_text(found, used, objective))}." if found is not None and used is not None else ""
