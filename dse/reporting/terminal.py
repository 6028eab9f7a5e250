"""How does a ranking read in a terminal?"""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from dse.analysis.comparison import Comparison
from dse.reporting.tables import FOUND, price_note, ranking, rejected
from dse.reporting.text import counted, significant

__all__ = ["ranking_table"]


def ranking_table(comparison: Comparison) -> Table:
    """Feasible candidates, best first, then the infeasible ones with the reason; the note on prices underneath."""
    job = comparison.job
    table = Table(
        title=f"{job.model}, {job.traffic}: {job.objective.replace('_', ' ')}",
        caption=price_note(comparison),
        title_justify="left",
        caption_justify="left",
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    table.add_column("", justify="right")
    table.add_column("chip", no_wrap=True)
    table.add_column(f"USD/Mtoken\n{job.price_basis}", justify="right", no_wrap=True)
    table.add_column("\nprice", no_wrap=True)
    table.add_column("modelled\nprice", justify="right", no_wrap=True)
    table.add_column("tokens/s\nuser", justify="right", no_wrap=True)
    table.add_column("tokens/s\nchip", justify="right", no_wrap=True)
    table.add_column("tokens/J", justify="right", no_wrap=True)
    table.add_column("chips", justify="right", no_wrap=True)
    table.add_column("mapping")
    table.add_column("bound by")
    for row in ranking(comparison):
        table.add_row(
            str(row.rank),
            row.name,
            significant(row.usd_per_million),
            row.price_source,
            significant(row.usd_per_million_modelled),
            significant(row.tokens_per_s_per_user),
            significant(row.tokens_per_s_per_chip),
            significant(row.tokens_per_joule),
            counted(row.chips),
            row.mapping,
            row.binds,
            style="bold" if row.status == FOUND else None,
        )
    for row in rejected(comparison):
        cells = ["–"] * 7
        table.add_row("–", row.name, *cells, row.mapping, Text(row.reasons[0] if row.reasons else ""), style="dim")
    return table
