"""What did a search try? An Optuna study as the columns that a report draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna

from dse.catalogue.read import dimension_of
from dse.catalogue.space import Space
from dse.catalogue.store import Catalogue
from dse.reporting.summary import reason_of
from dse.reporting.tables import StudyRecord
from dse.reporting.text import counted, quantity
from dse.search.space import chips_of_samples
from dse.search.start_points import START
from dse.search.studies.study import design_of, plan_in, told_trials

__all__ = ["study_record"]


def column(values: list[object]) -> np.ndarray:
    """Numbers as float64, names as text."""
    return np.array([str(value) for value in values]) if isinstance(values[0], str) else np.array(values, np.float64)


def as_written(path: str, value: object) -> str:
    """A value of a space as a person writes it."""
    if not isinstance(value, float):
        return str(value)
    dimension = dimension_of("space", path)
    return counted(value) if dimension == "1" else quantity(value, dimension)


def start_note(space: Space, start: dict[str, Any]) -> str:
    """A start point in words: 'matx-one (moved into the space: scale_up.domain from 1,024)'."""
    moved = [f"{path} from {as_written(path, value)}" for path, value in start["moved"].items() if path in space.free]
    return f"{start['chip']} (moved into the space: {', '.join(moved)})" if moved else start["chip"]


def study_record(study: optuna.Study, space: Space, storage: str, catalogue: Catalogue) -> StudyRecord:
    """The told trials of a study in their order, with the resolved SRAM and memory bandwidth of every design."""
    plan = plan_in(study)
    trials = [trial for trial in told_trials(study) if "result" in trial.user_attrs]
    results = [trial.user_attrs["result"] for trial in trials]
    designs = [design_of(space, trial) for trial in trials]
    feasible = np.array([bool(result["feasible"]) for result in results])
    metrics = [result.get("metrics", {}) for result in results]
    recorded = dict.fromkeys(name for each in metrics for name in each)
    values = {name: np.array([each.get(name, np.nan) for each in metrics], np.float64) for name in recorded}
    if "tokens_per_dollar" in values:
        values["usd_per_million_output_tokens"] = 1e6 / values["tokens_per_dollar"]
    if designs:
        chips = chips_of_samples(space, designs, catalogue.library)
        values["sram_capacity"] = np.broadcast_to(chips.sram.capacity, (len(designs),))
        values["memory_bandwidth"] = np.broadcast_to(chips.memory.bandwidth, (len(designs),))
    starts = {place: trial.user_attrs[START] for place, trial in enumerate(trials) if START in trial.user_attrs}
    return StudyRecord(
        name=study.study_name,
        space=plan.space,
        storage=storage,
        sampler=plan.sampler,
        seed=plan.seed,
        trials={path: column([design[path] for design in designs]) for path in space.free} if designs else {},
        values=values,
        feasible=feasible,
        objectives=plan.objectives,
        starts={place: start["chip"] for place, start in starts.items()},
        start_notes=[start_note(space, start) for start in starts.values()],
        reasons=[reason_of(*next(iter(result["reasons"].items()))) for result in results if result.get("reasons")],
    )
