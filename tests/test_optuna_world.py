"""Studies in Optuna's world: its dashboard shows names, units and what a trial is; its figures are written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from servers import free_port, stop, wait_for
from typer.testing import CliRunner

from dse.analysis.comparison import job_of
from dse.catalogue import CatalogueError, load_space, open_catalogue
from dse.cli import app
from dse.reporting.optuna_plots import optuna_plots
from dse.search.studies.plan import plan_of
from dse.search.studies.storage import find_study, open_storage
from dse.search.studies.study import create, run


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal file with a study of two objectives."""
    file = tmp_path_factory.mktemp("world") / "a.journal"
    catalogue = open_catalogue()
    space = load_space("sram-vs-hbm", catalogue)
    job = job_of(catalogue, space.model, space.traffic, space.price_basis, most_chips=64)
    plan = plan_of(space, job, ["tokens-per-dollar", "qsnr"], "nsga2", 0)
    run(create(open_storage(f"journal:{file}"), plan, "shown"), space, job, catalogue.library, 64)
    return file


def fetched(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return json.load(answer)


def test_the_dashboard_shows_what_a_trial_is(journal: Path) -> None:
    pytest.importorskip("optuna_dashboard", reason="pip install 'altarch-dse[dashboard]'")
    port = free_port()
    start = "from optuna_dashboard._cli import main; main()"
    command = [sys.executable, "-W", "ignore", "-c", start, str(journal), "--port", str(port), "--server", "wsgiref"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, running)
        (summary,) = fetched(port, "/api/studies")["study_summaries"]
        assert summary["study_name"] == "shown"
        study = fetched(port, f"/api/studies/{summary['study_id']}?after=0")
    finally:
        stop(running)
    assert study["objective_names"] == ["tokens-per-dollar [tokens/USD]", "qsnr [dB]"]
    (units,) = (attribute["value"] for attribute in study["user_attrs"] if attribute["key"] == "units")
    assert json.loads(units)["sram.capacity"] == "bytes"
    trials = [{one["key"]: one["value"] for one in trial["user_attrs"]} for trial in study["trials"]]
    assert len(trials) == 64
    assert {"sram.capacity", "matrix.clock"} <= {one["name"] for one in study["trials"][5]["params"]}
    feasible = [trial for trial in trials if "breakdown" in trial]
    assert 0 < len(feasible) < 64
    for trial in feasible:
        assert "%" in trial["breakdown"]
        assert " b" in f" {trial['mapping']}"
    assert all("sram capacity" in trial["chip"] for trial in trials)
    assert all("%" in trial["breaks"] for trial in trials if "breakdown" not in trial)
    assert max(len(json.dumps(trial)) for trial in trials) < 2500


def test_optuna_draws_its_figures(journal: Path, tmp_path: Path) -> None:
    study = find_study(open_storage(f"journal:{journal}"), "shown")
    files = optuna_plots(study, tmp_path / "figures")
    assert {file.stem for file in files} >= {"history", "importances", "slice", "contour", "pareto-front"}
    assert all(file.read_bytes().startswith(b"\x89PNG") and file.stat().st_size > 5000 for file in files)


def test_an_empty_study_has_no_figures(tmp_path: Path) -> None:
    catalogue = open_catalogue()
    space = load_space("sram-vs-hbm", catalogue)
    job = job_of(catalogue, space.model, space.traffic, space.price_basis, most_chips=16)
    study = create(open_storage("memory:"), plan_of(space, job, [space.objective], "random", 0), "none")
    with pytest.raises(CatalogueError, match="dse study resume none"):
        optuna_plots(study, tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


def invoke(folder: Path, *arguments: str) -> Any:
    before = Path.cwd()
    os.chdir(folder)
    try:
        done = CliRunner().invoke(app, [*arguments, "--json"])
    finally:
        os.chdir(before)
    assert done.exception is None, done.exception
    return json.loads(done.stdout)


def test_commands_of_several_processes(tmp_path: Path) -> None:
    """Begin, work, look, export, import: the commands of the README."""
    begun = invoke(tmp_path, "study", "run", "sram-vs-hbm", "--trials", "0", "--sampler", "random", "--study", "team")
    assert begun["worker"] == "dse worker journal:results/studies.journal team"
    place = begun["worker"].split()[2]
    assert invoke(tmp_path, "study", "status", "team")["trials"]["waiting"] == 1
    worked = invoke(tmp_path, "worker", place, "team", "--trials", "8", "--beat", "1")
    assert worked["told"] == 8
    state = invoke(tmp_path, "study", "status", "team")
    assert state["trials"] == {"running": 0, "complete": 8, "pruned": 0, "fail": 0, "waiting": 0}
    assert [row["state"] for row in state["workers"]] == ["ended", "ended"]
    assert state["best"] == worked["state"]["best"] > 0.0
    written = invoke(tmp_path, "study", "export", "team", "--output", "t.parquet", "--optuna-plots", "figures")
    assert written["trials"] == 8
    assert len(written["figures"]) == 7
    assert invoke(tmp_path, "study", "import", "t.parquet", "--study", "again") == {"study": "again", "trials": 8}
    assert [one["study"] for one in invoke(tmp_path, "study", "status")] == ["team", "again"]
    assert CliRunner().invoke(app, ["study", "export", "team"]).exit_code == 2
