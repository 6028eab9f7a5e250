"""Which design of very many is proposed next? A sampler that scores a large batch before every trial.

For searches whose objective can be had for a whole batch of designs at once, exactly or nearly: the batch is
quasi-random points, and mutations and crossovers of the best so far. What it proposes is checked by the trial.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import qmc

from dse.search.samplers.genes import Columns, Genes, SearchSpace, cells_of, columns_of, is_ordered, params_of
from dse.search.samplers.history import Active, History, Scored, better_first
from dse.search.samplers.hypervolume import gains, reference_of, spanning, undominated

__all__ = ["ATTRIBUTE", "Scorer", "ScreeningSampler"]

Scorer: TypeAlias = Callable[[Columns], tuple[np.ndarray, np.ndarray]]
"""From columns of designs: values, as the study is told them (designs, objectives), and excess over limits (designs,),
feasible when not above 0."""

Origin: TypeAlias = tuple[str, int]
"""Stage and family of a design."""

ATTRIBUTE = "sampler"
"""User attribute of a trial: what the sampler did for it."""

ISLANDS = 6
"""Families that are bred apart in a search with one objective, so that not all end at the same local optimum [1]."""
PARENTS = 12
"""Designs of each family of which children are made [1]."""
SPANNING = 24
"""The same of a search with several objectives, where they span the front [1]."""
FRESH = 0.15
"""Share of quasi-random designs in a batch [1]."""
PATIENCE = 6
"""Batches without a gain of GAIN after which a family that is not the best begins anew [1]."""
GAIN = 1e-3
"""Gain over the value that counts as one [1]."""
MIXED = 0.3
"""Chance that a child has a parameter from its second parent [1]."""
CHANGED = 2.0
"""Parameters of a child that are changed, on average [1]."""
WIDTHS = (0.005, 0.4)
"""Standard deviation of the changes of a child, anywhere between these, of the whole range of a parameter [1]."""


LEAST_CANDIDATES = 32
"""Least designs in a batch, so that every family has children [1]."""


@dataclass
class Family:
    """Designs that are bred together: the best so far, the best first; stalled: batches without a gain [1]."""

    parents: Scored | None = None
    stalled: int = 0


class ScreeningSampler(BaseSampler):
    """Proposes the best of a batch that is neither told nor running, or the one that adds most to the front.

    space: every parameter that a trial may suggest; scorer: as in `Scorer`; candidates: designs in a batch, a power
    of two, ValueError else; seed: the same seed, scorer and trials give the same proposals; active: which conditional
    parameters are free, None when all are; points: evaluations that the scorer has made so far, for the attributes of
    the trials; reference: values that designs must beat in every objective to count, None for somewhat worse than
    anything seen.
    """

    name = "screening"

    def __init__(
        self,
        space: Mapping[str, BaseDistribution],
        scorer: Scorer,
        *,
        candidates: int = 2048,
        seed: int | None = None,
        active: Active | None = None,
        points: Callable[[], int] | None = None,
        reference: Sequence[float] | None = None,
    ) -> None:
        if candidates < LEAST_CANDIDATES or candidates & (candidates - 1):
            raise ValueError(f"candidates must be a power of two of {LEAST_CANDIDATES} or more, got {candidates}")
        self.reference = reference
        self.space: SearchSpace = dict(space)
        self.scorer = scorer
        self.candidates = candidates
        self.active = active
        self.points = points
        self.history: History | None = None
        self.of = ("", -1)
        self.families: list[Family] = []
        self.asked = 0
        self.scored = 0
        self.lock = RLock()
        self.seed(seed)

    def __getstate__(self) -> dict[str, Any]:
        """All but the lock: samplers are pickled to go on with a study later."""
        return {name: value for name, value in self.__dict__.items() if name != "lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As pickled, with a lock of its own."""
        vars(self).update(state)
        self.lock = RLock()

    def seed(self, seed: int | None) -> None:
        """Begin the random numbers anew."""
        self.generator = np.random.default_rng(seed)
        self.even = qmc.Sobol(len(self.space), scramble=True, rng=self.generator)
        self.pool = np.zeros((0, len(self.space)))
        self.independent = RandomSampler(seed=int(self.generator.integers(2**32)))

    def reseed_rng(self) -> None:
        """Other random numbers, for one more process."""
        self.seed(None)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters, conditional ones included, at any time of a study: a trial suggests those that it needs."""
        del study, trial
        return dict(self.space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter that the space does not name, at random."""
        return self.independent.sample_independent(study, trial, param_name, param_distribution)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The proposal for a trial; nothing for one whose parameters are given."""
        if not search_space or "fixed_params" in trial.system_attrs:
            return {}
        with self.lock:
            # Of all brackets, where a pruner shows samplers those of one: trials are found by their numbers.
            trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
            history = self.up_to_date(study, trials)
            before = self.spent()
            batch, origins = self.scored_batch(history)
            fresh = history.fresh(batch.genes, history.running(trials, trial.number))
            if not len(fresh):
                return {}
            place = self.choice(batch, self.wanted(fresh, origins), history)
            stage, family = origins[place]
            chosen = batch.take(np.array([place]))
            history.proposed[trial.number] = chosen
            spent = self.spent() - before
        record = {
            "name": self.name,
            "stage": stage,
            "family": family,
            "candidates": len(batch),
            "points": spent,
        }
        predicted = chosen.values[0] * history.signs
        record["predicted"] = [value if np.isfinite(value) else None for value in predicted.tolist()]
        study._storage.set_trial_user_attr(trial._trial_id, ATTRIBUTE, record)
        return params_of(self.space, chosen.genes[0])

    def spent(self) -> int:
        """Evaluations so far."""
        return self.points() if self.points else self.scored

    def up_to_date(self, study: Study, trials: Sequence[FrozenTrial]) -> History:
        """What the study has told so far; a sampler that is given to another study begins anew."""
        whose = (study.study_name, study._study_id)
        if self.history is not None and self.of == whose:
            self.history.update(trials)
            return self.history
        signs = np.array([1.0 if one == StudyDirection.MAXIMIZE else -1.0 for one in study.directions])
        self.history, self.of = History(self.space, signs, self.active), whose
        self.history.update(trials)
        self.families = self.recalled(trials, self.history)
        return self.history

    def recalled(self, trials: Sequence[FrozenTrial], history: History) -> list[Family]:
        """The families of a study that is gone on with: the best that was told of each; all empty at the beginning."""
        families = [Family() for _ in range(ISLANDS if len(history.signs) == 1 else 1)]
        told = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        for number, family in enumerate(families):
            own = [trial for trial in told if family_of(trial) == number]
            if own:
                designs = history.scored(own)
                family.parents = designs.take(self.next_parents(designs))
        return families

    def scored_batch(self, history: History) -> tuple[Scored, list[Origin]]:
        """A batch with its values, in one call of the scorer, and where each design is from; families get new parents.

        Parents are scored again: a scorer may have learnt.
        """
        groups = self.batch(history)
        genes = np.concatenate(list(groups.values()))
        values, excess = self.scorer(columns_of(self.space, genes))
        self.scored += len(genes)
        self.asked += 1
        values = np.asarray(values, np.float64).reshape(len(genes), -1) * history.signs
        batch = Scored(genes, np.nan_to_num(values, nan=-np.inf), np.nan_to_num(np.asarray(excess), nan=np.inf))
        origins = [origin for origin, some in groups.items() for _ in some]
        of = np.array([family for _, family in origins])
        for number in range(len(self.families)):
            self.advance(number, batch.take(np.flatnonzero(of == number)))
        return batch, origins

    def batch(self, history: History) -> dict[Origin, Genes]:
        """Stage and family -> designs to be scored."""
        each = self.candidates // len(self.families)
        groups: dict[Origin, Genes] = {}
        for number, family in enumerate(self.families):
            parents = self.parents_of(number, family, history)
            fresh = self.drawn(each if parents is None else max(1, int(each * FRESH)))
            if parents is not None:
                count = max(1, each - len(fresh) - len(parents))
                groups[("parent", number)] = parents
                groups[("child", number)] = children_of(self.space, parents, count, self.generator)
            groups[("quasi-random", number)] = fresh
        return groups

    def drawn(self, count: int) -> Genes:
        """The next so many quasi-random designs; they are even only where as many are made as a power of two."""
        while len(self.pool) < count:
            self.pool = np.concatenate([self.pool, self.even.random(self.candidates)])
        some, self.pool = self.pool[:count], self.pool[count:]
        return some

    def parents_of(self, number: int, family: Family, history: History) -> Genes | None:
        """The best of a family, the best first, with what is told in the first one; None at the beginning."""
        told = history.best if number == self.leader() else None
        if told is not None and len(told) > SPANNING:
            told = told.take(self.generator.choice(len(told), SPANNING, replace=False))
        known = [one for one in (told, family.parents) if one is not None]
        if not known:
            return None
        every = known[0] if len(known) == 1 else known[0].joined(known[1])
        every = every.take(better_first(every.values[:, 0], every.excess)) if every.values.shape[1] == 1 else every
        first = np.unique(history.canonical(every.genes), axis=0, return_index=True)[1]
        return every.genes[np.sort(first)]

    def leader(self) -> int:
        """The family with the best design."""
        firsts = [(number, one.parents) for number, one in enumerate(self.families) if one.parents is not None]
        if not firsts:
            return 0
        values = np.array([parents.values[0, 0] for _, parents in firsts])
        excess = np.array([parents.excess[0] for _, parents in firsts])
        return firsts[int(better_first(values, excess)[0])][0]

    def advance(self, number: int, batch: Scored) -> None:
        """Choose the next parents of a family; one that has long gained nothing, and is not the best, begins anew."""
        family = self.families[number]
        chosen = batch.take(self.next_parents(batch))
        gained = family.parents is None or ahead(chosen, family.parents)
        family.stalled = 0 if gained else family.stalled + 1
        family.parents = chosen
        if family.stalled >= PATIENCE and number != self.leader():
            self.families[number] = Family()

    def wanted(self, fresh: np.ndarray, origins: Sequence[Origin]) -> np.ndarray:
        """Places from which the proposal is chosen: every second time those of one family, in turn."""
        turn, second = divmod(self.asked, 2)
        own = [place for place in fresh if origins[place][1] == turn % len(self.families)] if second else []
        return np.array(own, np.int64) if own else fresh

    def choice(self, batch: Scored, places: np.ndarray, history: History) -> int:
        """The most wanted of some designs of a batch."""
        return int(places[self.ranked(batch.take(places), history)[0]])

    def ranked(self, some: Scored, history: History) -> np.ndarray:
        """Order of designs, the most wanted first.

        Of several objectives by what they add to the front of what is known; those that add nothing by the first
        objective, the infeasible by their excess.
        """
        if some.values.shape[1] == 1:
            return better_first(some.values[:, 0], some.excess)
        feasible, front = some.excess <= 0.0, history.front()
        added = np.zeros(len(some))
        if feasible.any():
            values = some.values[feasible]
            added[feasible] = gains(values, front, self.reference_for(values, front))
        return np.lexsort((np.where(feasible, -some.values[:, 0], some.excess), -added, ~feasible))

    def next_parents(self, batch: Scored) -> np.ndarray:
        """Places of the best designs of a batch, or of those that together span its front best."""
        feasible = np.flatnonzero(batch.excess <= 0.0)
        if batch.values.shape[1] == 1 or not len(feasible):
            return better_first(batch.values[:, 0], batch.excess)[:PARENTS]
        values = batch.values[feasible]
        front = feasible[undominated(values)]
        return front[spanning(batch.values[front], self.reference_for(values, values[:0]), SPANNING)]

    def reference_for(self, values: np.ndarray, front: np.ndarray) -> np.ndarray:
        """The point over which hypervolume counts: the given one once any of the values beats it."""
        if self.reference is not None and self.history is not None:
            given = np.asarray(self.reference, np.float64) * self.history.signs
            if (values > given).all(axis=1).any():
                return given
        return reference_of(np.concatenate([front, values]))


def family_of(trial: FrozenTrial) -> int | None:
    """The family that a trial was proposed from, by whatever process; None for a trial of another sampler."""
    record = trial.user_attrs.get(ATTRIBUTE)
    return record.get("family") if isinstance(record, dict) else None


def ahead(new: Scored, old: Scored) -> bool:
    """Whether the first of some designs is better than the first of others by enough to count."""
    broken, before = new.excess[0] > 0.0, old.excess[0] > 0.0
    if broken or before:
        return bool(before and (not broken or new.excess[0] < (1.0 - GAIN) * old.excess[0]))
    return bool(new.values[0, 0] - old.values[0, 0] > GAIN * abs(old.values[0, 0]))


def children_of(
    space: SearchSpace, parents: Float[np.ndarray, "parents parameters"], count: int, generator: np.random.Generator
) -> Genes:
    """So many new designs of two parents each, a few parameters changed.

    Parents are in order, and the first have more children. A change goes at least to a neighbouring cell; names have
    no neighbours and are drawn anew.
    """
    kept, axes = parents.shape
    first = np.minimum(*generator.integers(0, kept, (2, count)))
    second = generator.integers(0, kept, count)
    children = np.where(generator.random((count, axes)) < MIXED, parents[second], parents[first])
    changed = generator.random((count, axes)) < CHANGED / axes
    narrowest = np.array([1.0 / cells if (cells := cells_of(found)) else 0.0 for found in space.values()])
    widths = np.maximum(np.exp(generator.uniform(np.log(WIDTHS[0]), np.log(WIDTHS[1]), (count, 1))), narrowest)
    moved = np.clip(children + widths * generator.standard_normal((count, axes)), 0.0, 1.0)
    anew = np.array([not is_ordered(found) for found in space.values()])
    return np.where(changed, np.where(anew, generator.random((count, axes)), moved), children)
