"""dse cost, dse breakeven, dse report money, buyers, volumes and price bases from end to end."""

from __future__ import annotations

import csv
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typed import run

from dse.analysis.published_money import read_published
from dse.catalogue import CatalogueError, open_catalogue
from dse.catalogue.locate import shipped_root
from dse.commands.breakeven import is_space

JOB = ("--model", "llama-3.1-8b", "--traffic", "batch", "--most-chips", "8")


@cache
def document(*words: str) -> Any:
    """What a command prints, worked out once for all tests."""
    result = run(*words, "--json")
    assert result.exit_code == 0, result.stdout + str(result.exception)
    return json.loads(result.stdout)


def refused(*words: str) -> str:
    """What a command says that is refused."""
    result = run(*words)
    assert isinstance(result.exception, CatalogueError), result.stdout
    return "\n".join(str(problem) for problem in result.exception.problems)


@pytest.mark.parametrize("name", ["h100-sxm", "wse-3", "matx-one"])
def test_cost_is_exactly_four_totals_with_ranges_and_parts(name: str) -> None:
    found = document("cost", name)
    assert list(found) == ["make_usd", "buy_usd", "rent_usd_per_hour", "tco_usd_per_hour"]
    for one in found.values():
        assert list(one) == ["total", "low", "high", "parts"]
        assert one["low"] <= one["total"] <= one["high"]
        assert sum(one["parts"].values()) == pytest.approx(one["total"], rel=1e-9)


def test_cost_text_names_sources_and_dates() -> None:
    text = run("cost", "h100-sxm").stdout
    for said in (
        "Cost to make",
        "vendor margin",
        "read 2026-04-22",
        "SemiAnalysis DGX H100 bill of materials",
        "4 year",
    ):
        assert said in text


def test_a_rent_below_ownership_is_explained() -> None:
    """And only there; the document keeps its parts."""
    assert document("cost", "gh200")["rent_usd_per_hour"]["parts"]["renter_margin"] < 0.0
    said = "Market rent is below the modelled cost of ownership"
    assert said in run("cost", "gh200").stdout
    assert said not in run("cost", "h100-sxm").stdout


def test_a_neocloud_pays_more_to_own_and_the_same_to_make() -> None:
    big, small = (document("cost", "b200-sxm", "--buyer", buyer) for buyer in ("hyperscaler", "neocloud"))
    assert small["tco_usd_per_hour"]["total"] > big["tco_usd_per_hour"]["total"]
    assert small["make_usd"]["total"] == big["make_usd"]["total"]


def test_a_volume_adds_development_to_a_chip_without_market_price_only() -> None:
    plain, built = (document("cost", "matx-one", *more) for more in ((), ("--volume", "10000")))
    assert plain["make_usd"]["parts"]["development"] == 0.0
    added = built["make_usd"]["parts"]["development"]
    assert built["make_usd"]["total"] == pytest.approx(plain["make_usd"]["total"] + added)
    assert added > 1000.0
    assert document("cost", "h100-sxm", "--volume", "10000") == document("cost", "h100-sxm")


def test_evaluate_takes_buyer_and_volume() -> None:
    found = document("evaluate", "--chip", "matx-one", *JOB, "--buyer", "neocloud", "--volume", "20000")
    assert (found["buyer"], found["volume"]) == ("neocloud", 20000.0)
    plain = document("evaluate", "--chip", "matx-one", *JOB)
    cost = "usd_per_million_output_tokens"
    assert found["metrics"][cost] > plain["metrics"][cost]


def test_different_bases_are_refused_unless_asked_for() -> None:
    asked = ("compare", "--chips", "h100-sxm@rent,b200-sxm", *JOB)
    text = refused(*asked)
    assert "rent" in text
    assert "--mixed-bases" in text
    found = document(*asked, "--mixed-bases")
    assert found["mixed_bases"] is True
    assert {row["chip"]: row["price_basis"] for row in found["chips"]} == {"h100-sxm": "rent", "b200-sxm": "tco"}
    assert "DIFFERENT PRICE BASES" in run(*asked, "--mixed-bases").stdout


