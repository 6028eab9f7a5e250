"""Do ranges and flip points say what the evaluator says? Ends from edited files, crossings evaluated again."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders import catalogue
from catalogue_files import line_of
from rich.console import Console
from typer.testing import CliRunner

from dse.analysis.comparison import Job, job_of
from dse.analysis.constants import Constant, built, constants_of, entering, scores_of
from dse.analysis.flip_points import Rivalry, flip_points
from dse.analysis.marginal import marginal_values
from dse.analysis.sensitivity import Sensitivity, rivals_of
from dse.analysis.tornado import Tornado, tornado
from dse.best_mapping import best_mapping
from dse.catalogue import CatalogueError, Entry, open_catalogue
from dse.catalogue.build import build_chips
from dse.catalogue.locate import shipped_root
from dse.cli import app
from dse.reporting.sensitivity import write_sensitivity
from dse.reporting.sensitivity_data import sensitivity_json
from dse.reporting.sensitivity_text import sensitivity_text

MOST = 16


@pytest.fixture(scope="module")
def job() -> Job:
    return job_of(catalogue(), "llama-3.1-8b", "chat", "tco", most_chips=MOST)


def chip_entry(name: str) -> Entry:
    return catalogue().entry("chip", name)


TRIED = ("economics.utilisation", "economics.electricity_price", "price.buy", "execution.overlap", "silicon.mac_area")
"""Paths of the constants that are tried against a rival: of both chips, of one, and some that turn nothing."""


@pytest.fixture(scope="module")
def h100(job: Job) -> Tornado:
    chip = chip_entry("h100-sxm")
    return tornado(chip, entering(constants_of([chip], job), [chip], job), job)


@pytest.fixture(scope="module")
def close(job: Job) -> Rivalry:
    """Two chips of nearly the same dollars a token, so that much can turn their order."""
    pair = [chip_entry("h100-sxm"), chip_entry("h200-sxm")]
    tried = [one for one in constants_of(pair, job) if one.path in TRIED or one.path.endswith("_efficiency")]
    return flip_points(*pair, entering(tried, pair, job), job)


@pytest.fixture(scope="module")
def whole(h100: Tornado, close: Rivalry, job: Job) -> Sensitivity:
    chip = chip_entry("h100-sxm")
    return Sensitivity(chip, job, marginal_values(chip, job), h100, [close])


def edited(folder: Path, file: str, table: str, key: str, value: str) -> float:
    """Tokens per dollar of an H100 from a copy of the catalogue in which one line of one file has another value."""
    for name in ("models", "search_spaces"):
        shutil.copytree(shipped_root() / name, folder / name)
    path = folder / file
    text = path.read_text(encoding="utf-8")
    old = line_of(text, key, table)
    assert "low" in old
    start = text.index(table)
    path.write_text(
        text[:start] + text[start:].replace(old, f'{key} = {{ value = {value}, kind = "assumed", note = "x" }}', 1)
    )
    own = open_catalogue()
    own.roots = (folder,)
    there = job_of(own, "llama-3.1-8b", "chat", "tco", most_chips=MOST)
    chip = build_chips(own.entry("chip", "h100-sxm").values, own.library)
    best = best_mapping(chip, there.transformer, there.requests, there.assumptions, mappings=there.mappings)
    return float(best.metrics.tokens_per_dollar[0])


@pytest.mark.parametrize(
    ("file", "table", "key"),
    [
        ("models/economics/default.toml", "[economics]", "electricity_price"),
        ("models/economics/default.toml", "[serving]", "draft_tokens"),
        ("models/technology/silicon.toml", "[silicon]", "mac_area"),
        ("models/technology/processes.toml", "[process.5nm]", "logic_leakage"),
        ("models/chips/h100-sxm.toml", "[price]", "buy"),
        ("models/calibration/default.toml", "[profile.gpu-tuned]", "memory_efficiency"),
    ],
)
def test_ends_of_bars_are_what_edited_files_give(
    h100: Tornado, file: str, table: str, key: str, tmp_path: Path
) -> None:
    path = f"{table.strip('[]')}.{key}"
    (bar,) = (bar for bar in h100.bars if bar.constant.path == path and Path(file).stem == bar.constant.entry.name)
    for side, reached in (("low", bar.at_low), ("high", bar.at_high)):
        end = getattr(bar.constant.cited, side)
        unit = {"1": "", "mm2": " mm2", "USD": " USD", "USD/J": " USD/J", "W/mm2": " W/mm2"}[bar.constant.dimension]
        value = f'"{end!r}{unit}"' if unit else repr(end)
        assert edited(tmp_path / side, file, table, key, value) == pytest.approx(reached, rel=1e-9)


def test_bars_are_sorted_and_every_constant_is_told(h100: Tornado, job: Job) -> None:
    swings = [bar.swing for bar in h100.bars]
    assert swings == sorted(swings, reverse=True)
    chip = chip_entry("h100-sxm")
    ranged = [constant for constant in entering(constants_of([chip], job), [chip], job) if constant.ranged]
    assert len(ranged) == len(h100.bars) + len(h100.idle)
    kinds = {constant.entry.kind for constant in ranged}
    assert kinds >= {"chip", "technology", "economics", "calibration", "software"}
    assert scores_of([built(chip, job)], job).tokens_per_dollar[0] == h100.tokens_per_dollar


def test_a_rent_that_nobody_pays_is_idle(h100: Tornado) -> None:
    """On the basis tco a market rent moves nothing, a market price does."""
    assert "price rent (h100-sxm)" in h100.idle
    assert any(bar.constant.path == "price.buy" for bar in h100.bars)


def both(rivalry: Rivalry, constant: Constant, value: float, job: Job) -> np.ndarray:
    pair = (chip_entry(rivalry.chip), chip_entry(rivalry.rival))
    return scores_of([built(one, job, constant, value) for one in pair], job).tokens_per_dollar


def test_at_a_flip_point_both_cost_the_same(close: Rivalry, job: Job) -> None:
    crossings = [flip for flip in close.flips if not flip.jump]
    assert crossings
    ahead = close.tokens_per_dollar[0] >= close.tokens_per_dollar[1]
    for flip in crossings:
        mine, other = both(close, flip.constant, flip.value, job)
        assert mine == pytest.approx(other, rel=1e-3), flip.constant.label
        beyond = flip.value + 0.02 * (flip.value - flip.constant.value)
        mine, other = both(close, flip.constant, beyond, job)
        assert (mine >= other) != ahead, flip.constant.label
        low, high = flip.constant.range
        assert flip.inside == (low <= flip.value <= high)
        assert flip.above == (flip.value > flip.constant.value)


def test_constants_that_both_share_move_in_both(close: Rivalry, job: Job) -> None:
    pair = [chip_entry(name) for name in (close.chip, close.rival)]
    shared = next(constant for constant in constants_of(pair, job) if constant.path == "economics.utilisation")
    now, then = both(close, shared, shared.value, job), both(close, shared, shared.value / 2.0, job)
    assert (then < now).all()
    own = next(constant for constant in constants_of(pair, job) if constant.key == "chip/h200-sxm/price.buy")
    now, then = both(close, own, own.value, job), both(close, own, 2.0 * own.value, job)
    assert now[0] == then[0]
    assert then[1] < now[1]


def test_the_price_at_which_a_rival_wins(close: Rivalry) -> None:
    """Dearer for the one that leads, cheaper for the other: the same turn from both ends."""
    prices = {flip.constant.entry.name: flip for flip in close.flips if flip.constant.path == "price.buy"}
    leader = close.chip if close.tokens_per_dollar[0] >= close.tokens_per_dollar[1] else close.rival
    assert prices[leader].above
    assert all(not flip.above for name, flip in prices.items() if name != leader)


def test_rivals(job: Job) -> None:
    chip = chip_entry("h100-sxm")
    (cheapest,) = rivals_of(catalogue(), job, chip, [])
    assert cheapest.name != chip.name
    for name, rule in (("h100-sxm", "is the chip itself"), ("h1000", "unknown chip")):
        with pytest.raises(CatalogueError, match=rule):
            rivals_of(catalogue(), job, chip, [name])
    large = job_of(catalogue(), "deepseek-v3", "reasoning", "tco", most_chips=MOST)
    with pytest.raises(CatalogueError, match=r"cannot do the job under any mapping: .*rtx-3090"):
        rivals_of(catalogue(), large, chip, ["rtx-3090"])


def test_the_tables_fit_in_100_columns(whole: Sensitivity) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(sensitivity_text(whole))
    lines = console.export_text().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 100
    text = "\n".join(lines)
    assert "…" not in text
    for heading in ("Marginal values", "Ranges of constants", "Flip points against h200-sxm", "[epo] "):
        assert heading in text


def test_the_report(whole: Sensitivity, tmp_path: Path) -> None:
    page = write_sensitivity(tmp_path / "out", whole)
    assert page.read_text().startswith("<!")
    assert {path.name for path in (tmp_path / "out/figures").iterdir()} >= {"tornado.png", "marginal-values.svg"}
    assert json.loads((tmp_path / "out/sensitivity.json").read_text()) == json.loads(
        json.dumps(sensitivity_json(whole))
    )


@pytest.mark.slow
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a hopeless rival, which no constant within its range lets win."""
    monkeypatch.chdir(tmp_path)
    job = ["--model", "llama-3.1-8b", "--most-chips", str(MOST)]
    done = CliRunner().invoke(app, ["sensitivity", "b200-sxm", *job, "--against", "v100-32gb-sxm", "--json"])
    assert done.exception is None, done.exception
    document = json.loads(done.stdout)
    assert document["feasible"] is True
    for row in document["tornado"]:
        low, high = row["range"]["low"], row["range"]["high"]
        assert low <= row["range"]["value"] <= high
        assert row["source"] or row["note"], row["name"]
    assert {row["unit"] for row in document["marginal_values"]} >= {"mm2", "MB", "GB/s", "GB", "W", "USD", "USD/GB"}
    (rivalry,) = document["flip_points"]
    assert rivalry["rival"] == "v100-32gb-sxm"
    assert rivalry["chip_leads"] is True
    assert not [flip for flip in rivalry["flips"] if flip["inside_range"] and not flip["at_a_step"]]


def test_a_chip_that_cannot_do_the_job_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    job = ["--model", "deepseek-v3", "--traffic", "reasoning", "--most-chips", "1"]
    done = CliRunner().invoke(app, ["sensitivity", "rtx-3090", *job, "--json"])
    assert done.exit_code == 0, done.exception
    document = json.loads(done.stdout)
    assert document["feasible"] is False
    assert document["reasons"]
    text = CliRunner().invoke(app, ["sensitivity", "rtx-3090", *job]).stdout
    assert "infeasible under every mapping" in text


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["h1000", "--model", "llama-3.1-8b"], "unknown chip"),
        (["h100-sxm", "--model", "lama"], "unknown transformer"),
        (["h100-sxm", "--model", "llama-3.1-8b", "--traffic", "chatt"], "unknown traffic"),
        (["h100-sxm", "--model", "llama-3.1-8b", "--price-basis", "steal"], "unknown price basis"),
        (["h100-sxm", "--model", "llama-3.1-8b", "--against", "nothing"], "unknown chip"),
    ],
)
def test_wrong_names(arguments: list[str], rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["sensitivity", *arguments])
    assert isinstance(done.exception, CatalogueError)
    assert rule in str(done.exception.problems[0])
