"""What takes minutes: kills at random moments, committed results made again, the wheel in an empty environment."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
DSE = [sys.executable, "-m", "dse.cli"]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("storage", ["journal:results/studies.journal", "sqlite:///studies.db"])
def test_killed_at_random_moments_nothing_told_is_lost(tmp_path: Path, storage: str) -> None:
    generator = random.Random(7)
    place = ["--storage", storage]
    begin = [*DSE, "study", "run", "sram-vs-hbm", "--trials", "64", "--sampler", "tpe", "--study", "long", *place]
    subprocess.run(begin, cwd=tmp_path, check=True, capture_output=True)

    def told() -> list[dict]:
        command = [*DSE, "study", "export", "long", "--output", "t.json", *place]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        return json.loads((tmp_path / "t.json").read_text())

    before = told()
    for _ in range(6):
        command = [*DSE, "study", "resume", "long", "--trials", "100000", *place]
        running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(generator.uniform(3.0, 12.0))
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        after = told()
        assert after[: len(before)] == before
        assert [row["number"] for row in after] == list(range(len(after)))
        before = after
    assert len(before) > 64


def test_committed_results_are_made_again_by_their_recipes(tmp_path: Path) -> None:
    recipes = sorted((ROOT / "reports").glob("*.toml"))
    assert recipes
    for recipe in recipes:
        command = [*DSE, "report", recipe.stem, "--output", str(tmp_path / recipe.stem)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        committed, made = (
            {row["name"]: row for row in csv.DictReader((folder / "results.csv").read_text().splitlines())}
            for folder in (recipe.with_suffix(""), tmp_path / recipe.stem)
        )
        assert list(made) == list(committed)
        for chip, row in committed.items():
            for column in row:
                if "usd_per_million" in column or column.startswith("output_tokens_per_s"):
                    assert float(made[chip][column] or 0) == pytest.approx(float(row[column] or 0), rel=1e-6), column


def test_the_wheel_passes_the_tests_in_an_empty_environment(tmp_path: Path) -> None:
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".venv", ".git", "results", "__pycache__", "dist", "build")
    shutil.copytree(ROOT, source, ignore=ignored)
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"altarch-dse[test] @ {wheel.as_uri()}"], check=True)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(source / "tests", elsewhere / "tests")
    shutil.copy(source / "pyproject.toml", elsewhere)
    shutil.rmtree(source)
    tests = [python, "-m", "pytest", "-q", "-n", "2", "-m", "not slow", "tests", "--ignore", "tests/test_structure.py"]
    subprocess.run(tests, cwd=elsewhere, check=True)
