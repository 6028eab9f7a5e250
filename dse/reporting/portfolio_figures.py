"""How does a portfolio look? Chips by pairs, each cell over the best chip on the market at that pair."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from dse.reporting.portfolio_data import PairGrid
from dse.reporting.style import ACCENT, INK
from dse.reporting.text import significant

__all__ = ["draw_pairs"]


FULL_COLOUR = 3.0
"""Powers of two from which a cell has its full colour [1]."""


def draw_pairs(data: PairGrid) -> Figure:
    """Cells coloured by the logarithm of tokens per dollar over the best chip on the market, written in each."""
    chips, pairs = data.share.shape
    figure = Figure(figsize=(8.6, 1.1 + 0.3 * chips), layout="constrained")
    axes = figure.add_subplot()
    logs = np.log2(data.share)
    known = logs[np.isfinite(logs)]
    reach = min(max(float(np.abs(known).max()) if known.size else 0.0, 0.5), FULL_COLOUR)
    norm = TwoSlopeNorm(0.0, -reach, reach)
    axes.pcolormesh(np.arange(pairs + 1), np.arange(chips + 1), logs, cmap="RdBu", norm=norm, edgecolor="white", lw=1.5)
    for row in range(chips):
        for column in range(pairs):
            dark = bool(abs(logs[row, column]) > 0.65 * reach)
            axes.text(
                column + 0.5,
                row + 0.5,
                significant(float(data.share[row, column])),
                ha="center",
                va="center",
                fontsize=7.5,
                color="white" if dark else INK,
            )
    axes.set_ylim(chips, 0)
    axes.set_xticks(np.arange(pairs) + 0.5, data.pairs)
    axes.set_yticks(np.arange(chips) + 0.5, data.chips)
    for label, found in zip(axes.get_yticklabels(), data.found, strict=True):
        label.set(color=ACCENT if found else INK, fontweight="bold" if found else "normal")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    return figure
