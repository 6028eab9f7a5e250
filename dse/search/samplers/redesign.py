"""Which design of a space is best for each of several variants of it? One seeded evolution for all of them together.

A variant holds something of a space fixed in its own way, such as the number format. Variants that search apart differ
by the luck of their searches; here all share the random designs at the start, pass good designs on to each other, and
at the end each tries the best design of every other. Spaces have more than one peak (few chips with weights in DRAM,
many with all in SRAM), and an evolution soon has the children of one: several start apart and are then joined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import jax
import numpy as np
from jaxtyping import Float, Int
from numpy.random import Generator

from dse.analysis.comparison import Job
from dse.best_mapping import Best, best_mapping, objective_weights, score_designs
from dse.catalogue.fields import Choices, Range
from dse.catalogue.library import Column
from dse.catalogue.space import Space, activate
from dse.hardware.chip import Chip

__all__ = ["Columns", "Effort", "Redesigned", "redesign"]

Columns = dict[str, Column]
Maker = Callable[[Columns, np.ndarray], Chip]
"""From columns of designs and the variant of each (designs,): chips, leaves (designs,)."""

KEPT = 8
"""Designs that each variant keeps as parents [1]."""
MIXED = 0.3
"""Chance that a child has a field from its second parent [1]."""
CHANGED = 2.0
"""Fields of a child that are changed, on average [1]."""
WIDTHS = (0.02, 0.4)
"""Standard deviation of the changes of a child, anywhere between these, of the whole range of a field [1]."""
PASSED_ON = 0.15
"""Share of the children that are the best design of another variant [1]."""
CHECKED, BETWEEN = 1, 3
"""Designs of each variant whose best mapping is looked for in the whole lattice, and rounds from one look to the next
[1]."""


@dataclass(frozen=True)
class Effort:
    """How hard is searched [1].

    islands: evolutions that start apart, and are joined for as many rounds again where there are several; designs:
    random ones at the start of each; rounds: of each; children: of all variants in a round; seed: of all.
    """

    islands: int
    designs: int
    rounds: int
    children: int
    seed: int


@dataclass(frozen=True)
class Redesigned:
    """The best design of each variant, with its best mapping: columns and leaves (variants,); tried: in all [1]."""

    columns: Columns
    best: Best
    tried: int


@dataclass(frozen=True)
class Families:
    """The designs that each variant keeps, the best first: genes (variants, kept, fields), scores (variants, kept)."""

    genes: np.ndarray
    scores: np.ndarray


@dataclass
class Evolution:
    """A search under way; genes lie in [0, 1], a column for each free field.

    shortlist: places of the mappings in the lattice under which children are tried: all that were best for some design.
    """

    space: Space
    job: Job
    make: Maker
    variants: int
    generator: Generator
    shortlist: set[int] = field(default_factory=set)
    tried: int = 0

    def score(
        self, genes: Float[np.ndarray, "designs fields"], variant: Int[np.ndarray, " designs"], everywhere: bool = False
    ) -> Float[np.ndarray, " designs"]:
        """Scores of designs under the best of the shortlist, or of the whole lattice, which then makes it longer."""
        job, places = self.job, np.array(sorted(self.shortlist))
        mappings = job.mappings if everywhere else jax.tree.map(lambda leaf: np.asarray(leaf)[places], job.mappings)
        known = (job.transformer, job.requests, mappings, job.assumptions)
        chips = self.make(decoded(self.space, genes), variant)
        scores, best = score_designs(chips, *known, objective_weights(job.objective))
        if everywhere:
            self.shortlist |= set(best.tolist())
        else:
            self.tried += len(genes)
        return scores


def redesign(space: Space, job: Job, make: Maker, variants: int, effort: Effort) -> Redesigned:
    """The best design of a space for each of so many variants; the same effort gives the same designs."""
    search = Evolution(space, job, make, variants, np.random.default_rng(effort.seed))
    islands = [evolved(search, started(search, effort), effort) for _ in range(effort.islands)]
    families = islands[0] if len(islands) == 1 else evolved(search, united(islands), effort)
    winners = families.genes[:, 0]
    families = joined(search, families, np.broadcast_to(winners, (variants, *winners.shape)))
    columns = decoded(space, families.genes[:, 0])
    chips = make(columns, np.arange(variants))
    known = (job.transformer, job.requests, job.assumptions)
    best = best_mapping(chips, *known, mappings=job.mappings, objective=job.objective)
    return Redesigned(columns, best, search.tried)


def started(search: Evolution, effort: Effort) -> Families:
    """The best of random designs, which all variants share."""
    first = search.generator.random((effort.designs, len(search.space.free)))
    search.score(first, np.arange(effort.designs) % search.variants, everywhere=True)
    return joined(search, None, np.broadcast_to(first, (search.variants, *first.shape)))


def evolved(search: Evolution, families: Families, effort: Effort) -> Families:
    """Families after the rounds of an effort."""
    each = max(1, round(effort.children / search.variants))
    for turn in range(effort.rounds):
        if turn % BETWEEN == 0:
            check(search, families)
        families = joined(search, families, children_of(families.genes, each, search.generator))
    check(search, families)
    return families


def united(islands: Sequence[Families]) -> Families:
    """The families of all islands as one, the best first."""
    genes, scores = (np.concatenate([getattr(one, name) for one in islands], axis=1) for name in ("genes", "scores"))
    return best_of(genes, scores)


def best_of(
    genes: Float[np.ndarray, "variants designs fields"], scores: Float[np.ndarray, "variants designs"]
) -> Families:
    """The best KEPT designs of each variant, the best first."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :KEPT]
    return Families(np.take_along_axis(genes, order[:, :, None], axis=1), np.take_along_axis(scores, order, axis=1))


