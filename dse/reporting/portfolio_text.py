"""How does the ranking of a portfolio read in a terminal? One column a pair, beside mean, worst case and regret."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from dse.analysis.portfolio import Portfolio, PortfolioRow
from dse.reporting.headline import IN_USE
from dse.reporting.portfolio_data import regret_text
from dse.reporting.tables import FOUND
from dse.reporting.text import significant

__all__ = ["portfolio_table"]


def called(row: PortfolioRow) -> str:
    """A chip with what it is, unless one can use it."""
    return row.name if row.status in (FOUND, *IN_USE) else f"{row.name} ({row.status})"


def portfolio_table(portfolio: Portfolio, rows: list[PortfolioRow], objective: str) -> Table:
    """Chips that can do every pair, best first by an objective; million tokens per dollar."""
    title = f"{portfolio.name}: ranked by {objective.replace('_', ' ')}, M tokens/USD, basis {portfolio.price_basis}"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.pad_edge = False
    table.add_column("", justify="right", vertical="bottom")
    table.add_column("chip", vertical="bottom", no_wrap=True)
    for heading in ("mean", "worst", "regret", *(pair.name.replace("-", "-\n") for pair in portfolio.pairs)):
        table.add_column(heading, justify="right", vertical="bottom")
    for place, row in enumerate((row for row in rows if row.feasible), start=1):
        scores = [row.scores[name] / 1e6 for name in ("mean_tokens_per_dollar", "worst_tokens_per_dollar")]
        values = [significant(member.tokens_per_dollar / 1e6) for member in row.members]
        cells = [str(place), called(row), *(significant(score) for score in scores), regret_text(row), *values]
        table.add_row(*(Text(cell) for cell in cells), style="bold" if row.status == FOUND else None)
    return table
