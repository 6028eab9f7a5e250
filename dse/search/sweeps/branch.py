"""Which points of some boxes of designs may be best? Bounds on boxes and groups, halved until single points are left.

Branch and bound (Land and Doig, Econometrica 28 (1960)) on designs and mappings at once. A node is a box of designs
with a group of mappings: its bound is the roof of the group over the best that the box holds. What is beaten goes; of
what is left, boxes are halved along one axis after another, or groups are opened where few are left of a box. At the
end stand single designs with single mappings, which the merged evaluation screens and the evaluation itself decides.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from dse.arrays import Number
from dse.assumptions import Assumptions
from dse.best_mapping import OBJECTIVES, blocks
from dse.hardware.chip import Chip
from dse.search.sweeps.bounds import TOLERANCE, Bound, Work, bound_of, quick_of
from dse.search.sweeps.boxes import Rows, Tables, chip_range, chips_at
from dse.search.sweeps.cover import volume
from dse.search.sweeps.points import NONE, Chunk, Counts, Points, Rivals, merged_points
from dse.search.sweeps.roofs import Needs, roof_of, shape_of
from dse.search.sweeps.scoring import PAIRS, points_at
from dse.search.sweeps.sheet import Sheet, sheets_over
from dse.search.sweeps.swept import Sweep
from dse.timing.mapping import Mapping
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = [
    "BOXES",
    "Batch",
    "begun",
    "bounded",
    "dive",
    "explore",
    "halved",
    "joined",
    "lean",
    "opened",
    "order_of",
    "roofs_of",
    "sheet_over",
    "taken",
]

BOXES = 4096
"""Boxes that are bounded at once [1]."""

NODES = 32768
"""Boxes with a group each that are bounded at once [1]."""

FEW_GROUPS = 16
"""Groups that a box has left, on average, when groups are opened before boxes are halved; the coarsest always [1]."""

WORKERS = 2
"""Batches that are worked on at once [1]."""

TRIED = 64
"""Boxes on which it is tried along which axis to halve [1]."""

WIDTH = 512
"""Boxes of a depth that a dive follows [1]."""


@dataclass(frozen=True)
class Batch:
    """Boxes of one depth with the groups of one level that they have left.

    first, last: rows of the box on every axis, both included (boxes, axes); box, group: of each node (nodes,);
    promise: best bound of what the box was cut from, on what is sought (boxes,); depth: halvings so far, of the order
    of the sweep; level: of the groups.
    """

    first: np.ndarray
    last: np.ndarray
    box: np.ndarray
    group: np.ndarray
    promise: np.ndarray
    depth: int
    level: int


@jax.jit
def roofs(sheet: Sheet, needs: Needs, box: Rows, group: Rows, traffic: Traffic, assumptions: Assumptions) -> Bound:
    """Bounds of nodes (nodes,). sheet: leaves (boxes,); needs: of all groups."""
    boxes = jax.tree.map(lambda leaf: leaf.at[box].get(mode="promise_in_bounds"), sheet)
    groups = jax.tree.map(lambda leaf: leaf.at[..., group].get(mode="promise_in_bounds"), needs)
    return roof_of(boxes, groups, traffic, assumptions)


@jax.jit
def screened(
    chips: Chip,
    work: Work,
    model: Transformer,
    traffic: Traffic,
    mapping: Mapping,
    assumptions: Assumptions,
) -> Bound:
    """Bounds of points by the merged evaluation; chips and mapping (points,), work (..., points)."""
    return bound_of(quick_of(chips, assumptions, traffic), work, model, traffic, mapping, assumptions)


def stretched(values: np.ndarray, size: int) -> np.ndarray:
    """Rows repeated behind the end up to a fixed number, so that nothing compiles anew."""
    return np.concatenate([values, np.repeat(values[-1:], size - len(values), axis=0)])


def roofs_of(sweep: Sweep, sheets: tuple[Sheet, np.ndarray], box: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
    """Bounds of nodes: dollars, speed, joules, each (nodes,). sheets: as from `sheet_over`."""
    sheet, shape = sheets
    parts, place = [], group + shape[box] * sweep.tree.size
    for start in blocks(len(box), NODES):
        some, groups = (stretched(one[start : start + NODES].astype(np.int32), NODES) for one in (box, place))
        bound = roofs(sheet, sweep.tree.needs, some, groups, sweep.traffic, sweep.assumptions)
        count = min(NODES, len(box) - start)
        parts.append([np.asarray(leaf)[:count] for leaf in jax.tree.leaves(bound)])
    # Not a number is no bound.
    return [np.nan_to_num(np.concatenate(leaves), nan=np.inf) for leaves in zip(*parts, strict=True)]


def sheet_over(sweep: Sweep, first: np.ndarray, last: np.ndarray) -> tuple[Sheet, np.ndarray]:
    """Sheets of at most BOXES boxes, padded to so many, and the shape of the networks of each, as in `shapes_over`."""
    low, high = (stretched(one.astype(np.int32), BOXES) for one in (first, last))
    shape = shapes_over(sweep.tables, sweep.shapes, low, high)
    return sheets_over(sweep.tables, low, high, sweep.assumptions, sweep.traffic), np.asarray(shape)


@jax.jit
def shapes_over(tables: Tables, shapes: Number, first: Rows, last: Rows) -> Rows:
    """The place among the shapes (shapes, leaves) of the networks of the chips of each box, behind all for several."""
    ends = [jax.tree.leaves(shape_of(chip)) for chip in chip_range(tables, first, last)]
    same = jnp.ones((len(first), len(shapes)), bool)
    for index, leaves in enumerate(zip(*ends, strict=True)):
        for leaf in leaves:
            same = same & (jnp.broadcast_to(leaf, first.shape[:1])[:, None] == shapes[:, index])
    return jnp.where(same.any(1), same.argmax(1), len(shapes))


def bounded(sweep: Sweep, rivals: Rivals, batch: Batch) -> tuple[Batch | None, Counts]:
    """What rivals leave of a batch of at most BOXES boxes, each with its best bound; None when nothing is left."""
    sheets = sheet_over(sweep, batch.first, batch.last)
    size = volume(batch.first, batch.last)
    broken = np.asarray(sheets[0].excess)[: len(size)] > TOLERANCE
    bounds = roofs_of(sweep, sheets, batch.box, batch.group)
    alive = np.flatnonzero(~rivals.beat(*bounds))
    kept, box = np.unique(batch.box[alive], return_inverse=True)
    gone = np.ones(len(size), bool)
    gone[kept] = False
    beaten = int(size[gone & ~broken].sum())
    counts = Counts(int(size[gone].sum()), int(size[broken].sum()), beaten, len(batch.box))
    if not len(kept):
        return None, counts
    promise = np.zeros(len(kept))
    np.maximum.at(promise, box, bounds[OBJECTIVES.index(sweep.job.objective)][alive])
    ends = batch.first[kept], batch.last[kept]
    return Batch(*ends, box, batch.group[alive], promise, batch.depth, batch.level), counts


def step(sweep: Sweep, rivals: Rivals, batch: Batch) -> tuple[list[Batch], Points, Counts]:
    """What becomes of a batch of at most BOXES boxes: smaller boxes or groups, or points."""
    left, counts = bounded(sweep, rivals, batch)
    if left is None:
        return [], NONE, counts
    single, leaf = left.depth == len(sweep.order), left.level == len(sweep.tree.levels) - 1
    if single and leaf:
        points, evaluated = decided(sweep, rivals, left)
        return [], points, counts + Counts(designs=len(left.first), evaluated=evaluated)
    if not leaf and (single or left.level == 0 or len(left.box) <= FEW_GROUPS * len(left.first)):
        return [opened(sweep, left)], NONE, counts
    return halved(sweep, left), NONE, counts


def opened(sweep: Sweep, batch: Batch) -> Batch:
    """The same boxes with the groups of the next level."""
    first, count = sweep.tree.first[batch.group], sweep.tree.count[batch.group]
    start = np.repeat(np.cumsum(count) - count, count)
    group = np.repeat(first, count) + np.arange(count.sum()) - start
    return replace(batch, box=np.repeat(batch.box, count), group=group, level=batch.level + 1)


def halved(sweep: Sweep, batch: Batch) -> list[Batch]:
    """The boxes in two along the axis of their depth, by the depth at which each can be halved next."""
    axis, boxes = sweep.order[batch.depth], np.arange(len(batch.first))
    middle = (batch.first[:, axis] + batch.last[:, axis]) // 2
    left, right = batch.last.copy(), batch.first.copy()
    left[:, axis], right[:, axis] = middle, middle + sweep.apart[axis]
    first, last = np.concatenate([batch.first, right]), np.concatenate([left, batch.last])
    box, group = np.concatenate([batch.box, batch.box + len(boxes)]), np.tile(batch.group, 2)
    promise = np.tile(batch.promise, 2)
    return by_depth(sweep, Batch(first, last, box, group, promise, batch.depth + 1, batch.level))


def by_depth(sweep: Sweep, batch: Batch) -> list[Batch]:
    """Boxes of several depths apart, each at the depth where it can be halved next."""
    later = sweep.order[batch.depth :]
    wide = np.pad((batch.last - batch.first > 1 - sweep.apart)[:, later], ((0, 0), (0, 1)), constant_values=True)
    depth = batch.depth + wide.argmax(1)
    return [taken(batch, np.flatnonzero(depth == one), int(one)) for one in np.unique(depth)]


def taken(batch: Batch, boxes: np.ndarray, depth: int) -> Batch:
    """Some boxes of a batch with their nodes. boxes: in order."""
    place = np.full(len(batch.first), -1)
    place[boxes] = np.arange(len(boxes))
    box = place[batch.box]
    nodes = np.flatnonzero(box >= 0)
    some = (batch.first[boxes], batch.last[boxes], box[nodes], batch.group[nodes], batch.promise[boxes])
    return Batch(*some, depth, batch.level)


def decided(sweep: Sweep, rivals: Rivals, batch: Batch) -> tuple[Points, int]:
    """The points of single designs with single mappings that are worth it, and how many were evaluated."""
    digits, places = batch.first[batch.box], sweep.tree.place(batch.group)
    kept = []
    for start in blocks(len(places), PAIRS):
        some, chosen = (stretched(one[start : start + PAIRS], PAIRS) for one in (digits.astype(np.int32), places))
        mapping, work = (
            jax.tree.map(lambda leaf, at=chosen: np.asarray(leaf, np.float32)[..., at], tree)
            for tree in (sweep.job.mappings, sweep.work)
        )
        chips = chips_at(sweep.tables, some)
        bound = screened(chips, work, sweep.model, sweep.traffic, mapping, sweep.assumptions)
        count = min(PAIRS, len(places) - start)
        kept.append(~rivals.beat(*(np.asarray(leaf)[:count] for leaf in jax.tree.leaves(bound))))
    left = np.flatnonzero(np.concatenate(kept))
    return points_at(sweep, digits[left], places[left]), len(left)


def lean(batch: Batch) -> Batch:
    """The same in half the memory: very many boxes wait."""
    whole = ("first", "last", "box", "group")
    return replace(batch, **{name: getattr(batch, name).astype(np.int32, copy=False) for name in whole})


def joined(batches: list[Batch]) -> Batch:
    """Batches of one depth and level as one."""
    shifts = np.cumsum([0, *(len(batch.first) for batch in batches)])
    parts = {
        name: np.concatenate([getattr(batch, name) for batch in batches])
        for name in ("first", "last", "group", "promise")
    }
    box = np.concatenate([batch.box + shift for batch, shift in zip(batches, shifts, strict=False)])
    return Batch(**parts, box=box, depth=batches[0].depth, level=batches[0].level)


class Pools:
    """Batches that wait, by level and depth: the deepest of which there are enough next, else the shallowest."""

    def __init__(self, batches: list[Batch]) -> None:
        """Begin with some."""
        self.waiting: defaultdict[tuple[int, int], list[Batch]] = defaultdict(list)
        self.add(batches)

    def add(self, batches: list[Batch]) -> None:
        """Let more wait."""
        for batch in batches:
            self.waiting[batch.depth + batch.level, batch.depth].append(lean(batch))

    def take(self) -> Batch | None:
        """At most BOXES boxes of one depth and level; None when nothing waits."""
        if not self.waiting:
            return None
        full = [key for key, some in self.waiting.items() if sum(len(one.first) for one in some) >= BOXES]
        key = max(full) if full else min(self.waiting)
        whole = joined(self.waiting.pop(key))
        if len(whole.first) > BOXES:
            self.add([taken(whole, np.arange(BOXES, len(whole.first)), whole.depth)])
            whole = taken(whole, np.arange(BOXES), whole.depth)
        return whole


def begun(sweep: Sweep, first: np.ndarray, last: np.ndarray) -> list[Batch]:
    """Boxes (boxes, axes) with all groups."""
    boxes, roots = len(first), sweep.tree.roots
    nodes = np.repeat(np.arange(boxes), len(roots)), np.tile(roots, boxes)
    return by_depth(sweep, Batch(first, last, *nodes, np.full(boxes, np.inf), 0, 0))


def dive(sweep: Sweep, found: Points) -> Chunk:
    """Good points, soon: of all boxes of a depth only those of the highest bounds are followed."""
    ends = np.zeros((1, len(sweep.shape)), np.int64), np.array(sweep.shape)[None] - 1
    batches, counts, points = begun(sweep, *ends), Counts(), NONE
    rivals = sweep.rivals(found, sweep.sought(found))
    while batches:
        first = min((batch.depth, batch.level) for batch in batches)
        early = [batch for batch in batches if (batch.depth, batch.level) == first]
        batches = [batch for batch in batches if (batch.depth, batch.level) != first]
        whole = joined(early)
        best = np.sort(np.argsort(-whole.promise, kind="stable")[:WIDTH])
        children, some, more = step(sweep, rivals, taken(whole, best, whole.depth))
        points, counts, batches = merged_points([points, some]), counts + more, batches + children
    return Chunk(points, Counts(bounds=counts.bounds, evaluated=counts.evaluated))


def explore(
    sweep: Sweep,
    first: np.ndarray,
    last: np.ndarray,
    found: Points,
    told: Callable[[Counts, Points], None] = lambda *_: None,
) -> Chunk:
    """The points of boxes (boxes, axes) that may be best or on the front.

    found: points that are known already; told: hears what was covered so far.
    """
    pools, counts, points = Pools(begun(sweep, first, last)), Counts(), NONE
    speeds = sweep.sought(found)
    rivals, reach = sweep.rivals(found, speeds), float(speeds.max(initial=0.0)) if sweep.stated else math.inf
    with ThreadPoolExecutor(WORKERS) as pool:
        while True:
            batches = [batch for _ in range(WORKERS) if (batch := pools.take()) is not None]
            if not batches:
                return Chunk(points, counts, reach)
            held = rivals
            for children, some, more in pool.map(lambda batch, held=held: step(sweep, held, batch), batches):
                pools.add(children)
                counts += more
                if len(some.number):
                    points = merged_points([points, some])
                    rivals = sweep.rivals(merged_points([found, points]), speeds)
            told(counts, points)


def order_of(sweep: Sweep) -> np.ndarray:
    """Axes in the order in which boxes are halved: each time the one after which the bounds of the halves are least.

    Tried on a handful of boxes, in halves of halves of the whole grid, with the coarsest groups. Only how fast a sweep
    is depends on it.
    """
    generator, roots = np.random.default_rng(0), sweep.tree.roots
    first, last = np.zeros((1, len(sweep.shape)), np.int64), np.array(sweep.shape)[None] - 1
    left, found = halvings(sweep), []
    while left.any():
        axes = np.flatnonzero(left)
        tried = [split(sweep, first, last, axis) for axis in axes]
        bounds = [best_roofs(sweep, *halves, roots) for halves in tried]
        scores = [np.log(np.maximum(bound, bound.max() * 1e-6 + 1e-30)).mean() for bound in bounds]
        chosen = int(np.argmin(np.round(scores, 6)))
        found.append(int(axes[chosen]))
        left[axes[chosen]] -= 1
        halves, bound = tried[chosen], bounds[chosen]
        # The better half of the boxes, at random: those that beat the others are what must be halved on and on.
        best = np.argsort(-bound, kind="stable")[: max(len(bound) // 2, 1)]
        kept = generator.permutation(best)[:TRIED]
        first, last = halves[0][kept], halves[1][kept]
    return np.array(found, np.int64)


def halvings(sweep: Sweep) -> np.ndarray:
    """How often each axis can be halved (axes,)."""
    parts = np.array(sweep.shape) - 1 + sweep.apart
    return np.ceil(np.log2(np.maximum(parts, 1))).astype(np.int64)


def split(sweep: Sweep, first: np.ndarray, last: np.ndarray, axis: np.integer) -> tuple[np.ndarray, np.ndarray]:
    """Both halves of boxes along an axis, the box itself where it cannot be halved."""
    middle = (first[:, axis] + last[:, axis]) // 2
    left, right = last.copy(), first.copy()
    left[:, axis] = middle
    right[:, axis] = np.minimum(middle + sweep.apart[axis], last[:, axis])
    return np.concatenate([first, right]), np.concatenate([left, last])


def best_roofs(sweep: Sweep, first: np.ndarray, last: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The best bound of each box on what is sought, under any of some groups (boxes,)."""
    box = np.repeat(np.arange(len(first)), len(groups))
    bounds = roofs_of(sweep, sheet_over(sweep, first, last), box, np.tile(groups, len(first)))
    return bounds[OBJECTIVES.index(sweep.job.objective)].reshape(len(first), -1).max(1)
