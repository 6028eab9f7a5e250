"""What is left unexplained? Groups of rows that err together, and how far the rows contradict each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dse.analysis.validation import Prediction
from dse.reporting.validation_data import SPLITS, groups, phase_name, scored, slower, trends

__all__ = ["Pattern", "explained", "patterns", "repeats", "unexplained"]

FEWEST = 8
"""Rows of a group that is said to err together."""

NOTICED = math.log(1.1)
"""Smallest median residual of such a group [1]."""

MOST = 6
"""Patterns that are told."""

CONFIGURATION = ("chips", "tp", "pp", "ep", "dp", "batch", "input_tokens", "output_tokens")


class Pattern(NamedTuple):
    """A group whose middle half lies on one side; median: ln(predicted time / measured time) [1]."""

    split: str
    group: str
    rows: int
    median: float

    @property
    def weight(self) -> float:
        """Sum of squares that the group's own median takes away [1]."""
        return self.rows * self.median**2

    @property
    def text(self) -> str:
        """The group and its factor in words."""
        word = "slow" if self.median > 0.0 else "fast"
        return f"{self.split} {self.group} ({self.rows} rows): {math.exp(abs(self.median)):.2f} x too {word}"


def by_phase(some: Sequence[Prediction]) -> list[Pattern]:
    """Phases as groups."""
    phases = sorted({one.row.summary_phase for one in some})
    found = []
    for phase in phases:
        error = np.array([slower(one) for one in some if one.row.summary_phase == phase])
        found.append((phase_name(phase), error))
    return [Pattern("phase", name, error.size, float(np.median(error))) for name, error in found if one_sided(error)]


def one_sided(error: np.ndarray) -> bool:
    """Whether enough rows lie so far, and so much, on one side that it is no accident."""
    if error.size < FEWEST:
        return False
    low, middle, high = np.quantile(error, (0.25, 0.5, 0.75))
    return bool(abs(middle) >= NOTICED and low * high > 0.0)


def patterns(predictions: Sequence[Prediction]) -> list[Pattern]:
    """Groups of every split, of phases and of octaves of every number that err together; the weightiest first."""
    some = scored(predictions)
    found = by_phase(some)
    for split in [groups(predictions, title) for title in SPLITS] if some else []:
        errors = [split.error[split.place == place] for place in range(len(split.names))]
        found += [
            Pattern(split.title.lower(), name, error.size, float(np.median(error)))
            for name, error in zip(split.names, errors, strict=True)
            if one_sided(error)
        ]
    for trend in trends(predictions):
        name = trend.title.partition(" [")[0].lower()
        for low, high in trend.edges:
            error = trend.error[(trend.value >= low) & (trend.value < high)]
            if one_sided(error):
                label = f"about {math.sqrt(low * high):,.0f}"
                found.append(Pattern(name, label, error.size, float(np.median(error))))
    return sorted(found, key=lambda one: -one.weight)


def explained(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Split -> share of the squared residuals that would go if each group were right on average in each phase [1]."""
    some = scored(predictions)
    error = np.array([slower(one) for one in some])
    found = {}
    for title, answer in SPLITS.items():
        keys = np.array([f"{one.row.summary_phase} {answer(one)}" for one in some])
        gone = sum(error[keys == key].size * error[keys == key].mean() ** 2 for key in set(keys))
        found[title] = float(gone / np.sum(error**2)) if some else 0.0
    return found


def repeats(predictions: Sequence[Prediction]) -> tuple[int, float]:
    """How many pairs of rows state one configuration but other software, and the median of |ln| between them [1].

    No model that is not told the release of an engine can be closer to both than half of that.
    """
    found: dict[tuple[object, ...], list[Prediction]] = {}
    for one in scored(predictions):
        row = one.row
        texts = tuple(row.texts.get(name, "") for name in ("weights", "kv_cache", "activations"))
        numbers = tuple(row.numbers.get(name) for name in CONFIGURATION)
        key = (one.chip or row.chip, row.model, row.phase, row.metric, *texts, *numbers)
        found.setdefault(key, []).append(one)
    apart = [
        abs(math.log(one.row.value / other.row.value))
        for some in found.values()
        for place, one in enumerate(some)
        for other in some[place + 1 :]
        if one.row.software != other.row.software
    ]
    return len(apart), float(np.median(apart)) if apart else 0.0


def unexplained(predictions: Sequence[Prediction]) -> list[str]:
    """Sentences on what the residuals still hang on; nothing where there are too few rows to say."""
    some = scored(predictions)
    if len(some) < FEWEST:
        return []
    told = patterns(predictions)
    sentences = []
    if told:
        listed = "; ".join(pattern.text for pattern in told[:MOST])
        more = f" ({len(told) - MOST} lesser ones are in the figure)" if len(told) > MOST else ""
        sentences.append(
            f"Groups of at least {FEWEST} rows whose middle half lies on one side of what was measured{more}: {listed}."
        )
    shares = "; ".join(f"{title.lower()} {100 * share:.0f} %" for title, share in explained(predictions).items())
    sentences.append(
        f"Share of the squared residuals that would go if each group of a phase were right on average: {shares}."
    )
    pairs, apart = repeats(predictions)
    if pairs:
        sentences.append(
            f"{pairs} pairs of rows state one and the same configuration under different software or releases; they "
            f"differ by a factor of {math.exp(apart):.2f} in the median, which no model that is not told the release "
            "can undo."
        )
    return sentences
