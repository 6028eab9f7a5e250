"""How much does a point add to a front? Exactly, for many points at once; more is better in every objective."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from dse.analysis.comparison import pareto_front

__all__ = ["Front", "extended", "gains", "hypervolume", "reference_of", "spanning", "undominated"]

Front: TypeAlias = Float[np.ndarray, "_ objectives"]
"""Points of as many objectives."""

MOST = {3: 96}
"""Points of a front that count, by the number of objectives; the boxes of a front grow with a power of them [1]."""

FEW = 24
"""The same of more than three objectives; of two all count [1]."""

MARGIN = 0.01
"""Distance of the reference from the worst values, over their extent [1]."""


def undominated(values: Front) -> Bool[np.ndarray, " _"]:
    """Which points no other one beats; the first of equal ones.

    >>> undominated(np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 1.0], [1.0, 2.0]])).tolist()
    [True, True, False, False]
    """
    if values.shape[1] == 2 and len(values):
        kept = np.zeros(len(values), bool)
        kept[pareto_front(-values[:, 0], values[:, 1])] = True
        return kept
    kept = np.ones(len(values), bool)
    for place in np.lexsort(-values.T[::-1]):
        if kept[place]:
            kept &= (values > values[place]).any(axis=1) | (np.arange(len(values)) == place)
    return kept


def extended(front: Front, new: Front) -> tuple[Bool[np.ndarray, " old"], Bool[np.ndarray, " more"]]:
    """Which points of a front, and which of some new ones, make the front of both; of equal ones the older.

    Work grows with the points of the front times the new ones: a long front is never compared with itself.

    >>> old, more = extended(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[2.0, 1.5], [1.0, 2.0]]))
    >>> old.tolist(), more.tolist()
    ([True, False], [True, False])
    """
    ahead = np.greater_equal(front[None], new[:, None])
    kept = undominated(new) & np.logical_not(np.any(np.all(ahead, axis=2), axis=1))
    beaten = np.any(np.all(np.greater_equal(new[None, kept], front[:, None]), axis=2), axis=1)
    return np.asarray(np.logical_not(beaten)), np.asarray(kept)


def reference_of(values: Front) -> Float[np.ndarray, " objectives"]:
    """A point somewhat worse than all of the values in every objective.

    Of good and of bad values: a reference close behind a front that is short, as fronts are at first, would hide all
    that lies beside it.
    """
    low, high = values.min(axis=0), values.max(axis=0)
    return low - MARGIN * np.where(high > low, high - low, np.maximum(np.abs(high), 1e-12))


class Stairs(NamedTuple):
    """A front of two objectives over a reference: strips of the second one, the lowest first, and what each has taken.

    bottoms: where each strip begins, the last has no end; walls: up to where its points are dominated (strips,).
    """

    bottoms: np.ndarray
    walls: np.ndarray


def stairs_of(front: Front, reference: Float[np.ndarray, " objectives"]) -> Stairs:
    """The strips of a front: one more than it has points over the reference."""
    above = front[(front > reference).all(axis=1)]
    kept = above[undominated(above)]
    kept = kept[np.argsort(kept[:, 1])]
    return Stairs(np.append(reference[1], kept[:, 1]), np.append(kept[:, 0], reference[0]))


def free_boxes(front: Front, reference: Float[np.ndarray, " objectives"]) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corners of boxes that fill what lies above the reference and is not dominated."""
    objectives = len(reference)
    if objectives == 1:
        lower = np.append(front[:, 0], reference).max()
        return np.array([[lower]]), np.array([[np.inf]])
    if objectives == 2:
        bottoms, walls = stairs_of(front, reference)
        return np.column_stack([walls, bottoms]), np.column_stack(
            [np.full(len(walls), np.inf), np.append(bottoms[1:], np.inf)]
        )
    above = front[(front > reference).all(axis=1)]
    levels = [*np.unique(above[:, -1]), np.inf]
    lowers, uppers, bottom = [], [], float(reference[-1])
    for level in levels:
        ahead = above[above[:, -1] >= level, :-1]
        low, high = free_boxes(ahead if objectives == 3 else ahead[undominated(ahead)], reference[:-1])
        lowers.append(np.column_stack([low, np.full(len(low), bottom)]))
        uppers.append(np.column_stack([high, np.full(len(high), level)]))
        bottom = level
    return np.concatenate(lowers), np.concatenate(uppers)


