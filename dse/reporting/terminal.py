"""How does a ranking read in a terminal? As a table that leaves out what the width has no room for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from dse.analysis.comparison import Comparison
from dse.reporting.tables import FOUND, RankingRow, price_note, ranking, rejected
from dse.reporting.text import counted, significant

__all__ = ["ranking_table"]


class Column(NamedTuple):
    """A column: heading, text of a row, whether it is a number, and the narrowest terminal that shows it."""

    heading: str
    text: Callable[[RankingRow], str]
    number: bool = True
    least: int = 0


COLUMNS = (
    Column("", lambda row: str(row.rank)),
    Column("chip", lambda row: row.name, number=False),
    Column("USD/Mtoken", lambda row: significant(row.usd_per_million)),
    Column("price", lambda row: row.price_source, number=False),
    Column("modelled\nprice", lambda row: significant(row.usd_per_million_modelled)),
    Column("tokens/s\nper user", lambda row: significant(row.tokens_per_s_per_user)),
    Column("tokens/s\nper chip", lambda row: significant(row.tokens_per_s_per_chip), least=148),
    Column("tokens/J", lambda row: significant(row.tokens_per_joule), least=148),
    Column("chips", lambda row: counted(row.chips)),
    Column("mapping", lambda row: row.mapping, number=False, least=101),
    Column("bound by", lambda row: row.binds, number=False, least=126),
)


def ranking_table(comparison: Comparison, width: int | None = None) -> Table:
    """Feasible candidates, best first; underneath, the note on prices and why the others are infeasible.

    width: of the terminal [characters], None: as it is.
    """
    job, room = comparison.job, width or Console().width
    notes = [price_note(comparison)]
    notes += [f"Infeasible: {row.name}: {'; '.join(row.reasons)}." for row in rejected(comparison)]
    table = Table(
        title=f"{job.model}, {job.traffic}: {job.objective.replace('_', ' ')}, basis {job.price_basis}",
        caption="\n".join(notes),
        title_justify="left",
        caption_justify="left",
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    shown = [column for column in COLUMNS if room >= column.least]
    for column in shown:
        table.add_column(column.heading, justify="right" if column.number else "left", no_wrap=True, vertical="bottom")
    for row in ranking(comparison):
        table.add_row(*(column.text(row) for column in shown), style="bold" if row.status == FOUND else None)
    return table
