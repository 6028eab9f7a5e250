"""`dse silicon` and its report from end to end: the documented document, files of the user, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typed import run

from dse.catalogue import CatalogueError, open_catalogue

KEYS = {"chip", "die_area_mm2", "power_w", "yield", "slack", "dies"}
ROOM = {"edge", "reticle", "silicon", "power_density", "power", "sram_bandwidth", "rack"}


pytestmark = pytest.mark.usefixtures("elsewhere")


def document(*arguments: str) -> dict:
    result = run("silicon", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def check_document(found: dict) -> None:
    """The keys of the contract, parts that come to the totals, shares that are shares."""
    assert set(found) == KEYS
    for total in (found["die_area_mm2"], found["power_w"]):
        assert set(total) == {"modelled", "published", "parts"}
        assert sum(total["parts"].values()) == pytest.approx(total["modelled"], rel=1e-9)
        assert all(part >= -1e-6 for part in total["parts"].values())
    assert 0.0 < found["yield"] <= 1.0
    assert set(found["slack"]) == ROOM
    in_dies = sum(die["count"] * die["area_mm2"]["modelled"] for die in found["dies"])
    assert in_dies == pytest.approx(found["die_area_mm2"]["modelled"], rel=1e-9)


def test_one_chip() -> None:
    found = document("a100")
    check_document(found)
    assert found["chip"] == "a100-80gb-sxm"
    assert found["die_area_mm2"]["published"] == 826.0
    assert found["power_w"]["published"] == 400.0
    assert found["slack"]["rack"] is None


def test_every_chip() -> None:
    result = run("silicon", "--all", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert [one["chip"] for one in found] == sorted(open_catalogue().files("chip"))
    for one in found:
        check_document(one)


def test_dies_of_two_kinds_and_a_die_nobody_published() -> None:
    kinds = document("mi300x")["dies"]
    assert [(kind["count"], kind["node"]) for kind in kinds] == [(8, "5nm"), (4, "6nm")]
    assert [kind["area_mm2"]["published"] for kind in kinds] == [pytest.approx(110.0), pytest.approx(370.0)]
    assert [kind["standing"] for kind in kinds] == ["estimate", "estimate"]
    compute, base = document("mi355x")["dies"]
    assert (compute["standing"], base["standing"], base["area_mm2"]["published"]) == ("published", None, None)
    assert document("tpu-v7")["die_area_mm2"]["published"] is None
    assert document("m1-max")["die_area_mm2"]["published"] is None  # of a system, of which the model has a part


def test_the_text_has_parts_room_and_sources() -> None:
    text = run("silicon", "h100-sxm").output
    for words in ("die area", "814 mm2", "memory interface", "full load", "room left", "GH100", "Epoch AI"):
        assert words in text
    text = run("silicon", "--all").output
    for words in ("M1 Max", "~ not published", "die area, published, not fitted", "power, published, others"):
        assert words in text


def test_a_file_a_voltage_and_a_rack(elsewhere: Path) -> None:
    """A lower supply saves power at a lower clock; a rack that feeds too little leaves no room."""
    text = open_catalogue().find("chip", "h100").read_text(encoding="utf-8")
    text = text.replace('name = "h100-sxm"', 'name = "mine"', 1)
    text = "\n".join("aliases = []" if line.startswith("aliases") else line for line in text.splitlines())
    low = text.replace("[matrix]", 'voltage = "0.6 V"\n\n[matrix]', 1)
    low += '\n[rack]\nchips = { value = 32, kind = "assumed", note = "x" }\n'
    low += 'power = { value = "30 kW", kind = "assumed", note = "x" }\n'
    (elsewhere / "mine.toml").write_text(low, encoding="utf-8")
    nominal, lower = document("h100-sxm"), document(str(elsewhere / "mine.toml"))
    assert lower["power_w"]["modelled"] < 0.8 * nominal["power_w"]["modelled"]
    assert lower["die_area_mm2"]["modelled"] == pytest.approx(nominal["die_area_mm2"]["modelled"], rel=1e-9)
    assert lower["slack"]["rack"] < 0.0
    evaluated = run("evaluate", "--chip", str(elsewhere / "mine.toml"), "--model", "llama-3.1-8b", "--json")
    answer = json.loads(evaluated.output)
    assert not answer["feasible"]
    assert any("rack" in reason for reason in answer["reasons"])
    assert answer["slack"]["rack_power"] < 0.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give either a chip or --all"),
        (("h100-sxm", "--all"), "give either a chip or --all"),
        (("h100-sx",), "did you mean 'h100-sxm'"),
    ],
)
def test_wrong_input_says_what_to_do(arguments: tuple[str, ...], words: str) -> None:
    result = run("silicon", *arguments)
    assert isinstance(result.exception, CatalogueError)
    assert words in str(result.exception)


def test_the_report_is_made_by_its_recipe(elsewhere: Path) -> None:
    result = run("report", "silicon", "--output", str(elsewhere / "out"), "--json")
    assert result.exit_code == 0, result.output
    files = {Path(path).name for path in json.loads(result.output)["files"]}
    assert files == {"areas.csv", "power.csv", "summary.csv", "areas.png", "power.png"}
    assert all((elsewhere / "out" / "figures" / name).stat().st_size > 10_000 for name in ("areas.png", "power.svg"))
