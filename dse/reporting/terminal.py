"""How does a ranking read in a terminal? As a table that leaves out what the width has no room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from dse.analysis.comparison import Comparison
from dse.reporting.headline import headline_text, named
from dse.reporting.tables import FOUND, RankingRow, price_note, ranking, rejected
from dse.reporting.text import counted, significant

__all__ = ["chips_cell", "ranking_table"]

GAP = 1
"""Spaces between two columns [characters]."""


class Column(NamedTuple):
    """A column: heading, text of a row, whether it is a number, and its rank when the width is given away.

    objective: the metric that it shows, '' for none; the one that the table is ranked by is never left out.
    """

    heading: str
    text: Callable[[RankingRow], str]
    number: bool = True
    rank: int = 0
    objective: str = ""


def chips_cell(row: RankingRow) -> str:
    """Chips of a deployment; 'decode+prefill' for separate pools."""
    if row.prefill_chips:
        return f"{counted(row.decode_chips)}+{significant(row.prefill_chips)}"
    return counted(row.chips)


COLUMNS = (
    Column("", lambda row: f"{'~' if row.level else ''}{row.rank}"),
    Column("chip", named, number=False),
    Column("front", lambda row: "Pareto" if row.on_front else "", number=False, rank=1),
    Column("USD/Mtok", lambda row: significant(row.usd_per_million), objective="tokens_per_dollar"),
    Column("80 %", lambda row: "-".join(significant(end, 2) for end in row.usd_range), rank=2),
    Column("price", lambda row: row.price_source, number=False, rank=2),
    Column("basis", lambda row: row.price_basis, number=False),
    Column("modelled\nprice", lambda row: significant(row.usd_per_million_modelled), rank=3),
    Column(
        "tokens/s\nper user",
        lambda row: significant(row.tokens_per_s_per_user),
        rank=4,
        objective="output_tokens_per_s_per_user",
    ),
    Column("tokens/s\nper chip", lambda row: significant(row.tokens_per_s_per_chip), rank=10),
    Column("tokens/J", lambda row: significant(row.tokens_per_joule), rank=9, objective="tokens_per_joule"),
    Column("chips", chips_cell, rank=5),
    Column("weights/KV", lambda row: f"{row.weights}/{row.kv_cache}", number=False, rank=6),
    Column("QSNR\ndB", lambda row: significant(row.qsnr), rank=11, objective="qsnr"),
    Column("loss\n%", lambda row: significant(100.0 * row.accuracy_loss, 2), rank=12, objective="accuracy_kept"),
    Column("mapping", lambda row: row.mapping, number=False, rank=7),
    Column("bound by", lambda row: row.binds, number=False, rank=8),
)


def width_of(column: Column, rows: list[RankingRow]) -> int:
    """Characters of the widest line of a column."""
    return max(len(text) for text in [*column.heading.split("\n"), *(column.text(row) for row in rows)])


def fitting(rows: list[RankingRow], objectives: Sequence[str], room: int) -> list[Column]:
    """The columns that fit into so many characters: those of the objectives always, the others by their rank."""
    idle = {"front"} if len(objectives) < 2 else set[str]()
    idle |= {"basis"} if len({row.price_basis for row in rows}) < 2 else set()
    wanted = [column for column in COLUMNS if column.heading not in idle]

    def rank(column: Column) -> int:
        return 0 if column.objective in objectives else column.rank

    kept, used = [], -GAP
    for column in sorted(wanted, key=rank):
        width = width_of(column, rows) + GAP
        if rank(column) == 0 or used + width <= room:
            kept.append(column)
            used += width
    return [column for column in wanted if column in kept]


def ranking_table(
    comparison: Comparison,
    width: int | None = None,
    objectives: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Table:
    """Feasible candidates, best first; underneath, the result, the notes, and why the others are infeasible.

    width: of the terminal [characters], None: as it is; objectives: of the study, the job's when there are none;
    notes: the one on prices when there are none.
    """
    job, room = comparison.job, width or Console().width
    rows = ranking(comparison, objectives)
    shown = fitting(rows, objectives or [job.objective], room)
    below = [headline_text(rows, job.objective), *(notes or [price_note(comparison)])]
    below += [f"Infeasible: {row.name}: {'; '.join(row.reasons)}." for row in rejected(comparison)]
    table = Table(
        title=f"{job.model}, {job.traffic}: ranked by {job.objective.replace('_', ' ')}, basis {job.price_basis}",
        caption="\n".join(note for note in below if note),
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, GAP, 0, 0),
        header_style="bold",
        pad_edge=False,
    )
    for column in shown:
        table.add_column(column.heading, justify="right" if column.number else "left", no_wrap=True, vertical="bottom")
    for row in rows:
        table.add_row(*(column.text(row) for column in shown), style="bold" if row.status == FOUND else None)
    return table
