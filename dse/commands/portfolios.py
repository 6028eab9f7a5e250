"""What does a study of a portfolio end with? The found chips against those one can buy, at every pair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dse.commands.options import print_json, print_table

if TYPE_CHECKING:
    import optuna

    from dse.analysis.portfolio import Described, Portfolio, PortfolioRow
    from dse.catalogue import Catalogue, Space

__all__ = ["finish_portfolio"]


def finish_portfolio(
    catalogue: Catalogue,
    study: optuna.Study,
    box: tuple[Space, Portfolio],
    storage: str,
    folder: Path,
    own: Path | None,
    as_json: bool,
) -> None:
    """Write chip files and report, print the ranking; own: the user's folder, as it was given."""
    from dse.analysis.portfolio import ranked_rows
    from dse.commands.study_end import end_json, tell_end
    from dse.reporting.portfolio import write_portfolio
    from dse.reporting.portfolio_data import portfolio_json, portfolio_notes
    from dse.reporting.portfolio_text import portfolio_table
    from dse.reporting.study_record import study_record
    from dse.search.studies.study import plan_in

    space, portfolio = box
    objectives = plan_in(study).objectives
    rows = ranked_rows(candidates(catalogue, study, space, folder / "chips"), portfolio, objectives[0])
    record = study_record(study, space, storage, catalogue)
    page = write_portfolio(folder, portfolio, rows, record)
    again = commands_of(rows, portfolio, folder / "chips", own)
    if as_json:
        head = end_json(study, storage, record, page, again)
        print_json(head | portfolio_json(portfolio, rows, objectives))
        return
    print_table(portfolio_table(portfolio, rows, objectives[0]))
    tell_end(portfolio_notes(portfolio, rows), record, folder, page, again)


def candidates(catalogue: Catalogue, study: optuna.Study, space: Space, folder: Path) -> list[Described]:
    """The found designs, each written as a chip file, and the chips of the catalogue."""
    from dse.analysis.shipped import honest_status
    from dse.catalogue import list_entries
    from dse.search.studies.outcome import found_chips

    found: list[Described] = [
        (entry.name, entry.document.heading, "found", entry.values)
        for entry in found_chips(study, space, catalogue, folder)
    ]
    taken = {name for name, *_ in found}
    entries = [
        catalogue.entry("chip", row["name"]) for row in list_entries("chip", catalogue) if row["name"] not in taken
    ]
    return found + [(entry.name, entry.document.heading, honest_status(entry), entry.values) for entry in entries]


def commands_of(rows: list[PortfolioRow], portfolio: Portfolio, folder: Path, own: Path | None) -> list[str]:
    """The `dse evaluate` of every found chip at every pair."""
    from dse.commands.again import evaluation_command

    return [
        evaluation_command(member.mapping, pair.job, folder / f"{row.name}.toml", own)
        for row in rows
        if row.status == "found"
        for member, pair in zip(row.members, portfolio.pairs, strict=True)
    ]
