"""The report of number formats: its region by direct evaluation, its sentences from its tables, its search."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from dse.analysis.comparison import Job, job_of
from dse.analysis.format_chips import bought_by
from dse.analysis.format_noise import noise_levels, samples
from dse.analysis.logarithmic import DIVISIONS, SCALES, divided, tokens_per_dollar
from dse.best_mapping import best_mapping
from dse.catalogue import open_catalogue
from dse.catalogue.locate import shipped_root
from dse.catalogue.schema_report import FormatsTable
from dse.evaluate import hardware_of
from dse.hardware.chip import Chip
from dse.numerics.parameters import Logarithmic, Quantiser, Scaling
from dse.reporting.format_answers import SHARED, answers_of, narrowest, number, sentences_of, winning_areas
from dse.reporting.format_tables import FREE, Row, on_front
from dse.search.samplers.redesign import Effort

CATALOGUE = open_catalogue()
FOLDER = shipped_root() / "reports" / "formats"
TABLES = ("quality", "tokens", "region", "logarithms", "weights")
SENTENCES = 4


@cache
def plan() -> FormatsTable:
    found: FormatsTable | None = getattr(CATALOGUE.entry("report", "formats").document, "formats")  # noqa: B009
    assert found is not None
    return found


@cache
def table(name: str) -> tuple[Row, ...]:
    return tuple(csv.DictReader((FOLDER / f"{name}.csv").read_text().splitlines()))


@cache
def job(traffic: str) -> Job:
    asked = plan().logarithmic
    return job_of(CATALOGUE, asked.model, traffic, asked.price_basis, most_chips=64)


@cache
def dies(traffic: str) -> Chip:
    """The die of the logarithmic chip in all its divisions."""
    return divided(CATALOGUE.entry("chip", plan().logarithmic.chip), job(traffic))


def direct(traffic: str, area: float, energy: float, bits: float) -> float:
    """Tokens per dollar in float64 of a die whose arrays are PAL8's in silicon, with the format written out."""
    chips, asked = dies(traffic), job(traffic)
    count = len(chips.matrix.units)
    held = dict.fromkeys(("weight", "expert_weight", "state", "activation"), np.full(count, bits / 8.0))
    rate = np.full(count, float(CATALOGUE.entry("format", "pal8").values["mac_area_ratio"]) / area)
    chips = replace(chips, numerics=replace(chips.numerics, rate=rate, mac_energy_ratio=np.full(count, energy), **held))
    best = best_mapping(chips, asked.transformer, asked.requests, asked.assumptions, mappings=asked.mappings)
    return float(np.where(best.metrics.worst_limit <= 0.0, best.metrics.tokens_per_dollar, 0.0).max())


