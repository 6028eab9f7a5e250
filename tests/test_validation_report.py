"""The report of a validation: the data of each figure exactly, then the page, also where nothing could be predicted."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from scipy.stats import norm
from typer.testing import CliRunner

from dse.analysis.cross_validation import FOLDS
from dse.analysis.measurements import COLUMNS as INPUT
from dse.analysis.measurements import Row
from dse.analysis.validation import Prediction, summary
from dse.catalogue import CatalogueError
from dse.catalogue.schema_report import ValidationTable
from dse.cli import app
from dse.reporting.validation import NOTHING, write_validation
from dse.reporting.validation_data import (
    ALL_ROWS,
    COLUMNS,
    PHASES,
    SCORE_COLUMNS,
    Score,
    coverages,
    groups,
    panels,
    scores,
    skipped,
    slower,
    trends,
    worst,
)
from dse.reporting.validation_figures import draw_coverage, draw_panels, draw_residuals, error_limit
from dse.reporting.validation_patterns import explained, patterns, repeats

HALF = 1.5
"""High end of every made-up range over its middle."""


def row(number: int, phase: str, metric: str, value: float, chip: str = "h100-sxm", **numbers: float) -> Row:
    given = {"batch": 4.0, "input_tokens": 1000.0, "output_tokens": 100.0, "tp": 8.0} | numbers
    return Row(number, f"row-{number}", chip, "llama-2-7b", phase, metric, value, "vllm 0.12", {"note": "<&>"}, given)


def off(measured: Row, factor: float, software: str = "vllm", kind: str = "dense below 20B") -> Prediction:
    """A prediction that is so many times what was measured."""
    middle = measured.value * factor
    return Prediction(measured, middle, middle / HALF, middle * HALF, software=software, model_class=kind)


@pytest.fixture
def some() -> list[Prediction]:
    return [
        off(row(1, "prefill", "ttft_s", 0.5), 1.1),
        off(row(2, "prefill", "input_tokens_per_s", 8000.0), 0.5),
        off(row(3, "decode", "output_tokens_per_s", 200.0, batch=8.0), 2.0, "sglang", "many experts"),
        off(row(4, "decode", "output_tokens_per_s_per_user", 50.0, "a100"), 0.8),
        off(row(5, "online", "tpot_s", 0.02, "a100", tp=1.0), 1.25),
        off(row(6, "prefill", "mfu", 0.4, batch=64.0), 1.0),
        Prediction(row(7, "train", "mfu", 0.4), skipped="training is not modelled yet"),
        Prediction(row(8, "online", "ttft_s", 0.4, "h1000"), skipped="unknown chip 'h1000'"),
        Prediction(row(9, "train", "mfu", 0.3), skipped="training is not modelled yet"),
    ]


def test_panels_hold_times_where_rates_have_them(some: list[Prediction]) -> None:
    found = {(panel.phase, panel.unit): panel for panel in panels(some)}
    assert list(found) == [("prefill", "s"), ("prefill", "share of peak"), ("decode", "s"), ("online tpot_s", "s")]
    prefill, decode = found["prefill", "s"], found["decode", "s"]
    assert prefill.measured == pytest.approx([0.5, 4.0 * 1000.0 / 8000.0])
    assert prefill.predicted == pytest.approx([0.55, 1.0])
    assert prefill.low == pytest.approx(prefill.predicted / HALF)
    assert prefill.high == pytest.approx(prefill.predicted * HALF)
    assert decode.measured == pytest.approx([8.0 / 200.0, 1.0 / 50.0])
    assert decode.predicted == pytest.approx([8.0 / 400.0, 1.0 / 40.0])
    assert decode.software == ("sglang", "vllm")
    table = {score.name: score for score in scores(some) if score.table == "summary"}
    assert decode.within_quarter == table["decode"].within_25_percent == 0.5


def test_a_rate_without_batch_stays_a_rate() -> None:
    open_batch = Row(1, "a", "h100", "m", "decode", "output_tokens_per_s", 9.0, "", {}, {"input_tokens": 9.0})
    assert [panel.unit for panel in panels([off(open_batch, 1.0)])] == ["tokens/s"]


def test_residuals_are_of_times_whatever_was_measured(some: list[Prediction]) -> None:
    assert slower(some[0]) == pytest.approx(math.log(1.1))
    assert slower(some[1]) == pytest.approx(math.log(2.0))
    assert slower(some[3]) == pytest.approx(math.log(1.25))
    found = groups(some, "Chip")
    assert found.names == ("h100-sxm", "a100")
    assert found.counts.tolist() == [4, 2]
    assert found.place.tolist() == [0, 0, 0, 1, 1, 0]
    mine = [math.log(1.1), math.log(2.0), -math.log(2.0), 0.0]
    assert found.quartiles[0] == pytest.approx(np.quantile(mine, (0.25, 0.5, 0.75)))
    assert found.quartiles[1] == pytest.approx([math.log(1.25)] * 3)
    assert groups(some, "Model class").names == ("dense below 20B", "many experts")
    assert groups(some, "Software profile").counts.tolist() == [5, 1]
    assert groups(some, "Stated release").names == ("vllm 0.12",)


def test_residuals_along_a_number_are_by_octaves(some: list[Prediction]) -> None:
    batch, _, _, parallel = trends(some)
    assert batch.edges == pytest.approx(np.outer([4.0, 8.0, 64.0], [2.0**-0.5, 2.0**0.5]))
    assert batch.quartiles[1:, 1] == pytest.approx([-math.log(2.0), 0.0])
    at_four = [math.log(1.1), math.log(2.0), math.log(1.25), math.log(1.25)]
    assert batch.quartiles[0, 1] == pytest.approx(np.median(at_four))
    assert parallel.value.tolist() == [8.0, 8.0, 8.0, 8.0, 1.0, 8.0]
    assert np.all((batch.value[:, None] >= batch.edges[:, 0]).any(axis=1))


def test_a_pattern_shows_in_the_medians() -> None:
    grown = [off(row(n, "online", "ttft_s", 1.0, batch=2.0 ** (n % 6)), 1.0 + 0.2 * (n % 6)) for n in range(60)]
    batch = trends(grown)[0]
    assert batch.quartiles[:, 1] == pytest.approx(np.log1p(0.2 * np.arange(6)))
    assert error_limit(batch.error) >= math.log(2.0)


def test_groups_that_err_together_are_told_and_others_are_not() -> None:
    """Ten rows of one chip at 1.5 x the time; ten of another that scatter around what was measured."""
    slow = [off(row(n, "decode", "tpot_s", 1.0, "a100"), 1.5) for n in range(10)]
    even = [off(row(n, "decode", "tpot_s", 1.0, "l40s"), 1.2 if n % 2 else 1.0 / 1.2) for n in range(10, 20)]
    told = [one for one in patterns([*slow, *even]) if one.split == "chip"]
    assert told == [("chip", "a100", 10, pytest.approx(math.log(1.5)))]
    assert told[0].text == "chip a100 (10 rows): 1.50 x too slow"
    rates = [off(row(n, "decode", "output_tokens_per_s", 1.0, "a100"), 1.5) for n in range(10)]
    assert {one.text.rpartition(" ")[2] for one in patterns(rates)} == {"fast"}
    assert not patterns(slow[:7])
    # the chip's mean takes all of ten equal errors away and nothing of ten that cancel
    squares = 10.0 * math.log(1.5) ** 2
    whole = squares + 10.0 * math.log(1.2) ** 2
    assert explained([*slow, *even])["Chip"] == pytest.approx(squares / whole, rel=1e-9)


def test_repeats_are_pairs_of_one_configuration_under_other_software() -> None:
    first, again, other = (row(n, "decode", "tpot_s", value) for n, value in enumerate((1.0, 1.5, 9.0)))
    again = replace(again, software="sglang")
    other = replace(other, software="sglang", numbers=other.numbers | {"batch": 99.0})
    assert repeats([off(one, 1.0) for one in (first, again, other)]) == (1, pytest.approx(math.log(1.5)))


def test_the_page_has_every_phase_under_every_fold(some: list[Prediction], tmp_path: Path) -> None:
    text = write_validation(tmp_path, {NOTHING: some, "chip": some, "chip-model": some}).read_text()
    assert text.count('rowspan="3"') == 3
    for words in (
        "nothing (profiles as they are)",
        "its chip, nor another of its die",
        "the same model on the same chip",
    ):
        assert text.count(f"<td>{words}</td>") == 3


def test_coverage_of_normal_errors_lies_on_the_diagonal() -> None:
    spread = math.log(HALF) / norm.ppf(0.9)
    claimed = (np.arange(400) + 0.5) / 400
    errors = norm.ppf(claimed) * spread
    (found,) = coverages([off(row(n, "decode", "tpot_s", 1.0), math.exp(e)) for n, e in enumerate(errors)])
    assert found.level == pytest.approx(np.sort(np.abs(2.0 * claimed - 1.0)), abs=1e-9)
    assert np.max(np.abs(found.level - found.share)) <= 1.0 / 200.0
    assert found.eighty == pytest.approx(0.8)


def test_coverage_is_by_phase_and_of_all(some: list[Prediction]) -> None:
    found = {one.phase: one for one in coverages(some)}
    assert list(found) == ["prefill", "decode", "online tpot_s", ALL_ROWS]
    assert found["decode"].eighty == 0.5
    assert found["decode"].share.tolist() == [0.5, 1.0]
    assert np.sum(found["decode"].level <= 0.8) == 1
    assert found[ALL_ROWS].level.size == 6
    sure = Prediction(row(1, "decode", "tpot_s", 1.0), 1.1, 1.1, 1.1)
    assert coverages([sure])[0].level.tolist() == [1.0]


def test_scores_are_the_summary_in_order(some: list[Prediction]) -> None:
    found, whole = scores(some), summary(some)
    assert [score.name for score in found if score.table == "summary"] == ["prefill", "decode", "online tpot_s"]
    assert [score.name for score in found if score.table == "by_chip"] == ["h100-sxm", "a100"]
    for score in found:
        names = [field.name for field in fields(Score)][2:]
        assert {name: getattr(score, name) for name in names} == whole[score.table][score.name]


def test_skipped_rows_keep_their_reasons(some: list[Prediction]) -> None:
    reasons = [("training is not modelled yet", 2, ["row-7", "row-9"]), ("unknown chip 'h1000'", 1, ["row-8"])]
    assert skipped(some) == reasons
    assert [one.row.id for one in worst(some, 2)] == ["row-2", "row-3"]


class References(HTMLParser):
    """What a page asks for: every address in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "data")]


