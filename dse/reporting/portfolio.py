"""What does the report of a portfolio consist of? A page, its figures as files, and the ranking as CSV and JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from dse.analysis.portfolio import Portfolio, PortfolioRow
from dse.catalogue.errors import CatalogueError, Problem
from dse.reporting.convergence import convergence_lines
from dse.reporting.folder import save_figures
from dse.reporting.html import PlacedFigure, StudyText, environment, study_text
from dse.reporting.portfolio_data import pair_grid, portfolio_json, portfolio_notes, reasons_at, regret_text
from dse.reporting.portfolio_figures import draw_pairs
from dse.reporting.results import csv_text
from dse.reporting.search_data import histories
from dse.reporting.search_figures import draw_histories
from dse.reporting.style import drawn
from dse.reporting.summary import mapping_text
from dse.reporting.tables import StudyRecord

__all__ = ["portfolio_rows", "write_portfolio"]


@dataclass(frozen=True)
class PortfolioPage:
    """Everything that the page shows."""

    portfolio: Portfolio
    notes: list[str]
    objectives: tuple[str, ...]
    ranking: list[PortfolioRow]
    unable: list[tuple[str, list[str]]]
    figures: dict[str, PlacedFigure]
    study: StudyText


def draw_all(portfolio: Portfolio, rows: list[PortfolioRow], study: StudyRecord) -> dict[str, tuple[Figure, str]]:
    """The figures with their captions."""
    made = {}
    grid = pair_grid(portfolio, rows)
    if grid.chips:
        caption = (
            "Tokens per dollar at each pair over those of the best chip on the market at it: above 1, blue, cheaper "
            "than anything one can buy. Each cell has its own best mapping. Under the names: shares of the bill. "
            f"The first {len(grid.chips)} chips of the ranking; found designs in bold."
        )
        made["pairs"] = (drawn(draw_pairs, grid), caption)
    courses = histories(study)
    if courses:
        caption = "Every trial of the study and the best so far; ticks at the foot: infeasible. "
        made["history"] = (drawn(draw_histories, courses), caption + " ".join(convergence_lines(study)))
    return made


def portfolio_rows(portfolio: Portfolio, rows: list[PortfolioRow]) -> list[dict[str, Any]]:
    """One flat row for each chip at each pair, for a table."""
    return [
        {
            "chip": row.name,
            "status": row.status,
            "pair": pair.name,
            "model": pair.job.model,
            "traffic": pair.job.traffic,
            "share": pair.share,
            "feasible": not member.broken,
            "tokens_per_dollar": member.tokens_per_dollar,
            "low": ends[0],
            "high": ends[1],
            "best_shipped": pair.reference,
            "relative_to_best_shipped": member.tokens_per_dollar / pair.shipped.best,
            "mapping": mapping_text(member.mapping),
        }
        for row in rows
        for member, pair, ends in zip(row.members, portfolio.pairs, row.ranges, strict=True)
    ]


def write_portfolio(directory: Path, portfolio: Portfolio, rows: list[PortfolioRow], study: StudyRecord) -> Path:
    """Write report.html, figures/, results.csv and results.json; returns the path of the page.

    CatalogueError when the folder cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        page = PortfolioPage(
            portfolio=portfolio,
            notes=portfolio_notes(portfolio, rows),
            objectives=study.objectives,
            ranking=[row for row in rows if row.feasible],
            unable=[(row.name, reasons_at(row)) for row in rows if not row.feasible],
            figures=save_figures(directory, draw_all(portfolio, rows, study)),
            study=study_text(study),
        )
        (directory / "results.csv").write_text(csv_text(portfolio_rows(portfolio, rows)), encoding="utf-8")
        document = portfolio_json(portfolio, rows, study.objectives)
        (directory / "results.json").write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
        jinja = environment()
        jinja.filters["regret"] = regret_text
        jinja.filters["mapping"] = mapping_text
        path = directory / "report.html"
        path.write_text(jinja.get_template("portfolio.html.j2").render(page=page).lstrip(), encoding="utf-8")
    except OSError as error:
        raise CatalogueError([Problem(f"cannot be written: {error.strerror}", file=str(directory))]) from error
    return path
