"""What must a reader of the ranking know? Prices, software, pools of chips and large deployments, a sentence each."""

from __future__ import annotations

from dse.analysis.comparison import Comparison
from dse.catalogue.errors import CatalogueError
from dse.catalogue.store import Catalogue
from dse.reporting.tables import RankingRow, price_note
from dse.reporting.text import counted, significant, spoken

__all__ = ["MANY_CHIPS", "ranking_notes"]

MANY_CHIPS = 512
"""Chips of one deployment from which its price is written out [1]."""

MOST_NAMED = 4


def software_note(comparison: Comparison, catalogue: Catalogue) -> str:
    """Which software coefficients are assumed, '' where none is."""
    profiles = dict.fromkeys(str(item.values.get("software", "")) for item in comparison.candidates if item.feasible)
    assumed = [name for name in profiles if name and assumed_figures(name, catalogue)]
    if not assumed:
        return ""
    return (
        "What share of peak, bandwidth and links the software reaches is assumed, not measured on these chips "
        f"(profiles {spoken(assumed)}): large gaps between vendors rest on it."
    )


def assumed_figures(profile: str, catalogue: Catalogue) -> list[str]:
    """Coefficients of a software profile that are assumed, by dotted path."""
    try:
        figures = catalogue.entry("software", profile).figures
    except CatalogueError:
        return []
    return [path for path, cited in figures.items() if cited.kind == "assumed"]


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


def ranking_notes(comparison: Comparison, rows: list[RankingRow], catalogue: Catalogue) -> list[str]:
    """Every note that the ranking needs."""
    notes = [price_note(comparison), software_note(comparison, catalogue), pools_note(rows), deployment_note(rows)]
    return [note for note in notes if note]
