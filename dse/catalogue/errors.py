"""What is wrong with the input? Every fault of every file at once, each on a line with a way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace

__all__ = ["CatalogueError", "FieldError", "Problem", "listed", "nearest"]

RESEMBLANCE = 0.6
"""Least share of common letters of a name that is suggested [1]."""

HANDFUL = 6
"""Names that stand for a long list of them."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: file and dotted key, the value that was found, the rule that it breaks, what is allowed instead."""

    rule: str
    file: str = ""
    key: str = ""
    value: str = ""
    allowed: str = ""
    nearest: str = ""
    way_out: str = ""

    def __str__(self) -> str:
        """One line: file: key: rule, got value; allowed; did you mean; way out."""
        head = ": ".join(part for part in (self.file, self.key, self.rule) if part)
        got = f", got {self.value}" if self.value else ""
        tail = [
            f"allowed: {self.allowed}" if self.allowed else "",
            f"did you mean {self.nearest!r}?" if self.nearest else "",
            self.way_out,
        ]
        return "; ".join([head + got, *(part for part in tail if part)]).replace("\n", " ")


class CatalogueError(Exception):
    """Input that cannot be used; `problems` lists all that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class FieldError(ValueError):
    """Faults of one value, raised where only the value is known; file and key are added further up."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("; ".join(problem.rule for problem in problems))

    def at(self, file: str, key: str) -> list[Problem]:
        """The same faults with their place; a key of their own is appended to it."""
        return [
            replace(problem, file=file, key=".".join(part for part in (key, problem.key) if part))
            for problem in self.problems
        ]


def nearest(name: str, valid: Iterable[str]) -> str:
    """The valid name that resembles the given one most, '' when none does."""
    names = list(valid)
    folded = {candidate.lower(): candidate for candidate in names}
    found = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=RESEMBLANCE)
    return folded[found[0]] if found else ""


def listed(names: Iterable[str], most: int = 12, near: str = "") -> str:
    """Names for a message; of more than can be read, the handful that is nearest to the given name, or the first.

    >>> listed(["h100", "a100", "l40s"], most=2, near="h10"), listed("abcdefgh", most=7)
    ('h100, a100, ... (3 in all)', 'a, b, c, d, e, f, ... (8 in all)')
    """
    names = list(names)
    if len(names) <= most:
        return ", ".join(names)
    if near:
        names = sorted(names, key=lambda name: -likeness(near.lower(), name.lower()))
    return f"{', '.join(names[: min(HANDFUL, most)])}, ... ({len(names)} in all)"


def likeness(one: str, other: str) -> float:
    """Share of letters that two names have in common, in order [1]."""
    return difflib.SequenceMatcher(None, one, other).ratio()
