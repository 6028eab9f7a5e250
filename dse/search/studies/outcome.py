"""What did a study find? Its best designs as chip files and candidates, and its trials as tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from dse.analysis.comparison import Candidate, Job, evaluate_candidate
from dse.catalogue.build import build_chips
from dse.catalogue.read import Entry
from dse.catalogue.schema import ReportDocument
from dse.catalogue.space import Space
from dse.catalogue.store import Catalogue
from dse.catalogue.write import write_chip
from dse.search.samplers.screening import ATTRIBUTE
from dse.search.studies.plan import own_studies
from dse.search.studies.study import best_trial, design_of, plan_in, progress_of

__all__ = [
    "Recipe",
    "described",
    "evaluator_points",
    "found_candidates",
    "found_chips",
    "recipe_of",
    "summaries",
    "trial_rows",
]

MOST_FOUND = 5


def kept_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The best trial, or a handful spread over the Pareto front of a study with several objectives, best first."""
    best = best_trial(study)
    if len(study.directions) == 1:
        return [best]
    front = [trial for trial in study.best_trials if trial.user_attrs.get("result", {}).get("feasible")]
    front = sorted(front, key=lambda trial: -trial.values[0])
    step = max(len(front) // MOST_FOUND, 1)
    chosen = {trial.number: trial for trial in [best, *front[::step][:MOST_FOUND]]}
    return list(chosen.values())


def found_candidates(
    study: optuna.Study, space: Space, job: Job, catalogue: Catalogue, folder: Path
) -> list[Candidate]:
    """The kept designs, each written as a chip file and evaluated from what the file says, under the trial's mapping.

    folder: of the chip files. CatalogueError when no trial is feasible.
    """
    found = []
    for trial, entry in zip(kept_trials(study), found_chips(study, space, catalogue, folder), strict=True):
        chip = build_chips(entry.values, catalogue.library)
        chosen = trial.user_attrs["result"]["mapping"]
        title = entry.document.heading
        found.append(evaluate_candidate(job, entry.name, title, "found", entry.values, chip, chosen))
    return found


def found_chips(study: optuna.Study, space: Space, catalogue: Catalogue, folder: Path) -> list[Entry]:
    """The kept designs as chip files of a folder, best first; CatalogueError when no trial is feasible."""
    entries = []
    trials = kept_trials(study)
    for trial in trials:
        name = f"{space.name}-best" if len(trials) == 1 else f"{space.name}-{trial.number}"
        title = f"{space.title}: trial {trial.number}"
        note = f"found by study {study.study_name}, trial {trial.number}, in the space {space.name}"
        file = folder / f"{name}.toml"
        entries.append(write_chip(file, design_of(space, trial), title=title, note=note, catalogue=catalogue))
    return entries


def summaries(storage: BaseStorage) -> list[dict[str, Any]]:
    """Name, plan and state of every study of this program in a storage."""
    rows = []
    for study in own_studies(storage):
        plan = plan_in(study)
        state = progress_of(study)
        rows.append(
            {"name": study.study_name, "space": plan.space, "model": plan.model, "traffic": plan.traffic}
            | {"portfolio": plan.portfolio}
            | {"objective": plan.objectives[0], "trials": state.done, "feasible": state.feasible, "best": state.best}
        )
    return rows


def evaluator_points(study: optuna.Study) -> int:
    """Pairs of design and mapping that were evaluated for a study, by its trials and by its sampler [1]."""
    trials = study.get_trials(deepcopy=False)
    records = [
        record for trial in trials for record in (trial.user_attrs.get("result"), trial.user_attrs.get(ATTRIBUTE))
    ]
    return sum(record.get("points", 0) for record in records if record)


def described(study: optuna.Study) -> dict[str, Any]:
    """Plan, state and best trial of a study."""
    state = progress_of(study)
    document: dict[str, Any] = {"name": study.study_name, "plan": asdict(plan_in(study)), "state": asdict(state)}
    document["evaluator_points"] = evaluator_points(study)
    if state.feasible:
        best = best_trial(study)
        result = best.user_attrs["result"]
        document |= {"best_design": best.params, "best_mapping": result["mapping"], "best_metrics": result["metrics"]}
    return document


def trial_rows(study: optuna.Study) -> list[dict[str, Any]]:
    """One flat row a trial: number, state, feasible, parameters, objective values, metrics, mapping, excess, reasons.

    A trial that breaks a limit has no objective value, but an excess: need over limit minus one of the worst limit.
    """
    plan = plan_in(study)
    rows = []
    for trial in study.get_trials(deepcopy=False):
        result = trial.user_attrs.get("result", {}) if trial.state == TrialState.COMPLETE else {}
        row: dict[str, Any] = {"number": trial.number, "state": trial.state.name.lower()}
        row["feasible"] = bool(result.get("feasible"))
        row |= {f"design.{key}": value for key, value in trial.params.items()}
        told = trial.values if row["feasible"] and trial.values else [None] * len(plan.objectives)
        row |= {f"value.{name}": value for name, value in zip(plan.objectives, told, strict=True)}
        row |= {f"metric.{key}": value for key, value in result.get("metrics", {}).items()}
        row |= {f"mapping.{key}": value for key, value in result.get("mapping", {}).items()}
        row["excess"] = max(result.get("reasons", {}).values(), default=None)
        row["reasons"] = "; ".join(
            f"{name} +{100 * excess:.3g} %" for name, excess in result.get("reasons", {}).items()
        )
        rows.append(row)
    return rows


@dataclass(frozen=True)
class Recipe:
    """How a committed comparison is made again: the arguments of `dse study run`."""

    name: str
    space: str
    model: str
    traffic: str
    price_basis: str
    objectives: tuple[str, ...]
    sampler: str
    seed: int
    trials: int


def recipe_of(catalogue: Catalogue, name: str) -> Recipe | None:
    """The study of a recipe of reports/, None where it is no study; CatalogueError for unknown ones or faulty files."""
    entry = catalogue.entry("report", name)
    assert isinstance(entry.document, ReportDocument)
    study = entry.document.study
    if study is None:
        return None
    job = {key: str(entry.values[f"study.{key}"]) for key in ("space", "model", "traffic")}
    return Recipe(
        name=entry.name,
        **job,
        price_basis=study.price_basis,
        objectives=study.objectives,
        sampler=study.sampler,
        seed=study.seed,
        trials=study.trials,
    )
