"""What must a reader of the ranking know? Prices, software, pools of chips and large deployments, a sentence each."""

from __future__ import annotations

from dse.analysis.comparison import Comparison
from dse.reporting.tables import RankingRow, level_note, price_note
from dse.reporting.text import counted, significant, spoken

__all__ = ["MANY_CHIPS", "ranking_notes"]

MANY_CHIPS = 512
"""Chips of one deployment from which its price is written out [1]."""

MOST_NAMED = 4


def software_note(comparison: Comparison) -> str:
    """Which software profiles rest on judgement alone, '' where all are fitted to measured rows."""
    profiles = dict.fromkeys(str(item.values.get("software", "")) for item in comparison.candidates if item.feasible)
    assumed = [name for name in profiles if name and not comparison.job.library.fitted(name)]
    if not assumed:
        return ""
    return (
        f"What software reaches of peak, bandwidth and links is assumed for the profiles {spoken(assumed)}, of which "
        "no measured row is at hand: their ranges are wide, and gaps to other vendors rest on them."
    )


def pools_note(rows: list[RankingRow]) -> str:
    """What a fraction of a chip means, '' where there is none."""
    if not any(row.prefill_chips for row in rows):
        return ""
    return (
        "Chips of separate prefill pools are counted as an average, since those pools are shared among deployments; "
        "'8+1.37' are 8 that decode and 1.37 that prefill."
    )


def deployment_note(rows: list[RankingRow]) -> str:
    """What the smallest deployments cost that take very many chips, '' where none does."""
    large = sorted((row for row in rows if row.chips >= MANY_CHIPS), key=lambda row: -row.chips)
    if not large:
        return ""
    listed = [
        f"{row.name} {counted(round(row.chips))} chips, {significant(row.deployment_usd / 1e6)} M USD"
        for row in large[:MOST_NAMED]
    ]
    more = f" and {len(large) - MOST_NAMED} others" if len(large) > MOST_NAMED else ""
    return (
        f"Large deployments, by the price of their chips: {'; '.join(listed)}{more}. Their dollars per token hold only "
        "while that many chips are kept busy with this one job."
    )


def ranking_notes(comparison: Comparison, rows: list[RankingRow]) -> list[str]:
    """Every note that the ranking needs."""
    notes = [price_note(comparison), level_note(rows), software_note(comparison), pools_note(rows)]
    notes.append(deployment_note(rows))
    return [note for note in notes if note]