def test_one_chip_on_every_basis() -> None:
    chips = ",".join(f"h100-sxm@{basis}" for basis in ("make", "buy", "rent", "tco"))
    found = document("compare", "--chips", chips, *JOB, "--mixed-bases")
    hourly = {row["price_basis"]: row["metrics"]["usd_per_hour_per_chip"] for row in found["chips"]}
    assert hourly["make"] < hourly["buy"]
    assert hourly["tco"] < hourly["rent"] == pytest.approx(2.95)


def test_break_even_is_where_the_two_costs_meet() -> None:
    found = document("breakeven", "matx-one", "--against", "h100-sxm", *JOB)
    assert found["never"] is False
    volume = found["break_even_chips"]["value"]
    assert found["break_even_chips"]["low"] < volume < found["break_even_chips"]["high"]
    (here,) = [point for point in found["volumes"] if point["chips"] == pytest.approx(volume)]
    wanted = found["against_usd_per_million_output_tokens"]
    assert here["usd_per_million_output_tokens"] == pytest.approx(wanted, rel=1e-6)
    assert sum(found["development_usd"]["parts"].values()) == pytest.approx(found["development_usd"]["total"])
    assert found["break_even_tokens_per_s"] > 0.0


def test_break_even_agrees_with_evaluate_at_that_volume(tmp_path: Path) -> None:
    """The same chip at the margin of a partner, with the development spread over the break-even volume."""
    found = document("breakeven", "matx-one", "--against", "h100-sxm", *JOB)
    text = (
        (shipped_root() / "models/chips/matx-one.toml")
        .read_text()
        .replace('margin = "challenger"', 'margin = "captive"')
    )
    own = tmp_path / "mine.toml"
    own.write_text(
        text.replace('name = "matx-one"', 'name = "mine"').replace('aliases = ["matx"', 'aliases = ["mine-x"')
    )
    volume = str(round(found["break_even_chips"]["value"]))
    scored = document("evaluate", "--chip", str(own), *JOB, "--volume", volume)
    wanted = found["against_usd_per_million_output_tokens"]
    assert scored["metrics"]["usd_per_million_output_tokens"] == pytest.approx(wanted, rel=1e-3)


def test_break_even_that_never_comes_says_why() -> None:
    found = document("breakeven", "a10g", "--against", "b200-sxm", *JOB)
    assert found["never"] is True
    assert found["break_even_chips"]["value"] is None
    assert "nothing to save" in found["reason"]


def test_break_even_of_a_space() -> None:
    found = document("breakeven", "sram-vs-hbm", "--against", "h100-sxm", *JOB, "--trials", "16", "--seed", "1")
    assert found["chip"] == "sram-vs-hbm-best"


