"""What does Optuna itself draw of a study? Its own figures, as files."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna

from dse.catalogue.errors import CatalogueError, Problem

__all__ = ["optuna_plots"]

MOST_FIELDS = 6
"""Fields of slices, and of contours: the most important ones [1]."""

MOST_OBJECTIVES = 3
"""Objectives of a front that can be drawn [1]."""


def important(study: optuna.Study, target: Callable[[Any], float] | None) -> list[str]:
    """The fields that move the first objective most, those first that every trial has."""
    return list(optuna.importance.get_param_importances(study, target=target))[:MOST_FIELDS]


def drawn(study: optuna.Study) -> dict[str, Callable[[], Any]]:
    """Figures by name; those of one objective show the first of several."""
    from optuna.visualization import matplotlib as plots

    names = study.metric_names or [f"objective {place}" for place in range(len(study.directions))]
    several = len(names) > 1
    target = (lambda trial: trial.values[0]) if several else None
    first: dict[str, Any] = {"target": target, "target_name": names[0]}
    fields = important(study, target)
    figures: dict[str, Callable[[], Any]] = {
        "history": lambda: plots.plot_optimization_history(study, **first),
        "importances": lambda: plots.plot_param_importances(study, **first),
        "slice": lambda: plots.plot_slice(study, params=fields, **first),
        "contour": lambda: plots.plot_contour(study, params=fields[:2], **first),
        "parallel-coordinate": lambda: plots.plot_parallel_coordinate(study, params=fields, **first),
        "empirical-distribution": lambda: plots.plot_edf(study, **first),
        "timeline": lambda: plots.plot_timeline(study),
    }
    if several and len(names) <= MOST_OBJECTIVES:
        figures["pareto-front"] = lambda: plots.plot_pareto_front(study, target_names=names)
    return figures


def optuna_plots(study: optuna.Study, folder: Path) -> list[Path]:
    """Write Optuna's figures of a study to a folder, as .png; CatalogueError where there is nothing to draw."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    told = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len({trial.values[0] for trial in told}) < 2:
        way_out = f"run more: dse study resume {study.study_name}"
        rule = "Optuna draws nothing of fewer than two different results"
        raise CatalogueError([Problem(rule, value=study.study_name, way_out=way_out)])
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings(), pyplot.rc_context({"figure.figsize": (10.0, 7.0)}):
            # Optuna's matplotlib figures are all experimental, and its layouts warn where labels are long.
            warnings.simplefilter("ignore")
            for name, draw in drawn(study).items():
                draw()
                file = folder / f"{name}.png"
                pyplot.gcf().savefig(file, dpi=110, bbox_inches="tight")
                pyplot.close("all")
                written.append(file)
    except OSError as error:
        raise CatalogueError([Problem(f"cannot be written: {error.strerror}", file=str(folder))]) from error
    return written
