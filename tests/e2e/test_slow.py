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
import tomllib
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
        return json.loads((tmp_path / "t.json").read_text())["trials"]

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


def test_a_sweep_killed_at_random_moments_ends_with_the_same_answer(tmp_path: Path) -> None:
    generator = random.Random(11)
    command = [*DSE, "sweep", "gpu", "--limit", "100000", "--most-chips", "16", "--whole-front", "--json"]

    def answer(name: str) -> dict:
        done = subprocess.run([*command, "--name", name], cwd=tmp_path, check=True, capture_output=True)
        document = json.loads(done.stdout)
        keys = ("optimum", "optima", "front", "points", "points_evaluated", "designs_broken", "designs_beaten")
        return {key: document[key] for key in keys}

    killed = 0
    for _ in range(20):
        running = subprocess.Popen(
            [*command, "--name", "killed"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            running.wait(generator.uniform(2.0, 15.0))
        except subprocess.TimeoutExpired:
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
            killed += 1
    assert killed > 0
    assert answer("killed") == answer("whole")


RECIPES = sorted(path.stem for path in (ROOT / "reports").glob("*.toml"))


def tables_of(recipe: str, folder: Path, table: str, key: tuple[str, ...]) -> list[dict[tuple, dict[str, str]]]:
    """A table as it is committed and as its recipe makes it again, each as key -> line."""
    command = [*DSE, "report", recipe, "--output", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    texts = [(place / table).read_text() for place in (ROOT / "reports" / recipe, folder)]
    return [{tuple(row[name] for name in key): row for row in csv.DictReader(text.splitlines())} for text in texts]


def kind_of(recipe: str) -> str:
    """The table that says how a result is made."""
    document = tomllib.loads((ROOT / "reports" / f"{recipe}.toml").read_text())
    (kind,) = {"study", "validation", "money", "silicon", "formats", "samplers"} & set(document)
    return kind


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if kind_of(recipe) == "study"])
def test_committed_results_are_made_again_by_their_recipes(recipe: str, tmp_path: Path) -> None:
    committed, made = tables_of(recipe, tmp_path, "results.csv", ("name",))
    assert list(made) == list(committed)
    for chip, row in committed.items():
        for column in row:
            if "usd_per_million" in column or column.startswith("output_tokens_per_s"):
                assert float(made[chip][column] or 0) == pytest.approx(float(row[column] or 0), rel=1e-6), column


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if kind_of(recipe) == "validation"])
def test_committed_validations_are_made_again_by_their_recipes(recipe: str, tmp_path: Path) -> None:
    committed, made = tables_of(recipe, tmp_path, "summary.csv", ("fold", "table", "name"))
    assert set(made) == set(committed)
    for key, row in committed.items():
        again, rows = made[key], int(row["n"])
        assert int(again["n"]) == rows, key
        for column in ("median_abs_log_error", "p90_abs_log_error", "bias"):
            assert float(again[column]) == pytest.approx(float(row[column]), rel=0.03, abs=0.01), (key, column)
        # a row that lies on the bound may fall to either side
        for column in ("within_25_percent", "within_range"):
            assert float(again[column]) == pytest.approx(float(row[column]), abs=0.02 + 1.0 / rows), (key, column)


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if kind_of(recipe) == "silicon"])
@pytest.mark.parametrize(
    ("table", "key", "columns"),
    [
        ("areas.csv", ("die",), ("modelled_mm2", "published_mm2")),
        ("power.csv", ("chip",), ("modelled_w", "published_w")),
        ("summary.csv", ("group",), ("n", "median_abs_log_error", "largest_abs_log_error", "bias")),
    ],
)
def test_committed_silicon_is_made_again_by_its_recipe(
    recipe: str, table: str, key: tuple[str, ...], columns: tuple[str, ...], tmp_path: Path
) -> None:
    committed, made = tables_of(recipe, tmp_path, table, key)
    assert list(made) == list(committed)
    for name, row in committed.items():
        for column in columns:
            assert float(made[name][column]) == pytest.approx(float(row[column]), rel=1e-4, abs=1e-6), (name, column)


FORMAT_TABLES = {
    "quality.csv": (("format",), {"area_times_bits": 1e-4, "qsnr_db": 1e-4, "loss_all": 1e-4}),
    "tokens.csv": (("space", "format"), {"tokens_per_dollar": 0.1, "over_bf16": 0.1}),
    "region.csv": (("traffic", "format", "area_ratio", "energy_ratio", "bits"), {"tokens_per_dollar": 1e-3}),
    "logarithms.csv": (("block", "scale", "rule", "integer", "fraction"), {"gaussian_db": 1e-3, "worst_qsnr_db": 1e-2}),
    "weights.csv": (("weights", "activations"), {"tokens_per_dollar": 0.1, "loss": 1e-4}),
}
"""Table -> its key, and the relative tolerance of its numbers: searches may end elsewhere on another machine."""


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if kind_of(recipe) == "formats"])
def test_committed_formats_are_made_again_by_their_recipe(recipe: str, tmp_path: Path) -> None:
    command = [*DSE, "report", recipe, "--output", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for table, (key, tolerances) in FORMAT_TABLES.items():
        texts = [(place / table).read_text() for place in (ROOT / "reports" / recipe, tmp_path)]
        committed, made = (
            {tuple(row[name] for name in key): row for row in csv.DictReader(text.splitlines())} for text in texts
        )
        assert list(made) == list(committed), table
        for name, row in committed.items():
            for column, tolerance in tolerances.items():
                again, before = (float(one[column] or 0.0) for one in (made[name], row))
                assert again == pytest.approx(before, rel=tolerance, abs=1e-9), (table, name, column)


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