def joined(
    search: Evolution, families: Families | None, genes: Float[np.ndarray, "variants designs fields"]
) -> Families:
    """The best KEPT designs of each variant among its own and new ones, the best first."""
    variants, designs, fields = genes.shape
    of = np.repeat(np.arange(variants), designs)
    scores = search.score(genes.reshape(-1, fields), of).reshape(variants, designs)
    if families is not None:
        genes, scores = (np.concatenate(pair, axis=1) for pair in ((families.genes, genes), (families.scores, scores)))
    return best_of(genes, scores)


def check(search: Evolution, families: Families) -> None:
    """Look for the mappings of the first of each family in the whole lattice."""
    first = families.genes[:, :CHECKED]
    of = np.repeat(np.arange(len(first)), first.shape[1])
    scores = search.score(first.reshape(-1, first.shape[2]), of, everywhere=True)
    families.scores[:, :CHECKED] = scores.reshape(len(first), -1)


def children_of(families: Float[np.ndarray, "variants kept fields"], count: int, generator: Generator) -> np.ndarray:
    """So many new designs of each family, of two parents each, a few fields changed; (variants, count, fields)."""
    variants, kept, fields = families.shape
    of = np.arange(variants)[:, None]
    first, second = (families[of, generator.integers(0, kept, (variants, count))] for _ in range(2))
    shape = (variants, count, fields)
    children = np.where(generator.random(shape) < MIXED, second, first)
    changed = generator.random(shape) < CHANGED / fields
    widths = np.exp(generator.uniform(np.log(WIDTHS[0]), np.log(WIDTHS[1]), (variants, count, 1)))
    moved = children + np.where(changed, widths * generator.standard_normal(shape), 0.0)
    children = np.clip(moved, 0.0, 1.0)
    guests = families[generator.integers(0, variants, (variants, count)), 0]
    return np.where(generator.random((variants, count, 1)) < PASSED_ON, guests, children)


def decoded(space: Space, genes: Float[np.ndarray, "designs fields"]) -> Columns:
    """A value for every path of the space from genes in [0, 1]."""
    sampled: Columns = {path: values_of(one, genes[:, place]) for place, (path, one) in enumerate(space.free.items())}
    return activate(space, sampled)


def values_of(one: Range | Choices, gene: Float[np.ndarray, " designs"]) -> np.ndarray:
    """Values of a free field at places between its ends, 0 and 1.

    >>> values_of(Choices((8.0, 64.0)), np.array([0.0, 0.4, 1.0])).tolist()
    [8.0, 8.0, 64.0]
    """
    if isinstance(one, Choices):
        places = np.minimum((gene * len(one.values)).astype(int), len(one.values) - 1)
        return np.array(one.values)[places]
    value = one.low * (one.high / one.low) ** gene if one.log else one.low + gene * (one.high - one.low)
    return (
        np.clip(one.low + one.step * np.round((value - one.low) / one.step), one.low, one.high) if one.step else value
    )
