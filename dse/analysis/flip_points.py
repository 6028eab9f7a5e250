"""When does a rival win? The value of each constant at which two chips give the same tokens per dollar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dse.analysis.comparison import Job
from dse.analysis.constants import Constant, Scores, built, scores_of, spec_at
from dse.catalogue.read import Entry

__all__ = ["Flip", "Rivalry", "flip_points"]

FARTHEST = 10.0
"""Factor beyond its value up to which a constant is followed outside its range [1]."""

PIECES, ROUNDS = 3, 7
"""Values tried in a bracket at once, and how often it is narrowed [1]."""

SAME = 1e-3
"""Difference of ln(tokens per dollar) below which two chips cost the same [1]."""


@dataclass(frozen=True)
class Flip:
    """A constant and the value at which the order of two chips turns.

    value [base units]; above: whether the order turns when the constant grows beyond it; inside: whether it lies in the
    stated range; tokens_per_dollar: of the chip and of the rival there [1/USD]; jump: whether the order turns at a
    step, as when one of them exceeds a limit, so that the two never cost the same; broken: limits exceeded there.
    """

    constant: Constant
    value: float
    above: bool
    inside: bool
    tokens_per_dollar: tuple[float, float]
    jump: bool
    broken: dict[str, float]


@dataclass(frozen=True)
class Rivalry:
    """A chip against a rival: tokens per dollar of both [1/USD], the flips, nearest first, and how many were tried."""

    chip: str
    rival: str
    tokens_per_dollar: tuple[float, float]
    flips: list[Flip]
    tried: int


Bracket = tuple[Constant, float, float]


def grid_of(constant: Constant) -> np.ndarray:
    """Values of a constant: its own, the ends of its range, and as far beyond as its field may go, up to FARTHEST."""
    spec = spec_at(constant.entry.kind, constant.path)
    least, most = (0.0, np.inf) if spec is None else (float(spec.low), float(spec.high))
    nearest, farthest = max(constant.value / FARTHEST, least), min(constant.value * FARTHEST, most)
    return np.unique([nearest, *constant.range, constant.value, farthest])


def cuts_of(near: float, far: float) -> np.ndarray:
    """A bracket in equal pieces, of equal ratio where its ends allow it (PIECES + 2,)."""
    if near > 0.0 and far > 0.0:
        return np.geomspace(near, far, PIECES + 2)
    return np.linspace(near, far, PIECES + 2)


def both_at(pair: tuple[Entry, Entry], points: Sequence[tuple[Constant, float]], job: Job) -> Scores:
    """Both chips with one constant moved in both alike, the first and the second in turn; (2 x points,)."""
    return scores_of([built(chip, job, constant, float(value)) for constant, value in points for chip in pair], job)


def turned_at(pair: tuple[Entry, Entry], points: Sequence[tuple[Constant, float]], ahead: bool, job: Job) -> np.ndarray:
    """Whether the chip that is behind today wins at each point; one that cannot do the job never does. (points,)."""
    first, second = np.nan_to_num(both_at(pair, points, job).tokens_per_dollar).reshape(-1, 2).T
    return second > first if ahead else first > second


def brackets_of(pair: tuple[Entry, Entry], constants: Sequence[Constant], ahead: bool, job: Job) -> list[Bracket]:
    """For each constant the nearest step of its grid over which the order turns, from its value outwards."""
    grids = [grid_of(constant) for constant in constants]
    points = [(constant, value) for constant, grid in zip(constants, grids, strict=True) for value in grid]
    turned = turned_at(pair, points, ahead, job)
    found, start = [], 0
    for constant, grid in zip(constants, grids, strict=True):
        here = turned[start : start + grid.size]
        start += grid.size
        centre = int(np.argmin(np.abs(grid - constant.value)))
        above = [place for place in range(centre + 1, grid.size) if here[place]][:1]
        below = [place for place in range(centre - 1, -1, -1) if here[place]][:1]
        found += [(constant, float(grid[place - 1]), float(grid[place])) for place in above]
        found += [(constant, float(grid[place + 1]), float(grid[place])) for place in below]
    return found


def narrowed(pair: tuple[Entry, Entry], brackets: list[Bracket], ahead: bool, job: Job) -> list[Bracket]:
    """Brackets cut into pieces at once, each replaced by the first piece over which the order turns."""
    grids = [cuts_of(near, far) for _, near, far in brackets]
    points = [(constant, value) for (constant, _, _), grid in zip(brackets, grids, strict=True) for value in grid[1:-1]]
    turned = turned_at(pair, points, ahead, job).reshape(len(brackets), PIECES)
    cut = [int(np.argmax([*row, True])) for row in turned]
    return [
        (constant, float(grid[place]), float(grid[place + 1]))
        for (constant, _, _), grid, place in zip(brackets, grids, cut, strict=True)
    ]


def flip_points(chip: Entry, rival: Entry, constants: Sequence[Constant], job: Job) -> Rivalry:
    """Those of some constants of either chip that alone can turn their order, with the value at which each does.

    A constant that both share moves in both; each point has the best mapping of each chip there.
    """
    pair = (chip, rival)
    now = scores_of([built(one, job) for one in pair], job).tokens_per_dollar[None]
    ahead = bool(np.nan_to_num(now[0, 0]) >= np.nan_to_num(now[0, 1]))
    brackets = brackets_of(pair, constants, ahead, job)
    for _ in range(ROUNDS if brackets else 0):
        brackets = narrowed(pair, brackets, ahead, job)
    flips = flips_of(pair, brackets, job) if brackets else []
    both = (float(now[0, 0]), float(now[0, 1]))
    return Rivalry(chip.name, rival.name, both, sorted(flips, key=distance), len(constants))


def flips_of(pair: tuple[Entry, Entry], brackets: list[Bracket], job: Job) -> list[Flip]:
    """The flips at the far ends of narrow brackets."""
    scores = both_at(pair, [(constant, far) for constant, _, far in brackets], job)
    found = []
    for place, (constant, near, far) in enumerate(brackets):
        low, high = constant.range
        both = (float(scores.tokens_per_dollar[2 * place]), float(scores.tokens_per_dollar[2 * place + 1]))
        broken = {**scores.broken[2 * place], **scores.broken[2 * place + 1]}
        level = bool(abs(np.log(both[0] / both[1])) <= SAME)  # false as well where one of them is NaN
        found.append(Flip(constant, far, far > near, low <= far <= high, both, not level, broken))
    return found


def distance(flip: Flip) -> tuple[bool, bool, float]:
    """Crossings first, then those inside their ranges, then by the factor from the value of today."""
    if flip.constant.value <= 0.0 or flip.value <= 0.0:
        return (flip.jump, not flip.inside, np.inf)
    return (flip.jump, not flip.inside, abs(float(np.log(flip.value / flip.constant.value))))
