"""What are very many designs of a space worth, nearly? Scores under a shortlist of mappings, in one compiled call.

The shortlist begins with the best mappings of a random sample and grows by every trial, whose mapping is found in the
whole lattice; a score is never above the exact one but by rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping as TypingMapping
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int
from optuna.distributions import BaseDistribution

from dse.analysis.comparison import Job, place_of
from dse.arrays import Number, leaf_names
from dse.best_mapping import OBJECTIVES, as_type, objective_weights, score, score_designs
from dse.catalogue.build import build_chips
from dse.catalogue.conditions import holds
from dse.catalogue.library import Column
from dse.catalogue.space import Space, activate
from dse.evaluate import evaluate, quality_of
from dse.hardware.chip import Chip
from dse.search.objective import mapping_objective
from dse.search.samplers.genes import Columns
from dse.search.samplers.shortlist import SCOUTS, SIZE, Shortlist
from dse.search.samplers.target import rivals, target_distribution
from dse.search.space import TARGET, distributions
from dse.timing.mapping import Mapping

__all__ = ["SAMPLE", "SpaceScorer"]

BLOCK = 512
"""Designs in one compiled call [1]."""
SAMPLE = 2_000_000
"""Points that are evaluated to begin the shortlist where nobody says otherwise [1]."""
LEAST = 16
"""Designs of which the shortlist begins at least [1]."""


@jax.jit
def screen(
    chips: Chip, transformer: Any, traffic: Any, mappings: Mapping, assumptions: Any, weights: Number, slowest: Number
) -> tuple[Number, Number, Int[jax.Array, " designs"]]:
    """Objectives, excess over limits, and the place of the mapping of the best of some mappings for each design.

    chips, slowest [s]: leaves (BLOCK,); mappings: leaves (shortlist,); returns (BLOCK, objectives), (BLOCK,), (BLOCK,).
    """
    designs, slow = jax.tree.map(lambda leaf: leaf[:, None], (chips, slowest))
    metrics = evaluate(designs, transformer, traffic, mappings, assumptions)
    scores = score(metrics, weights, slow)
    places = jnp.argmax(jnp.where(jnp.isnan(scores), -jnp.inf, scores), axis=1)
    late = metrics.time_per_output_token / slow - 1.0
    found = [getattr(metrics, name) for name in OBJECTIVES] + [jnp.maximum(metrics.worst_limit, late)]
    table = jnp.stack([jnp.broadcast_to(one, scores.shape) for one in found])
    best = jnp.take_along_axis(table, places[None, :, None], axis=2)[..., 0]
    return best[:-1].T, best[-1], places


class SpaceScorer:
    """Scores designs of a space on a job: `columns -> (values, excess)`, columns by the free fields of the space.

    objectives: fields of the metrics that are maximised; sample: points that are evaluated to begin the shortlist,
    random designs with the whole lattice [1]; parameters: what a trial suggests; points: pairs of design and mapping
    evaluated so far [1].
    """

    def __init__(self, space: Space, job: Job, objectives: Sequence[str], sample: int = SAMPLE) -> None:
        self.space = space
        self.job = job
        self.objectives = tuple(objectives)
        target = {TARGET: target_distribution(job)} if rivals(self.objectives) else {}
        self.parameters: dict[str, BaseDistribution] = distributions(space) | target
        self.shortlist = Shortlist(job.mappings)
        self.weights = objective_weights(mapping_objective(self.objectives))
        self.sample = sample
        self.points = 0

    def __call__(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """Values of the objectives (designs, objectives) and excess over limits (designs,), of complete columns."""
        chips = self.chips(columns)
        count = len(next(iter(columns.values())))
        values, excess = self.scores(chips, np.asarray(columns.get(TARGET, self.usual_limit(columns))))
        quality = {name: np.asarray(one) for name, one in quality_of(chips.numerics, self.job.transformer).items()}
        of_chips = {
            "qsnr": -10.0 * np.log10(quality["quantisation_noise"]),
            "accuracy_kept": 1.0 - quality["accuracy_loss"],
        }
        by_name = dict(zip(OBJECTIVES, values.T, strict=True)) | of_chips
        return np.column_stack([np.broadcast_to(by_name[name], (count,)) for name in self.objectives]), excess

    def scores(self, chips: Chip, slowest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """OBJECTIVES (designs, 3) and excess (designs,) of chips under limits on the time per output token [s]."""
        if not self.shortlist.won:
            self.begin(chips, slowest)
        return self.screened(chips, slowest)

    def usual_limit(self, columns: Columns) -> np.ndarray:
        """The limit of the traffic on the time per output token, for each of the designs (designs,) [s]."""
        return np.full(len(next(iter(columns.values()))), float(self.job.requests.time_per_output_token))

    def chips(self, columns: Columns) -> Chip:
        """Chips, leaves (designs,); conditional fields that are not free take their other value."""
        sampled: dict[str, Column] = {path: columns[path] for path in self.space.free}
        return build_chips(activate(self.space, sampled), self.job.library)

    def active(self, columns: Columns) -> dict[str, np.ndarray]:
        """In which designs each conditional field is free."""
        sampled: dict[str, Column] = {path: columns[path] for path in self.space.free}
        complete = activate(self.space, sampled)
        count = len(next(iter(columns.values())))
        return {path: np.broadcast_to(holds(one, complete), (count,)) for path, one in self.space.conditions.items()}

    def screened(self, chips: Chip, slowest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Objectives (designs, OBJECTIVES) and excess (designs,) under the shortlist, which is told what was best."""
        values, excess, best = self.tried(chips, slowest, self.shortlist.next())
        self.shortlist.reward(self.by_merit(best[excess <= 0.0], values[excess <= 0.0]))
        return values, excess

    def by_merit(self, places: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Mappings that were best for designs, those of the best designs last; for fronts those of most designs."""
        if len(self.objectives) == 1:
            return places[np.argsort(values @ self.weights, kind="stable")]
        found, counts = np.unique(places, return_counts=True)
        return found[np.argsort(counts, kind="stable")]

    def tried(
        self, chips: Chip, slowest: np.ndarray, places: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Int[np.ndarray, " designs"]]:
        """Objectives, excess and place of the best of some mappings for each design, block by block."""
        job, count, padded = self.job, len(slowest), np.resize(places, SIZE)
        mappings = jax.tree.map(lambda leaf: np.asarray(leaf)[padded], job.mappings)
        known = as_type((job.transformer, job.requests, mappings, job.assumptions, self.weights), np.float32)
        found = []
        for start in range(0, count, BLOCK):
            wanted = np.minimum(np.arange(start, start + BLOCK), count - 1)
            some, slow = jax.tree.map(lambda leaf, at=wanted: np.asarray(leaf)[at].astype(np.float32), (chips, slowest))
            found.append(jax.device_get(screen(some, *known, slow)))
        values, excess, best = (np.concatenate(part)[:count] for part in zip(*found, strict=True))
        self.points += count * len(set(places.tolist()))
        return values.astype(np.float64), excess.astype(np.float64), padded[best]

    def mapping_of(self, params: dict[str, Any]) -> Mapping:
        """The mapping of the shortlist that is best for one design, scalar leaves."""
        chips = self.chips({name: np.array([value]) for name, value in params.items()})
        slowest = params.get(TARGET, float(self.job.requests.time_per_output_token))
        _, _, best = self.tried(chips, np.array([slowest]), np.array(list(self.shortlist.won)))
        return jax.tree.map(lambda leaf: np.asarray(leaf)[best[0]], self.job.mappings)

    def begin(self, chips: Chip, slowest: np.ndarray) -> None:
        """A first shortlist: the mappings that are best for the first designs."""
        job, lattice = self.job, np.size(self.job.mappings.batch)
        sample = max(LEAST, min(self.sample // lattice, len(slowest)))
        some = jax.tree.map(lambda leaf: np.asarray(leaf)[:sample], chips)
        known = (job.transformer, job.requests, job.mappings, job.assumptions, self.weights)
        scores, places = score_designs(some, *known, slowest[:sample])
        self.points += sample * lattice
        self.shortlist.reward(places[np.argsort(scores, kind="stable")])

    def learn(self, places: Int[np.ndarray, " designs"]) -> None:
        """Put mappings that were best for designs on the shortlist, by their places in the lattice."""
        self.shortlist.reward(places)

    def recall(self, mappings: Sequence[TypingMapping[str, float]]) -> None:
        """Begin the shortlist with what a study found before: the best mappings of its designs, those of the best last.

        For fronts those of most designs count most.
        """
        names = leaf_names(Mapping)
        keys = [tuple(one[name] for name in names) for one in reversed(mappings)]
        counts = Counter(keys) if len(self.objectives) > 1 else dict.fromkeys(keys, 1)
        first = sorted(counts, key=lambda key: -counts[key])[: SIZE - SCOUTS]
        places = [place_of(self.job.mappings, dict(zip(names, key, strict=True))) for key in first]
        self.shortlist.reward(np.array(places[::-1], np.int64))
