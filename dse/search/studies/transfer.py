"""How does a study move from one storage to another? As a file that people read as a table and that holds all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from dse.catalogue.errors import CatalogueError, Problem
from dse.search.samplers.named import calmly
from dse.search.studies.outcome import trial_rows
from dse.search.studies.patience import patiently
from dse.search.studies.plan import new_study
from dse.search.studies.recovery import BEAT

__all__ = ["ENDINGS", "export", "import_study"]

ENDINGS = (".parquet", ".csv", ".json")
WHOLE = "trial"
"""Column of what Optuna keeps of a trial, as JSON; a .csv file lacks it, and cannot be read back."""

TIMES = ("datetime_start", "datetime_complete")


def study_document(study: optuna.Study) -> dict[str, Any]:
    """What a study is beside its trials; who worked on it stays behind."""
    trials = study.get_trials(deepcopy=False)
    kinds = {name: distribution_to_json(kind) for trial in trials for name, kind in trial.distributions.items()}
    return {
        "name": study.study_name,
        "directions": [direction.name for direction in study.directions],
        "user_attrs": {key: value for key, value in study.user_attrs.items() if not key.startswith(BEAT)},
        "metric_names": study.metric_names,
        "distributions": kinds,
    }


def trial_document(trial: FrozenTrial, kinds: Mapping[str, str]) -> dict[str, Any]:
    """All that Optuna keeps of a trial; distributions only where they differ from those of the study."""
    own = {name: distribution_to_json(kind) for name, kind in trial.distributions.items()}
    times = {name: getattr(trial, name) for name in TIMES}
    return {
        "state": trial.state.name,
        "values": trial.values,
        "params": trial.params,
        "distributions": {name: text for name, text in own.items() if kinds[name] != text},
        "user_attrs": trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "intermediate_values": trial.intermediate_values,
    } | {name: one.isoformat() if one else None for name, one in times.items()}


def trial_of(document: Mapping[str, Any], kinds: Mapping[str, str]) -> FrozenTrial:
    """A trial from its document."""
    texts = {**kinds, **document["distributions"]}
    times = {name: datetime.fromisoformat(document[name]) if document[name] else None for name in TIMES}
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=TrialState[document["state"]],
        value=None,
        values=document["values"],
        params=document["params"],
        distributions={name: json_to_distribution(texts[name]) for name in document["params"]},
        user_attrs=document["user_attrs"],
        system_attrs=document["system_attrs"],
        intermediate_values={int(step): value for step, value in document["intermediate_values"].items()},
        **times,
    )


def export(study: optuna.Study, path: Path) -> int:
    """Write every trial to a .parquet, .csv or .json file; the number of rows. CatalogueError for other endings."""
    if path.suffix not in ENDINGS:
        raise CatalogueError([Problem("unknown kind of file", value=str(path), allowed=", ".join(ENDINGS))])
    head, rows = study_document(study), trial_rows(study)
    wholes = [trial_document(trial, head["distributions"]) for trial in study.get_trials(deepcopy=False)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, head, rows, wholes)
    except OSError as error:
        raise CatalogueError([Problem(f"cannot be written: {error.strerror}", file=str(path))]) from error
    return len(rows)


def write(path: Path, head: dict[str, Any], rows: Sequence[dict[str, Any]], wholes: Sequence[dict[str, Any]]) -> None:
    """The file of an export, by its ending."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    if path.suffix == ".json":
        trials = [row | {WHOLE: whole} for row, whole in zip(rows, wholes, strict=True)]
        path.write_text(json.dumps({"study": head, "trials": trials}, indent=1), encoding="utf-8")
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    if path.suffix == ".csv":
        csv.write_csv(pa.table(columns), path)
        return
    table = pa.table(columns | {WHOLE: [json.dumps(whole) for whole in wholes]})
    parquet.write_table(table.replace_schema_metadata({"study": json.dumps(head)}), path, compression="zstd")


def read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Study and trials of a file that `export` wrote; whatever is wrong with it is raised as it is."""
    if path.suffix == ".json":
        document = json.loads(path.read_text(encoding="utf-8"))
        return document["study"], [row[WHOLE] for row in document["trials"]]
    from pyarrow import parquet

    table = parquet.read_table(path)
    return json.loads(table.schema.metadata[b"study"]), [json.loads(text.as_py()) for text in table[WHOLE]]


def import_study(storage: BaseStorage, path: Path, name: str | None = None) -> optuna.Study:
    """A new study in a storage from a file that `export` wrote, all or nothing; name: another than it had.

    CatalogueError for other files, and when the name is taken.
    """
    if path.suffix not in (".parquet", ".json"):
        raise CatalogueError([Problem("unknown kind of file", value=str(path), allowed=".parquet, .json")])
    try:
        head, documents = read(path)
        trials = [trial_of(document, head["distributions"]) for document in documents]
        directions = [StudyDirection[direction] for direction in head["directions"]]
        attributes = dict(head["user_attrs"])
    except OSError as error:
        raise CatalogueError([Problem(f"cannot be read: {error.strerror or error}", file=str(path))]) from error
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        way_out = "make one with: dse study export NAME --output FILE"
        raise CatalogueError([Problem("is no export of a study", file=str(path), way_out=way_out)]) from error
    study = new_study(storage, name or head["name"], directions)
    try:
        if head["metric_names"]:
            with calmly():
                study.set_metric_names(head["metric_names"])
        for key, value in attributes.items():
            study.set_user_attr(key, value)
        for trial in trials:
            patiently(study.add_trial, trial)
    except BaseException:
        optuna.delete_study(study_name=study.study_name, storage=storage)
        raise
    return study
