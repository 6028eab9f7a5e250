"""A study that is exported and imported is the same study."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState
from pyarrow import parquet

from dse.analysis.comparison import job_of
from dse.catalogue import CatalogueError, load_space, open_catalogue
from dse.search.studies.plan import plan_in, plan_of
from dse.search.studies.storage import open_storage
from dse.search.studies.study import create, run
from dse.search.studies.transfer import export, import_study


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    """A study of this program with a few real trials, and one of every other state."""
    catalogue = open_catalogue()
    space = load_space("sram-vs-hbm", catalogue)
    job = job_of(catalogue, space.model, space.traffic, space.price_basis, most_chips=16)
    made = create(open_storage("memory:"), plan_of(space, job, [space.objective], "nsga2", 0), "moved")
    run(made, space, job, catalogue.library, 24)
    kinds = {"a": FloatDistribution(1.0, 8.0, log=True), "b": IntDistribution(0, 9), "c": CategoricalDistribution("xy")}
    params = {"a": 2.5, "b": 3, "c": "y"}
    for state in (TrialState.FAIL, TrialState.WAITING, TrialState.PRUNED):
        made.add_trial(
            optuna.create_trial(
                state=state,
                params=params,
                distributions=kinds,
                user_attrs={"note": {"deep": [1, None, "ä"]}},
                system_attrs={"retry_history": [1]},
                constraints={"memory": 0.25},
                intermediate_values={} if state == TrialState.WAITING else {0: 1.5, 7: float("inf")},
            )
        )
    made.enqueue_trial({"a": 4.0})
    made.add_trial(optuna.create_trial(values=[1e300], params={"a": 9.0}, distributions={"a": FloatDistribution(1, 9)}))
    return made


def contents(trial: FrozenTrial) -> dict:
    return {key: value for key, value in vars(trial).items() if key != "_trial_id"}


@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_all_of_a_study_survives(study: optuna.Study, ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"study.{ending}"
    assert export(study, file) == len(study.trials)
    again = import_study(open_storage(f"journal:{tmp_path / 'b.journal'}"), file, "other")
    assert again.study_name == "other"
    assert again.directions == study.directions
    assert plan_in(again) == plan_in(study)
    assert [contents(trial) for trial in again.trials] == [contents(trial) for trial in study.trials]
    assert {trial.state for trial in again.trials} == set(TrialState) - {TrialState.RUNNING}
    twice = tmp_path / f"again.{ending}"
    export(again, twice)
    if ending == "json":
        first, second = (json.loads(path.read_text()) for path in (file, twice))
        assert first["study"] | {"name": ""} == second["study"] | {"name": ""}
        assert first["trials"] == second["trials"]


def test_a_table_is_flat_for_people(study: optuna.Study, tmp_path: Path) -> None:
    export(study, tmp_path / "t.parquet")
    export(study, tmp_path / "t.csv")
    table = parquet.read_table(tmp_path / "t.parquet")
    assert table["state"].to_pylist()[:24] == ["complete"] * 24
    columns = {"number", "feasible", "design.matrix.clock", "value.tokens_per_dollar", "metric.power"}
    assert columns <= {*table.column_names}
    header = (tmp_path / "t.csv").read_text().splitlines()[0]
    assert "design.matrix.clock" in header
    assert '"trial"' not in header


def test_a_taken_name_is_refused(study: optuna.Study, tmp_path: Path) -> None:
    export(study, tmp_path / "t.json")
    storage = open_storage("memory:")
    import_study(storage, tmp_path / "t.json")
    with pytest.raises(CatalogueError, match="a study of this name exists"):
        import_study(storage, tmp_path / "t.json")


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("t.json", "{", "is no export"),
        ("t.json", "[1, 2]", "is no export"),
        ("t.json", '{"study": {"name": "x"}, "trials": []}', "is no export"),
        ("t.parquet", "PAR1", "is no export"),
        ("t.csv", "number\n", "unknown kind of file"),
        ("absent.json", None, "cannot be read"),
    ],
)
def test_other_files_are_refused(name: str, content: str | None, rule: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    storage = open_storage("memory:")
    with pytest.raises(CatalogueError, match=rule):
        import_study(storage, tmp_path / name)
    assert storage.get_all_studies() == []


def test_half_a_study_is_not_left_behind(study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export(study, tmp_path / "t.json")
    storage = open_storage("memory:")
    original, calls = storage.create_new_trial, []

    def failing(*arguments, **options):
        calls.append(1)
        if len(calls) > 5:
            raise OSError(28, "No space left on device")
        return original(*arguments, **options)

    monkeypatch.setattr(storage, "create_new_trial", failing)
    with pytest.raises(OSError, match="No space"):
        import_study(storage, tmp_path / "t.json")
    assert storage.get_all_studies() == []
