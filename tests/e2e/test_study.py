"""The main job from end to end: a study is run, killed, resumed, and what it found is checked from its files."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from pyarrow import parquet
from rich.console import Console

from dse.analysis.comparison import job_of
from dse.best_mapping import OBJECTIVES
from dse.catalogue import load_space, open_catalogue
from dse.commands.progress import bar_of, state_text
from dse.search.studies.storage import open_storage
from dse.search.studies.study import Progress, create, plan_of, run

DSE = [sys.executable, "-m", "dse.cli"]
SEARCH = ("--trials", "48", "--seed", "3", "--sampler", "tpe")
"""TPE, since some of its trials break limits."""


def dse(*arguments: str, cwd: Path, code: int = 0) -> str:
    done = subprocess.run([*DSE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == code, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def trials_in(folder: Path, study: str) -> list[dict]:
    dse("study", "export", study, "--output", "trials.json", cwd=folder)
    rows = json.loads((folder / "trials.json").read_text())["trials"]
    return [{key: value for key, value in row.items() if key != "trial"} for row in rows]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    out = dse("study", "run", "sram-vs-hbm", *SEARCH, "--study", "first", "--json", cwd=folder)
    (folder / "result.json").write_text(out)
    return folder


def test_a_study_ends_with_a_ranking_and_a_report(finished: Path) -> None:
    result = json.loads((finished / "result.json").read_text())
    assert result["trials"] == 48
    assert (finished / result["report"]).read_text().startswith("<!")
    ranking = result["ranking"]
    feasible = [row["metrics"]["tokens_per_dollar"] for row in ranking if row["feasible"]]
    assert feasible == sorted(feasible, reverse=True)
    assert {row["chip"] for row in ranking} >= {"h100-sxm", "b200-sxm", "mi300x", "tpu-v5e", "sram-vs-hbm-best"}
    assert all(row["reasons"] for row in ranking if not row["feasible"])


def test_a_study_begins_at_the_chips_inside_its_space(finished: Path) -> None:
    result = json.loads((finished / "result.json").read_text())
    assert [note.split()[0] for note in result["start_points"]] == ["matx-one"]
    first = trials_in(finished, "first")[0]
    assert first["design.sram.capacity"] == 1.4e9
    assert first["design.scale_up.domain"] == 512
    (course,) = result["convergence"]
    best = max(row["value.tokens_per_dollar"] for row in trials_in(finished, "first") if row["feasible"])
    assert course["whole"] == best
    assert best >= first["value.tokens_per_dollar"]
    status = {row["chip"]: row["status"] for row in result["ranking"]}
    assert status["matx-one"] == status["lemurian-pal"] == "hypothetical"
    assert status["h100-sxm"] == "shipping"


def test_the_found_chip_reads_back_to_the_same_numbers(finished: Path) -> None:
    result = json.loads((finished / "result.json").read_text())
    found = next(row for row in result["ranking"] if row["chip"] == "sram-vs-hbm-best")
    user = finished / "mine" / "models" / "chips"
    user.mkdir(parents=True)
    text = (finished / "results" / "first" / "chips" / "sram-vs-hbm-best.toml").read_text()
    (user / "sram-vs-hbm-best.toml").write_text(text)
    job = ("--model", "llama-3.1-70b", "--traffic", "chat", "--catalogue", "mine", "--json")
    again = json.loads(dse("evaluate", "--chip", "sram-vs-hbm-best", *job, cwd=finished))
    assert again["metrics"] == found["metrics"]
    assert again["mapping"] == found["mapping"]
    assert again["breakdown"] == found["breakdown"]


def test_the_printed_command_gives_the_same_numbers(finished: Path) -> None:
    result = json.loads((finished / "result.json").read_text())
    found = next(row for row in result["ranking"] if row["chip"] == "sram-vs-hbm-best")
    (command,) = result["evaluate"]
    program, *arguments = shlex.split(command)
    assert program == "dse"
    again = json.loads(dse(*arguments, "--json", cwd=finished))
    assert {key: again[key] for key in ("metrics", "mapping", "breakdown")} == {
        key: found[key] for key in ("metrics", "mapping", "breakdown")
    }


def test_a_found_chip_is_written_in_short_numbers(finished: Path) -> None:
    text = (finished / "results" / "first" / "chips" / "sram-vs-hbm-best.toml").read_text()
    for number in re.findall(r'(?:value = |= )"?([0-9.]+)', text):
        assert len(number.replace(".", "").strip("0")) <= 6, number
    assert re.search(r'bandwidth = { value = "[0-9.]+ TB/s"', text)


def test_infeasible_trials_have_an_excess_and_no_value(finished: Path) -> None:
    dse("study", "export", "first", "--output", "trials.csv", cwd=finished)
    rows = list(csv.DictReader((finished / "trials.csv").read_text().splitlines()))
    wrong = [row for row in rows if row["feasible"] == "false"]
    right = [row for row in rows if row["feasible"] == "true"]
    assert wrong
    assert right
    assert all(row["value.tokens_per_dollar"] == "" and float(row["excess"]) > 0.0 for row in wrong)
    assert all(float(row["value.tokens_per_dollar"]) > 0.0 and row["excess"] == "" for row in right)
    document = json.loads(dse("study", "export", "first", "--output", "trials.parquet", "--json", cwd=finished))
    assert document == {"study": "first", "output": "trials.parquet", "trials": 48}
    table = parquet.read_table(finished / "trials.parquet")
    assert table["value.tokens_per_dollar"].null_count == len(wrong)


def test_a_study_is_shown_with_units(finished: Path) -> None:
    text = dse("study", "show", "first", cwd=finished)
    for pattern in (
        r"best +[0-9.]+ M tokens/USD \(trial",
        r"matrix\.clock +[0-9.]+ [MG]Hz",
        r"package\.tdp +[0-9.]+ k?W",
    ):
        assert re.search(pattern, text), pattern
    for pattern in (
        r"time per output token +[0-9.]+ ms",
        r"tokens per joule +[0-9.]+ tokens/J",
        r"power +[0-9.,]+ k?W",
    ):
        assert re.search(pattern, text), pattern
    assert not re.search(r"\d{7}|e[+-]\d\d|\{|\[", text)
    assert re.search(
        r"^first  48 trials, \d+ feasible, best [0-9.]+ M tokens/USD$", dse("study", "list", cwd=finished), re.M
    )


def test_the_largest_seed_can_be_resumed(tmp_path: Path) -> None:
    first = ("study", "run", "sram-vs-hbm", "--trials", "16", "--study", "last", "--seed", "4294967295", "--json")
    dse(*first, "--sampler", "random", cwd=tmp_path)
    assert json.loads(dse("study", "resume", "last", "--trials", "16", "--json", cwd=tmp_path))["trials"] == 32


@pytest.mark.parametrize("sampler", ["screening", "cmaes", "tpe", "nsga2", "qmc", "random"])
def test_samplers_run_without_warnings(sampler: str) -> None:
    catalogue = open_catalogue()
    space = load_space("sram-vs-hbm", catalogue)
    job = job_of(catalogue, space.model, space.traffic, space.price_basis, most_chips=16)
    plan = plan_of(space, job, [space.objective], sampler, 0)
    study = create(open_storage("memory:"), plan, "calm")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert run(study, space, job, catalogue.library, 40).done == 40
    assert [str(one.message) for one in told if "optuna" in one.filename] == []


def test_nothing_but_one_line_is_told_while_a_study_runs(finished: Path) -> None:
    done = subprocess.run(
        [*DSE, "study", "resume", "first", "--trials", "0"],
        cwd=finished,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
        env=os.environ | {"COLUMNS": "80"},
    )
    name, line = done.stderr.strip().splitlines()
    assert name == "study first"
    assert "0/0" in line
    assert re.search(r"best [0-9.]+ M tokens/USD \(#\d+\), \d+ feasible", line)
    (command,) = json.loads((finished / "result.json").read_text())["evaluate"]
    assert command in done.stdout


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_line_of_a_long_study_fits_a_terminal(objective: str) -> None:
    console = Console(width=80, file=io.StringIO(), force_terminal=True, color_system=None)
    with bar_of(console) as bar:
        text = state_text(
            Progress(100_000, 99_999, 123.4e6 if objective == OBJECTIVES[0] else 123.4, 99_999), objective
        )
        bar.add_task("", total=100_000, completed=100_000, best=text)
    line = console.file.getvalue().split("\r")[-1].splitlines()[0]
    assert "99999 feasible" in line
    assert "100000/100000" in line
    assert "…" not in line


def test_the_same_seed_gives_the_same_trials(finished: Path) -> None:
    dse("study", "run", "sram-vs-hbm", *SEARCH, "--study", "second", cwd=finished)
    assert trials_in(finished, "first") == trials_in(finished, "second")


def test_a_study_of_a_taken_name_is_refused(finished: Path) -> None:
    error = dse("study", "run", "sram-vs-hbm", "--trials", "1", "--study", "first", cwd=finished, code=1)
    assert "dse study resume first" in error


def test_killed_and_resumed_loses_nothing_told(tmp_path: Path) -> None:
    arguments = ["study", "run", "sram-vs-hbm", "--trials", "5000", "--sampler", "random", "--study", "long", "--json"]
    running = subprocess.Popen([*DSE, *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = tmp_path / "results" / "studies.journal"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not journal.exists() or journal.read_bytes().count(b"\n") < 100):
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    before = trials_in(tmp_path, "long")
    assert 0 < len(before) < 5000
    dse("study", "resume", "long", "--trials", "64", cwd=tmp_path)
    after = trials_in(tmp_path, "long")
    assert after[: len(before)] == before
    assert len(after) == len(before) + 64
    assert [row["number"] for row in after] == list(range(len(after)))


def test_several_objectives_give_a_front(tmp_path: Path) -> None:
    two = ("--objective", "tokens-per-dollar", "--objective", "tokens-per-second-per-user")
    out = dse("study", "run", "sram-vs-hbm", "--trials", "64", "--sampler", "nsga2", *two, "--json", cwd=tmp_path)
    found = [row for row in json.loads(out)["ranking"] if row["status"] == "found"]
    assert found
    for row, command in zip(found, json.loads(out)["evaluate"], strict=True):
        again = json.loads(dse(*shlex.split(command)[1:], "--json", cwd=tmp_path))
        assert again["chip"] == row["chip"]
        assert again["metrics"] == row["metrics"]
    assert json.loads(dse("study", "list", "--json", cwd=tmp_path))[0]["trials"] == 64
