"""Who says so? A figure with its provenance, and the list of works that a run relied on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["KINDS", "Cited", "Source", "bibliography"]

KINDS = ("published", "measured", "derived", "assumed", "hypothetical")


@dataclass(frozen=True, slots=True)
class Source:
    """A work that figures are taken from; locator: repository, address or DOI; date: when it was read or issued."""

    key: str
    title: str
    locator: str
    date: str


@dataclass(frozen=True, slots=True)
class Cited:
    """A value in base units (or a name, or a flag) and where it comes from.

    source: key of the file's sources, '' when the file gives none; at: page, table or line; kind: one of KINDS, or
    '' for a bare value; note: reason or arithmetic; low, high: range of belief in base units, None when not stated.
    """

    value: float | str | bool
    source: str = ""
    at: str = ""
    kind: str = ""
    note: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def range(self) -> tuple[float, float]:
        """Low and high of a number, the value itself for an end that is not stated [base units]."""
        value = float(self.value)
        return value if self.low is None else self.low, value if self.high is None else self.high


def bibliography(sources: Iterable[Source]) -> list[Source]:
    """Each work once (two files may cite it under different keys), in order of title."""
    works = {(source.title, source.locator): source for source in sources}
    return [works[key] for key in sorted(works)]