def test_a_name_goes_before_an_alias(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`matx` is the name of a space and an alias of a chip: the space is taken, and the command says so."""
    found = open_catalogue()
    assert is_space(found, "matx")
    assert "taken as the space of that name; the chip matx-one answers to it too" in capsys.readouterr().err
    assert is_space(found, "splittable")
    assert not is_space(found, "h100")
    assert capsys.readouterr().err == ""
    own = (shipped_root() / "models/chips/h100-pcie.toml").read_text()
    own = re.sub("^aliases = .*", 'aliases = ["splittable"]', own.replace('"h100-pcie"', '"mine"', 1), flags=re.M)
    (tmp_path / "mine.toml").write_text(own)
    found.adopt("chip", str(tmp_path / "mine.toml"))
    with pytest.raises(CatalogueError, match="is a space and a chip"):
        is_space(found, "splittable")


def test_faults_of_money_name_rule_value_and_way_out() -> None:
    assert "hyperscaler" in refused("cost", "h100-sxm", "--buyer", "bank")
    assert "h100-sxm" in refused("cost", "h100-sxn")
    assert "sram-vs-hbm" in refused("breakeven", "sram-vs-hbn", *JOB)


BAD = {
    "euro": ('buy = { value = "26000 USD"', 'buy = { value = "26000 EUR"', "convert it at the rate of its date"),
    "node": ('node = { value = "5nm"', 'node = { value = "28nm"', "has no interface"),
    "stacks": ('kind = { value = "cowos-s"', 'kind = { value = "organic"', "cannot hold stacks"),
    "die": ('die_area = { value = "814 mm2"', 'die_area = { value = "914 mm2"', "die"),
    "margin": ('margin = "dominant"', 'margin = "generous"', "unknown margin"),
    "price": ('buy = { value = "26000 USD"', 'buy = { value = "-26000 USD"', "out of range"),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_money_is_refused(fault: str, tmp_path: Path) -> None:
    old, new, said = BAD[fault]
    text = (shipped_root() / "models/chips/h100-sxm.toml").read_text()
    assert old in text
    file = tmp_path / "bad.toml"
    file.write_text(text.replace(old, new).replace('name = "h100-sxm"', 'name = "bad"').replace('"h100", ', ""))
    assert said in refused("cost", str(file))


def test_negative_margins_and_missing_prices_are_refused(tmp_path: Path) -> None:
    for folder, name, old, new, said in (
        (
            "economics",
            "default.toml",
            "gross_margin = { value = 0.5, low = 0.3",
            "gross_margin = { value = -0.5, low = -0.9",
            "out of range",
        ),
        ("technology", "links.toml", 'adapter_price = { value = "3.4', 'no_price = { value = "3.4', "missing"),
    ):
        text = (shipped_root() / "models" / folder / name).read_text()
        assert old in text
        file = tmp_path / name
        file.write_text(text.replace(old, new))
        result = run("check", str(file))
        assert result.exit_code == 1
        assert said in result.stdout


def test_the_report_of_money_is_made_again(tmp_path: Path) -> None:
    assert run("report", "money", "--output", str(tmp_path)).exit_code == 0
    texts = [(folder / "money.csv").read_text() for folder in (shipped_root() / "reports/money", tmp_path)]
    tables = [list(csv.DictReader(text.splitlines())) for text in texts]
    assert len(tables[0]) == len(tables[1]) > 30
    for committed, made in zip(*tables, strict=True):
        assert [committed[key] for key in ("chip", "kind", "part")] == [made[key] for key in ("chip", "kind", "part")]
        assert float(made["modelled"]) == pytest.approx(float(committed["modelled"]), rel=0.01)
        assert abs(float(made["distance"])) <= (0.12 if made["kind"].startswith("tco") else 0.15)
    assert (tmp_path / "bills.png").stat().st_size > 10_000


def test_faults_of_published_money_are_all_told(tmp_path: Path) -> None:
    file = tmp_path / "published.csv"
    head = "chip,kind,part,low,high,unit,source,date"
    file.write_text(
        f"{head}\nh100-sxm,make,,3320,3000,USD,x,2023\nh100-sxm,lease,,1,1,USD,x,2023\nh100-sxm,make,,1,1,EUR,x,2023\n"
    )
    with pytest.raises(CatalogueError) as told:
        read_published(file)
    assert [problem.key for problem in told.value.problems] == ["line 2", "line 3", "line 4"]


def test_break_even_is_of_an_owner_against_what_rivals_ask() -> None:
    """One's own chip costs the same to own whatever is asked for the rival; at their cost nobody sells."""
    owned, rented = (
        document("breakeven", "matx-one", "--against", "h100-sxm", *JOB, "--price-basis", basis)
        for basis in ("tco", "rent")
    )
    own = "own_usd_per_million_output_tokens"
    assert owned[own] == pytest.approx(rented[own], rel=1e-9)
    assert (owned["own_price_basis"], rented["own_price_basis"], rented["price_basis"]) == ("tco", "tco", "rent")
    assert rented["break_even_chips"]["value"] < owned["break_even_chips"]["value"]
    assert "nobody sells" in refused("breakeven", "matx-one", "--against", "h100-sxm", *JOB, "--price-basis", "make")
