"""How does a sensitivity analysis read in a terminal? Three tables and a sentence under each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from dse.analysis.flip_points import Rivalry
from dse.analysis.sensitivity import Sensitivity
from dse.reporting.sensitivity_data import (
    flip_rows,
    flip_sentence,
    margin_rows,
    range_rows,
    refusals,
    works_of_ranges,
)
from dse.reporting.summary import mapping_text
from dse.reporting.text import counted, measured

__all__ = ["MARGIN_NOTE", "RANGE_NOTE", "margin_note", "plain_table", "range_note", "sensitivity_text"]

MOST_BARS = 20
"""Constants of the tornado that a terminal and a figure show [1]."""

MOST_FLIPS = 12

MARGIN_NOTE = (
    "One more of each, all else as it is; what must follow does: silicon, power, yield, cost, and the price at the "
    "vendor's margin. Memory bandwidth and capacity grow on the same stacks. Slope: % per 1 %, by differentiation, "
    "mapping held; re-optimised: the best mapping after +10 %."
)
RANGE_NOTE = (
    "One constant at a time over its sourced range (fits: 80 %), the mapping re-optimised at each end; change of "
    "tokens per dollar. What is asked (model, traffic) is not varied."
)


def plain_table(title: str, headings: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> Table:
    """A table without lines; headings: text, and whether the column holds numbers. The first and last may wrap."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.pad_edge = False
    for place, (heading, number) in enumerate(headings):
        wraps = place in (0, len(headings) - 1)
        table.add_column(heading, justify="right" if number else "left", no_wrap=not wraps, vertical="top")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def margin_note(found: Sensitivity) -> str:
    """How to read the marginal values, and how many of them the finite step contradicts."""
    apart = sum(row.disagrees for row in found.margins.rows)
    if not apart:
        return MARGIN_NOTE
    rows = "1 row" if apart == 1 else f"{counted(apart)} rows"
    return f"{MARGIN_NOTE} In {rows} the two disagree by more than a fifth, or a limit stands in the way."


def range_note(found: Sensitivity) -> str:
    """How to read the tornado, how many constants change nothing, and where the model refuses the chip."""
    parts = [RANGE_NOTE, f"{counted(len(found.tornado.idle))} more enter the chip and change nothing here."]
    refused = refusals(found)
    if refused:
        parts.append(f"Refused by the model at an end of its range: {'; '.join(refused)}.")
    return " ".join(parts)


def margins_table(found: Sensitivity) -> Table:
    """Marginal values."""
    headings = (
        ("resource or price", False),
        ("now", True),
        ("tokens/USD\nper unit", True),
        ("slope", True),
        ("+10 %\nby slope", True),
        ("+10 %\nre-opt.", True),
        ("die per\nunit", True),
        ("", False),
    )
    rows = [
        (row.name, row.now, row.per_unit, row.slope, row.promised, row.stepped, row.area, row.note)
        for row in margin_rows(found)
    ]
    return plain_table("Marginal values", headings, rows)


def ranges_table(found: Sensitivity) -> Table:
    """The widest bars of the tornado."""
    headings = (
        ("constant", False),
        ("low", True),
        ("value", True),
        ("high", True),
        ("at low", True),
        ("at high", True),
        ("source", False),
    )
    rows = [
        (row.name, row.low, row.value, row.high, row.at_low, row.at_high, f"{row.kind} {row.source}".strip())
        for row in range_rows(found)[:MOST_BARS]
    ]
    return plain_table("Ranges of constants", headings, rows)


def flips_table(rivalry: Rivalry) -> Table:
    """Flip points against one rival."""
    headings = (("constant", False), ("today", True), ("turns at", True), ("", False), ("", False))
    rows = [(row.name, row.value, row.turns, row.where, row.note) for row in flip_rows(rivalry)[:MOST_FLIPS]]
    return plain_table(f"Flip points against {rivalry.rival}", headings, rows)


def sensitivity_text(found: Sensitivity) -> Group:
    """Everything for a person."""
    return Group(*parts(found))


def parts(found: Sensitivity) -> Iterator[Table | Text]:
    """Tables and sentences in their order."""
    job = found.job
    value = " ".join(measured("tokens_per_dollar", found.tornado.tokens_per_dollar))
    yield Text(f"{found.chip.name} on {job.model}, {job.traffic}, price basis {job.price_basis}: {value}")
    yield Text(f"mapping {mapping_text(found.margins.mapping)}\n")
    yield margins_table(found)
    yield Text(f"{margin_note(found)}\n")
    yield ranges_table(found)
    yield Text(f"{range_note(found)}\n")
    for rivalry in found.rivalries:
        if flip_rows(rivalry):
            yield flips_table(rivalry)
        yield Text(f"{flip_sentence(rivalry)}\n")
    if not found.rivalries:
        yield Text("No other chip on the market can do this job: there is no rival to flip to.\n")
    for work in works_of_ranges(found):
        yield Text(f"[{work.key}] {work.title}; {work.locator}; {work.date}", style="dim")