def test_the_page_asks_for_nothing_from_elsewhere(some: list[Prediction], tmp_path: Path) -> None:
    page = write_validation(tmp_path, {NOTHING: some})
    text = page.read_text()
    asked = References()
    asked.feed(text)
    files = {name for name in asked.found if not name.startswith("#") and name != "data:,"}
    assert {"rows.csv", "summary.csv", "figures/residuals.svg", "figures/coverage.png"} <= files
    assert all((tmp_path / name).exists() for name in files)
    assert not re.search(r"url\((?!#)|@import|<script", text)
    inside = set(re.findall(r'\bid="([^"]+)"', text))
    assert {name[1:] for name in asked.found if name.startswith("#")} <= inside
    for words in ("80 % range", "training is not modelled yet", "unknown chip &#39;h1000&#39;", "How to read"):
        assert words in text
    assert "6 of them predicted" in text
    assert "seen no row of" not in text
    assert "seen no row of its class of model" in write_validation(tmp_path, {"model": some}).read_text()


def test_tables_hold_every_row_and_every_group(some: list[Prediction], tmp_path: Path) -> None:
    write_validation(tmp_path, {NOTHING: some[:3], "chip-model": some})
    lines = list(csv.DictReader((tmp_path / "rows.csv").read_text().splitlines()))
    assert [one["id"] for one in lines] == [one.row.id for one in (*some[:3], *some)]
    assert [one["fold"] for one in lines] == [NOTHING] * 3 + ["chip-model"] * len(some)
    rows = lines[3:]
    assert float(rows[1]["log_error"]) == pytest.approx(-math.log(2.0))
    assert rows[6]["predicted"] == rows[6]["within_range"] == ""
    assert rows[6]["skipped"] == "training is not modelled yet"
    lines = list(csv.DictReader((tmp_path / "summary.csv").read_text().splitlines()))
    assert list(dict.fromkeys(one["fold"] for one in lines)) == [NOTHING, "chip-model"]
    found = next(one for one in lines[::-1] if one["table"] == "phase" and one["name"] == "decode")
    assert float(found["median_abs_log_error"]) == pytest.approx((math.log(2.0) - math.log(0.8)) / 2.0, rel=1e-5)


