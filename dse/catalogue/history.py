"""What did it cost then? Prices of memory and wafers in another year than that of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from dse.catalogue.edit import with_figure
from dse.catalogue.library import Library
from dse.catalogue.read import Entry
from dse.sources import Cited

__all__ = ["TODAY", "library_of_year"]

TODAY = 2026.5
"""Year of the prices in the tables of technology."""
HISTORIES = (("memory", "memory_history", "price"), ("process", "wafer_history", "wafer_price"))


def price_in(year: float, today: Cited, dated: Mapping[str, Cited]) -> Cited:
    """The price of a year, on a line in the logarithm between the dates that are known; the ends hold beyond them.

    The range keeps its width around it.

    >>> price_in(2025.0, Cited(16.0), {"2024": Cited(2.0), "2026": Cited(8.0)}).value.__round__(9)
    4.0
    """
    known = sorted([*((float(date), float(cited.value)) for date, cited in dated.items()), (TODAY, float(today.value))])
    years, prices = zip(*known, strict=True)
    value = float(np.exp(np.interp(year, years, np.log(prices))))
    factor = value / float(today.value)
    low, high = (None if end is None else end * factor for end in (today.low, today.high))
    nearest = min(dated, key=lambda date: abs(float(date) - year))
    note = f"as of {year:g}, from {today.source or 'the catalogue'} and {dated[nearest].source} of {nearest}"
    return replace(today, value=value, low=low, high=high, kind="derived", note=note)


def dated_entry(entry: Entry, what: str, field: str, year: float, history: Mapping[str, Mapping[str, Cited]]) -> Entry:
    """A file of technology with the prices that it holds of one sort as of a year."""
    for name, dated in history.items():
        path = f"{what}.{name}.{field}"
        if path in entry.figures:
            entry = with_figure(entry, path, price_in(year, entry.figures[path], dated))
    return entry


def library_of_year(library: Library, year: float) -> Library:
    """The library with memory and wafers at the prices of a year; what has no history keeps that of the catalogue."""
    technology = library.technology
    for what, table, field in HISTORIES:
        history = history_in(library.technology, table, field)
        technology = tuple(dated_entry(entry, what, field, year, history) for entry in technology)
    return replace(library, technology=technology, known={})


def history_in(entries: Iterable[Entry], table: str, field: str) -> dict[str, dict[str, Cited]]:
    """Name -> date -> price, gathered from the tables of technology."""
    found: dict[str, dict[str, Cited]] = {}
    for entry in entries:
        for name, series in getattr(entry.document, table).items():
            found.setdefault(name, {}).update(getattr(series, field))
    return found
