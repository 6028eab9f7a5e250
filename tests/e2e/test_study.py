"""The main job from end to end: a study is run, killed, resumed, and what it found is checked from its files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DSE = [sys.executable, "-m", "dse.cli"]


def dse(*arguments: str, cwd: Path, code: int = 0) -> str:
    done = subprocess.run([*DSE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == code, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def trials_in(folder: Path, study: str) -> list[dict]:
    dse("study", "export", study, "--output", "trials.json", cwd=folder)
    return json.loads((folder / "trials.json").read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    out = dse("study", "run", "sram-vs-hbm", "--trials", "48", "--seed", "3", "--study", "first", "--json", cwd=folder)
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
    best = max(row["value.tokens_per_dollar"] for row in trials_in(finished, "first"))
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


def test_the_same_seed_gives_the_same_trials(finished: Path) -> None:
    dse("study", "run", "sram-vs-hbm", "--trials", "48", "--seed", "3", "--study", "second", cwd=finished)
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
    assert 64 <= len(before) < 5000
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
    assert json.loads(dse("study", "list", "--json", cwd=tmp_path))[0]["trials"] == 64