def test_the_same_predictions_give_the_same_files(some: list[Prediction], tmp_path: Path) -> None:
    one, other = (write_validation(tmp_path / name, {NOTHING: some, "chip": some}) for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    names = {path.name for path in (tmp_path / "one" / "figures").iterdir()}
    figures = ("coverage", "predicted-measured", "residuals")
    assert names == {f"{name}.{end}" for name in figures for end in ("png", "svg")}
    for name in names:
        assert (one.parent / "figures" / name).read_bytes() == (other.parent / "figures" / name).read_bytes()


@pytest.mark.parametrize(("last", "words"), [(0, "There was no measured row"), (3, "No row could be predicted")])
def test_nothing_predicted_is_a_sentence(some: list[Prediction], tmp_path: Path, last: int, words: str) -> None:
    given = some[len(some) - last :]
    text = write_validation(tmp_path, {NOTHING: given}).read_text()
    assert words in text
    assert "<figure" not in text
    assert (tmp_path / "rows.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 1 + last
    assert (tmp_path / "summary.csv").read_text() == ",".join(SCORE_COLUMNS) + "\n"


def test_every_phase_has_a_colour_and_one_row_can_be_drawn(some: list[Prediction]) -> None:
    for one in some[:6]:
        assert draw_panels(panels([one])).axes
        assert draw_residuals([groups([one], "Chip")], trends([one])).axes
        assert draw_coverage({"it": coverages([one])}).axes
    figure = draw_coverage({"one": coverages(some), "other": coverages(some)})
    assert [axes.get_title() for axes in figure.axes] == ["Not seen: one", "Not seen: other"]
    assert len({line.get_color() for line in figure.legends[0].legend_handles}) == 4
    assert len(PHASES) == 6


def test_a_folder_that_is_a_file_is_a_fault(some: list[Prediction], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(CatalogueError, match="cannot be written"):
        write_validation(tmp_path / "taken", {NOTHING: some})


def test_a_file_without_rows_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(",".join(INPUT) + "\n")
    command = ["validate", str(tmp_path / "rows.csv"), "--report", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "line 1: there is a header and no row under it" in result.stdout
    assert "There was no measured row" in (tmp_path / "out" / "validation.html").read_text()


def test_a_recipe_may_leave_out_what_cross_validation_can() -> None:
    (choices,) = [get_args(one) for one in get_args(ValidationTable.model_fields["left_out"].annotation)[:1]]
    assert set(choices) == {NOTHING, *FOLDS}


RECIPE = """
kind = "report"
name = "mine"
title = "My rows"
[validation]
files = ["rows.csv"]
left_out = ["nothing"]
"""
SOUND = "a,h100-sxm,8,llama-2-70b,bf16,bf16,8,1,,,decode,32,1024,128,tpot_s,0.0135,vllm,A,mine,s,n\n"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of one's own with a recipe and measured rows, the working directory beside it."""
    (tmp_path / "own" / "reports").mkdir(parents=True)
    (tmp_path / "own" / "reports" / "mine.toml").write_text(RECIPE)
    (tmp_path / "own" / "rows.csv").write_text(",".join(INPUT) + "\n" + SOUND)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "own"


def test_a_recipe_of_ones_own_is_a_report(own: Path) -> None:
    result = CliRunner().invoke(app, ["report", "mine", "--catalogue", str(own), "--json"])
    assert result.exception is None, result.exception
    document = json.loads(result.stdout)
    page = document["report"]
    assert Path(page) == Path("results/mine/validation.html")
    assert "1 measured row, 1 of them predicted" in Path(page).read_text()
    (line, *_) = csv.DictReader(Path(document["summary"]).read_text().splitlines())
    told = document["folds"]["nothing"]["summary"]["decode"]
    assert float(line["median_abs_log_error"]) == pytest.approx(told["median_abs_log_error"], rel=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ('files = ["rows.csv"]', 'files = ["absent.csv"]', ("absent.csv", "cannot be read")),
        ('["nothing"]', '["chips"]', ("mine.toml", "left_out", "chips", "chip-model")),
        ("[validation]", "[study]", ("mine.toml", "study.files", "unknown key", "study.space", "missing")),
        (RECIPE[RECIPE.index("[val") :], "", ("mine.toml", "[study], [validation]", "none")),
    ],
)
def test_faults_of_a_recipe_are_told(own: Path, old: str, new: str, parts: tuple[str, ...]) -> None:
    (own / "reports" / "mine.toml").write_text(RECIPE.replace(old, new))
    result = CliRunner().invoke(app, ["report", "mine", "--catalogue", str(own)])
    assert isinstance(result.exception, CatalogueError), result.exception
    text = "\n".join(str(problem) for problem in result.exception.problems)
    for part in parts:
        assert part in text


def test_a_report_leaves_no_faulty_row_out(own: Path) -> None:
    (own / "rows.csv").write_text(",".join(INPUT) + "\n" + SOUND + SOUND.replace("0.0135", "-1").replace("a,", "b,", 1))
    result = CliRunner().invoke(app, ["report", "mine", "--catalogue", str(own)])
    assert isinstance(result.exception, CatalogueError)
    assert [problem.key for problem in result.exception.problems] == ["line 3, value"]