def thinned(front: Front) -> Front:
    """At most as many points of a front as its boxes stay few for, spread along it."""
    most = MOST.get(front.shape[1], FEW)
    if len(front) <= most:
        return front
    order = np.lexsort(front.T[::-1])
    return front[order[np.round(np.linspace(0, len(front) - 1, most)).astype(int)]]


def gains(
    values: Front, front: Front, reference: Float[np.ndarray, " objectives"], block: int = 256
) -> Float[np.ndarray, " _"]:
    """Hypervolume that each of the values alone would add to a front over a reference.

    >>> front = np.array([[1.0, 2.0], [2.0, 1.0]])
    >>> gains(np.array([[2.0, 2.0], [1.0, 1.0]]), front, np.zeros(2)).tolist()
    [1.0, 0.0]
    """
    if len(reference) == 2:
        return gains_over(stairs_of(front - reference, np.zeros(2)), values - reference)
    lower, upper = free_boxes(thinned(front), reference)
    parts = []
    for start in range(0, len(values), block):
        some = values[start : start + block, None, :]
        parts.append(np.clip(np.minimum(some, upper) - lower, 0.0, None).prod(axis=2).sum(axis=1))
    return np.concatenate(parts) if parts else np.zeros(0)


def gains_over(stairs: Stairs, values: Front) -> Float[np.ndarray, " _"]:
    """The same of two objectives over a front from zero, however long it is.

    A point adds what lies left of it in the strips whose walls it passes, up to the one it lies in: the area below it
    from the first of those strips on, less what the walls hold of that.
    """
    bottoms, walls = stairs
    held = np.append(0.0, np.cumsum(walls[:-1] * np.diff(bottoms)))
    across, up = values.T
    last = np.maximum(np.searchsorted(bottoms, up, side="right") - 1, 0)
    first = np.minimum(np.searchsorted(-walls, -across, side="right"), len(walls) - 1)
    rise = up - bottoms[first]
    added = across * rise - (held[last] + walls[last] * (up - bottoms[last]) - held[first])
    return np.where((rise > 0.0) & (across > 0.0), np.maximum(added, 0.0), 0.0)


def spanning(front: Front, reference: Float[np.ndarray, " objectives"], count: int) -> Int[np.ndarray, " _"]:
    """Places of so many points of a front that together have most of its hypervolume, chosen one after the other.

    >>> spanning(np.array([[0.5, 0.9], [0.51, 0.89], [1.0, 0.1]]), np.zeros(2), 2).tolist()
    [1, 2]
    """
    chosen = np.zeros(0, np.int64)
    while len(chosen) < min(count, len(front)):
        added = gains(front, front[chosen], reference)
        added[chosen] = -1.0
        chosen = np.append(chosen, int(added.argmax()))
    return chosen


def hypervolume(front: Front, reference: Float[np.ndarray, " objectives"]) -> float:
    """Volume between a front and a reference that is worse than all that counts.

    >>> hypervolume(np.array([[1.0, 2.0], [2.0, 1.0]]), np.zeros(2))
    3.0
    """
    above = front[(front > reference).all(axis=1)]
    if not len(above):
        return 0.0
    top = above.max(axis=0)
    lower, upper = free_boxes(above[undominated(above)], reference)
    free = np.clip(np.minimum(upper, top) - lower, 0.0, None).prod(axis=1).sum()
    return float(np.prod(top - reference) - free)
