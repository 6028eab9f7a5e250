"""What are very many designs of a space worth to a buyer of several jobs? Scores at every pair, taken together.

Each pair of the portfolio has a shortlist of mappings of its own; the chips are built once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dse.analysis.portfolio import Member, Portfolio, scored
from dse.catalogue.space import Space
from dse.search.samplers.genes import Columns
from dse.search.samplers.scorer import SAMPLE, SpaceScorer

__all__ = ["PortfolioScorer"]


class PortfolioScorer:
    """Scores designs of a space on a portfolio: `columns -> (values, excess)`, columns by the free fields of the space.

    objectives: fields of `scored` that are maximised; parameters, points: as of `SpaceScorer`.
    """

    def __init__(self, space: Space, portfolio: Portfolio, objectives: Sequence[str]) -> None:
        self.space = space
        self.portfolio = portfolio
        self.objectives = tuple(objectives)
        sample = SAMPLE // len(portfolio.pairs)
        self.pairs = [SpaceScorer(space, pair.job, ["tokens_per_dollar"], sample) for pair in portfolio.pairs]
        self.parameters = self.pairs[0].parameters
        self.active = self.pairs[0].active

    def __call__(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """Values of the objectives (designs, objectives) and largest excess over limits at any pair (designs,).

        Not a number where a pair cannot be done. columns: complete.
        """
        chips = self.pairs[0].chips(columns)
        scores = [pair.scores(chips, pair.usual_limit(columns)) for pair in self.pairs]
        excess = np.max([over for _, over in scores], axis=0)
        table = np.column_stack([values[:, 0] for values, _ in scores])
        together = scored(np.where(excess[:, None] <= 0.0, table, np.nan), self.portfolio)
        return np.column_stack([together[name] for name in self.objectives]), excess

    @property
    def points(self) -> int:
        """Combinations of design, mapping and pair evaluated so far [1]."""
        return sum(pair.points for pair in self.pairs)

    def learn(self, members: Sequence[Sequence[Member]]) -> None:
        """Put the mappings that were best for designs, at each pair that they can do, on its shortlist."""
        for pair, own in zip(self.pairs, zip(*members, strict=True), strict=True):
            pair.learn(np.array([member.place for member in own if not member.broken], np.int64))

    def recall(self, mappings: Sequence[Mapping[str, float]]) -> None:
        """Begin the shortlists with what a study found before, as its trials record it: 'pair.field' -> value."""
        for pair, scorer in zip(self.portfolio.pairs, self.pairs, strict=True):
            head = f"{pair.name}."
            own = [{name.removeprefix(head): one[name] for name in one if name.startswith(head)} for one in mappings]
            scorer.recall(own)