@pytest.mark.parametrize("traffic", ["reasoning", "batch"])
def test_the_sign_of_the_region_by_direct_evaluation(traffic: str) -> None:
    rows = [row for row in table("region") if row["traffic"] == traffic and row["format"] == FREE]
    for rival in ("fp8-e4m3", "mxfp4"):
        entry = CATALOGUE.entry("format", rival)
        beaten = direct(traffic, *(float(entry.values[key]) for key in ("mac_area_ratio", "mac_energy_ratio", "bits")))
        ordered = sorted(rows, key=lambda row, rival=rival: float(row[f"over_{rival}"]))
        clear = [row for row in ordered if abs(np.log(float(row[f"over_{rival}"]))) > 0.05]
        for row in (clear[0], clear[len(clear) // 3], clear[2 * len(clear) // 3], clear[-1]):
            here = direct(traffic, *(float(row[key]) for key in ("area_ratio", "energy_ratio", "bits")))
            assert (here > beaten) == (float(row[f"over_{rival}"]) > 1.0), row


def test_the_region_hangs_on_what_its_caption_says() -> None:
    """Half of the area of a multiply-accumulate is worth little where memory binds, and much where arithmetic does."""
    chip = CATALOGUE.entry("chip", plan().logarithmic.chip)
    points = np.array([[0.4, 0.24, 8.0], [0.2, 0.24, 8.0], [0.4, 0.24, 4.0]])
    gains = {name: tokens_per_dollar(chip, job(name), points)[0] for name in ("reasoning", "batch")}
    area, bits = ({name: gain[one] / gain[0] for name, gain in gains.items()} for one in (1, 2))
    assert 1.0 <= area["reasoning"] < 1.1
    assert area["batch"] > 1.25
    assert bits["reasoning"] > 1.5 > bits["batch"]


def test_every_division_fills_the_same_die() -> None:
    asked, chips = job("batch"), dies("batch")
    entry = CATALOGUE.entry("chip", plan().logarithmic.chip)
    areas = np.asarray(hardware_of(chips, asked.assumptions).area.total)
    assert len(areas) == len(DIVISIONS)
    assert areas == pytest.approx(np.full(len(areas), areas[0]), rel=1e-5)
    same = np.asarray(chips.matrix.units) == float(entry.values["matrix.units"])
    assert np.asarray(chips.sram.capacity)[same] == pytest.approx(float(entry.values["sram.capacity"]), rel=1e-4)


def test_the_sentences_say_what_the_tables_hold() -> None:
    answers = answers_of({name: table(name) for name in TABLES}, plan())
    stored = {row["name"]: number(row, "value") for row in table("answers")}
    assert stored.keys() == answers.keys()
    for name, value in answers.items():
        assert stored[name] == pytest.approx(value, rel=1e-4, nan_ok=True), name
    sentences = sentences_of(answers, plan())
    assert len(sentences) == SENTENCES
    assert (FOLDER / "answers.txt").read_text().splitlines() == sentences


def test_the_answers_follow_the_tables() -> None:
    """Other numbers in the tables are other numbers in the sentences."""
    tables = {name: table(name) for name in TABLES}
    before = answers_of(tables, plan())
    doubled = [{**row, "over_mxfp4": str(2.0 * float(row["over_mxfp4"]))} for row in table("region")]
    after = answers_of({**tables, "region": doubled}, plan())
    assert after["ratio.mxfp4.batch"] == pytest.approx(2.0 * before["ratio.mxfp4.batch"])
    equal = "area_at_equal_accuracy.plain.mxfp4.batch"
    assert after[equal] > before[equal]
    assert after["ratio.fp8-e4m3.batch"] == before["ratio.fp8-e4m3.batch"]
    assert sentences_of(after, plan()) != sentences_of(before, plan())


def test_a_logarithm_may_have_the_scales_that_its_rivals_have() -> None:
    """Blocks save bits at equal accuracy, beside 4 bits with scales in e4m3 alone: what the README says."""
    rows, answers = table("logarithms"), answers_of({name: table(name) for name in TABLES}, plan())
    powers = [row for row in rows if row["scale"] == "e8m0"]
    for rival, bits in (("fp8-e4m3", (8.0, 7.25, 7.25)), ("mxfp4", (5.0, 4.25, 5.25))):
        level = answers[f"qsnr.{rival}"] - plan().logarithmic.as_accurate
        found = (*(answers[f"bits.{shared}.{rival}"] for shared in SHARED), narrowest(powers, level, "blocks")["bits"])
        assert found == bits
        assert all(answers[f"reaches.{shared}.{rival}"] >= level for shared in SHARED)
    exact = narrowest(rows, answers["qsnr.mxfp4"], "blocks")
    assert (exact["bits"], exact["block"]) == (4.5, 16.0)


def test_without_blocks_none_is_told() -> None:
    tables = {name: table(name) for name in TABLES}
    plain = [row for row in table("logarithms") if row["block"] == "0"]
    answers = answers_of({**tables, "logarithms": plain}, plan())
    assert np.isnan(answers["bits.blocks.mxfp4"])
    assert "or no width of these with a scale per block; that" in sentences_of(answers, plan())[1]


def test_areas_at_the_ends_of_what_was_looked_at_are_called_that() -> None:
    answers = answers_of({name: table(name) for name in TABLES}, plan())
    where = [f"area_at_equal_accuracy.plain.mxfp4.{traffic}" for traffic in ("reasoning", "chat", "batch")]
    mixed = answers | dict(zip(where, (np.nan, 0.6, 0.2), strict=True))
    text = winning_areas(mixed, "mxfp4", plan(), "plain")
    assert text.startswith("where its multiply-accumulate takes less than 0.20 (batch) of a bf16 one")
    assert text.endswith("(nowhere from 0.1 on in reasoning and up to 0.6 and more in chat)")
    none = answers | dict.fromkeys(where, np.nan)
    assert winning_areas(none, "mxfp4", plan(), "plain") == "nowhere from 0.1 on in reasoning, chat and batch"


def test_the_committed_noise_of_logarithms_is_measured() -> None:
    drawn = {"outlier-channels": samples()["outlier-channels"]}
    for row in [row for row in table("logarithms") if (row["integer"], row["fraction"]) == ("2", "1")]:
        scaling = Scaling(int(row["block"]), row["rule"], row["scale"], tensor_scale=row["scale"] == "e4m3")
        assert (scaling in SCALES) == (row["block"] != "0")
        found = noise_levels(Quantiser(Logarithmic(2, 1), scaling), drawn)
        assert found["outlier-channels"] == pytest.approx(float(row["outlier-channels_db"]), abs=0.01)


def test_the_committed_quality_is_that_of_the_catalogue() -> None:
    for row in table("quality"):
        values = CATALOGUE.entry("format", row["format"]).values
        assert float(row["bits"]) == pytest.approx(float(values["bits"]))
        assert float(row["area_ratio"]) == pytest.approx(float(values["mac_area_ratio"]))
    cost, level = np.array([[float(row["area_times_bits"]), float(row["qsnr_db"])] for row in table("quality")]).T
    assert on_front(cost, level) == [row["front_qsnr"] == "True" for row in table("quality")]


def test_a_space_is_searched_alike_for_all_formats() -> None:
    effort = Effort(islands=2, designs=16, rounds=1, children=12, seed=3)
    found = [bought_by(CATALOGUE, "lemurian", ("bf16", "fp8-e4m3", "mxfp4"), effort) for _ in range(2)]
    values = [np.asarray(one.metrics.tokens_per_dollar) for one in found]
    assert values[0].tolist() == values[1].tolist()
    assert np.all(np.asarray(found[0].metrics.worst_limit) <= 0.0)
    assert values[0][0] < values[0][1] < values[0][2]
