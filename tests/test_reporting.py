"""Reports: the data of tables and figures first, then the files."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from builders import catalogue
from pyarrow import parquet
from reported import random_study, small_comparison
from rich.console import Console

from dse.analysis.comparison import Comparison
from dse.best_mapping import evaluate_pairs
from dse.evaluate import LIMITS
from dse.reporting import write_report
from dse.reporting.breakdown import chip_time_parts, pass_parts, power_parts, resource_shares, token_time_parts
from dse.reporting.headline import findings, headline_text, pools_text, ratio_range
from dse.reporting.html import dashboard_command, degree, study_text, without_password
from dse.reporting.notes import ranking_notes
from dse.reporting.operators import PHASES, operator_points
from dse.reporting.provenance import entries_of, marked, provenance_rows, works_of
from dse.reporting.results import unit_of
from dse.reporting.summary import binding, binds, limit_numbers, mapping_text, metrics_json, reason_of, reasons
from dse.reporting.tables import (
    StudyRecord,
    limit_rows,
    modelled_costs,
    pools_of,
    price_note,
    price_source,
    ranking,
    rejected,
)
from dse.reporting.terminal import ranking_table
from dse.reporting.winner import the_winner, winner_of
from dse.workload.operators import CLASSES


@pytest.fixture
def comparison() -> Comparison:
    return small_comparison()


@pytest.fixture
def study() -> StudyRecord:
    return random_study()


def test_parts_add_up_to_their_totals(comparison: Comparison) -> None:
    for item in comparison.candidates:
        metrics = item.metrics
        for phase in PHASES:
            work = getattr(metrics, phase)
            assert sum(pass_parts(work).values()) == pytest.approx(float(work.time), rel=1e-9)
            points = [point for point in operator_points(comparison.job, item) if point.phase == phase]
            assert sum(point.time for point in points) == pytest.approx(float(work.demand.time), rel=1e-9)
        assert sum(power_parts(metrics).values()) == pytest.approx(float(metrics.power), rel=1e-9)
        assert sum(token_time_parts(metrics).values()) == pytest.approx(float(metrics.time_per_output_token), rel=1e-9)
        per_token = float(metrics.chips) / float(metrics.output_tokens_per_s)
        assert sum(chip_time_parts(metrics).values()) == pytest.approx(per_token, rel=1e-9)


def test_boundaries_are_all_that_goes_when_an_operator_starts_for_nothing(comparison: Comparison) -> None:
    """Classes hold no fixed time: with none of it they stay, and only the boundaries vanish from the demand."""
    job = comparison.job
    for item in comparison.candidates:
        free = replace(item.chip, execution=replace(item.chip.execution, operator_time=0.0))
        mapping = jax.tree.map(lambda leaf: np.full(1, leaf), item.mapping)
        found = evaluate_pairs(free, job.transformer, job.requests, mapping, job.assumptions)
        for phase in PHASES:
            with_them = pass_parts(getattr(item.metrics, phase))
            without = pass_parts(jax.tree.map(lambda leaf: leaf[0], getattr(found, phase)))
            assert with_them["boundaries"] > without["boundaries"] == 0.0
            for name in CLASSES:
                assert with_them[name] == pytest.approx(without[name], rel=1e-9, abs=1e-15)


def test_a_ratio_inside_its_error_bars_says_so(comparison: Comparison) -> None:
    first, second = ranking(comparison)[:2]
    wide = replace(first, status="found", value_range=(first.value / 9.0, first.value * 9.0))
    sure = replace(second, status="shipping", value_range=(second.value / 1.001, second.value * 1.001))
    low, high = ratio_range(wide, sure)
    assert (low, high) == pytest.approx((first.value / second.value / 9.0, first.value / second.value * 9.0), rel=1e-3)
    assert "leave open which is better" in headline_text([wide, sure], "tokens_per_dollar")
    narrow = replace(wide, value=3.0 * second.value, value_range=(2.9 * second.value, 3.1 * second.value))
    assert "leave open" not in headline_text([narrow, sure], "tokens_per_dollar")


def test_no_operator_beats_its_roofs(comparison: Comparison) -> None:
    for item in comparison.candidates:
        if not item.feasible:
            continue
        chip = item.chip
        for point in operator_points(comparison.job, item):
            assert point.rate <= float(item.metrics.hardware.peak) * (1 + 1e-9)
            assert point.rate <= point.sram_intensity * float(chip.sram.bandwidth) * (1 + 1e-9)
            if np.isfinite(point.memory_intensity) and float(chip.far_memory.bandwidth) == 0.0:
                assert point.rate <= point.memory_intensity * float(chip.memory.bandwidth) * (1 + 1e-9)


def test_what_binds_is_the_busiest_resource(comparison: Comparison) -> None:
    for item in comparison.candidates:
        name, share = binding(item.metrics.decode)
        assert share == max(resource_shares(item.metrics.decode).values())
        assert name
        assert (
            binds(item.metrics) == "power limit"
            if name == "power"
            else f"{100 * min(share, 1):.0f} %" in binds(item.metrics)
        )


def test_reasons_name_each_exceeded_limit_with_its_numbers(comparison: Comparison) -> None:
    bad = next(item for item in comparison.candidates if item.name == "found-bad")
    broken = [name for name in LIMITS if getattr(bad.metrics.limits, name) > 0]
    assert len(reasons(bad.metrics)) == len(broken) > 0
    for name, (need, limit, _) in limit_numbers(bad.metrics).items():
        assert need / limit - 1 == pytest.approx(getattr(bad.metrics.limits, name), abs=1e-9)
    assert reason_of("memory", 3.1) == "needs 4.1 x the memory it has"
    assert all(not reasons(item.metrics) for item in comparison.candidates if item.feasible)


def test_json_is_finite_and_keeps_its_contract(comparison: Comparison) -> None:
    for item in comparison.candidates:
        document = metrics_json(item)
        text = json.dumps(document, allow_nan=False)
        assert json.loads(text) == document
        assert set(document) == {
            "metrics",
            "ranges",
            "mapping",
            "breakdown",
            "binds",
            "feasible",
            "reasons",
            "slack",
            "quality",
        }
        for name, ends in document["ranges"].items():
            assert ends["low"] < ends["value"] == document["metrics"][name] < ends["high"]
        assert all((value is None) != item.feasible for value in document["metrics"].values())
        assert {"prefill", "decode", "area_mm2", "make_usd", "tco_usd_per_hour", "footprint_bytes"} <= set(
            document["breakdown"]
        )
    broken = replace(comparison.candidates[0], metrics=replace(comparison.candidates[0].metrics, power=float("nan")))
    assert metrics_json(broken)["metrics"]["power_w"] is None


def test_mapping_text_says_only_what_is_not_one(comparison: Comparison) -> None:
    mapping = replace(comparison.candidates[0].mapping, tensor_parallel=2.0, pipeline_parallel=1.0, disaggregated=1.0)
    assert mapping_text(mapping).startswith("TP2 ")
    assert mapping_text(mapping).endswith("+P")
    assert "PP" not in mapping_text(mapping)


def test_ranking_is_ordered_and_prices_are_never_mixed_in_silence(comparison: Comparison) -> None:
    rows = ranking(comparison)
    costs = [row.usd_per_million for row in rows]
    assert costs == sorted(costs)
    assert [row.rank for row in rows] == list(range(1, len(rows) + 1))
    assert {row.price_source for row in rows} == {"market", "modelled"}
    assert "mixed" in price_note(comparison)
    assert "'tco'" in price_note(comparison)
    assert [row.name for row in rejected(comparison)] == [i.name for i in comparison.candidates if not i.feasible]


def test_a_modelled_price_changes_only_what_had_a_market_price(comparison: Comparison) -> None:
    costs = modelled_costs(comparison.job, comparison.candidates)
    for item, cost in zip(comparison.candidates, costs, strict=True):
        same = cost == pytest.approx(float(item.metrics.usd_per_output_token), rel=1e-9)
        assert same == (price_source(item) == "modelled")


def test_the_winner_is_the_best_found_design(comparison: Comparison) -> None:
    best = the_winner(comparison)
    assert best is not None
    assert best.name == "found-good"
    winner = winner_of(comparison.job, best)
    for rows in winner.phases.values():
        assert sum(row.share for row in rows) == pytest.approx(1.0)
    slacks = [row.slack for row in winner.limits]
    assert slacks == sorted(slacks)
    assert slacks[0] >= 0


def test_provenance_counts_every_figure(comparison: Comparison) -> None:
    entries = entries_of(catalogue(), comparison)
    for row in provenance_rows(comparison, entries):
        if f"chip/{row.name}" in entries:
            assert sum(row.counts.values()) == len(entries[f"chip/{row.name}"].figures)
    assert len(works_of(entries, catalogue())) > 10


def test_passwords_are_not_shown(study: StudyRecord) -> None:
    assert without_password("sqlite:////tmp/a.db") == "sqlite:////tmp/a.db"
    assert without_password("journal:results/studies.journal") == "journal:results/studies.journal"
    text = study_text(study)
    assert "secret" not in str(text)
    assert "***" in text.facts["Storage"]
    assert "tpu-v6e" in text.facts["Start points"]
    assert text.failures == [("needs more than the memory it has", 2)]


def test_units_of_columns() -> None:
    found = {
        "time_to_first_token_s": "s",
        "output_tokens_per_s": "tokens/s",
        "usd_per_million_output_tokens_modelled_price": "USD/Mtoken",
        "tco_chip_usd_per_hour": "USD/h",
        "make_dies_usd": "USD",
        "power_w_per_chip": "W",
        "area_matrix_mm2": "mm2",
        "chips": "",
    }
    assert {name: unit_of(name) for name in found} == found


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_table_fits_the_terminal(comparison: Comparison, width: int) -> None:
    console = Console(width=width, file=io.StringIO())
    console.print(ranking_table(comparison, width))
    text = console.file.getvalue()
    assert "…" not in text
    assert "found-good" in text
    assert "found-bad" in text


def test_a_report_is_whole_and_repeats(comparison: Comparison, study: StudyRecord, tmp_path: Path) -> None:
    page = write_report(tmp_path / "a", comparison, study, catalogue())
    again = write_report(tmp_path / "b", comparison, study, catalogue())
    text = page.read_text(encoding="utf-8")
    assert text == again.read_text(encoding="utf-8")
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file() and path.suffix != ".parquet":
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes(), path
    assert text.startswith("<!doctype html>")
    assert "secret" not in text
    assert not re.search(r'(src|href)="(https?:)?//', text)
    assert "@import" not in text
    assert "<script" not in text
    identifiers = re.findall(r'\sid="([^"]+)"', text)
    assert len(identifiers) == len(set(identifiers))
    for name in ("fronts", "times", "parts", "roofline", "heat-map", "history"):
        assert f'id="figure-{name}"' in text
        assert (tmp_path / "a" / "figures" / f"{name}.png").stat().st_size > 10_000
    table = parquet.read_table(tmp_path / "a" / "results.parquet")
    rows = list(csv.DictReader((tmp_path / "a" / "results.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == table.num_rows == len(comparison.candidates)
    assert table.schema.field("power_w").metadata[b"unit"] == b"W"
    assert rows[0]["name"] == comparison.candidates[0].name
    expected = 1e6 * float(comparison.candidates[0].metrics.usd_per_output_token)
    assert float(rows[0]["usd_per_million_output_tokens"]) == pytest.approx(expected)
    low, high = comparison.candidates[0].range_of("usd_per_output_token")
    assert float(rows[0]["low_usd_per_million_output_tokens"]) == pytest.approx(1e6 * low)
    assert float(rows[0]["high_usd_per_million_output_tokens"]) == pytest.approx(1e6 * high)
    assert table.schema.field("low_time_to_first_token_s").metadata[b"unit"] == b"s"
    assert rows[-1]["feasible"] == "False"
    assert rows[-1]["low_usd_per_million_output_tokens"] == ""


def test_a_report_without_a_feasible_chip(comparison: Comparison, tmp_path: Path) -> None:
    bad = [item for item in comparison.candidates if not item.feasible]
    empty = replace(comparison, candidates=bad)
    assert findings(ranking(empty))[0].label == "Nothing feasible"
    text = write_report(tmp_path, empty, None, catalogue()).read_text(encoding="utf-8")
    assert "No candidate keeps every limit" in text
    assert reasons(bad[0].metrics)[0] in text


def test_leaves_of_metrics_are_plain(comparison: Comparison) -> None:
    assert all(isinstance(leaf, float) for leaf in jax.tree.leaves(comparison.candidates[0].metrics))


def test_a_chip_of_hypothetical_figures_is_called_hypothetical(comparison: Comparison) -> None:
    announced = [replace(item, name="matx-one", status="announced") for item in comparison.candidates[:1]]
    mixed = replace(comparison, candidates=[*announced, *comparison.candidates])
    statuses = [item.status for item in marked(mixed, catalogue()).candidates]
    assert statuses == ["hypothetical", *(item.status for item in comparison.candidates)]


def test_the_headline_says_what_each_side_rests_on(comparison: Comparison) -> None:
    rows = ranking(comparison)
    text = headline_text(rows, "tokens_per_dollar")
    found = next(row for row in rows if row.status == "found")
    used = next(row for row in rows if row.status == "shipping")
    for row in (found, used):
        assert f"weights {row.weights}, KV cache {row.kv_cache}, {row.price_source} price" in text
    assert text.startswith(f"{used.usd_per_million / found.usd_per_million:.3g}")
    assert any(found.weights in note.text for note in findings(rows))


def test_a_ranking_shows_what_it_is_ranked_by(comparison: Comparison) -> None:
    job = replace(comparison.job, objective="tokens_per_joule")
    feasible = [item for item in comparison.candidates if item.feasible]
    best_first = sorted(feasible, key=lambda item: -float(item.metrics.tokens_per_joule))
    by_energy = replace(comparison, job=job, candidates=best_first)
    assert "tokens/J" in [str(column.header) for column in ranking_table(by_energy, 80).columns]
    assert ranking(by_energy)[0].relative == 1.0
    both = ("tokens_per_joule", "output_tokens_per_s_per_user")
    rows = ranking(by_energy, both)
    assert rows[0].on_front
    fastest = max(rows, key=lambda row: row.tokens_per_s_per_user)
    assert fastest.on_front
    assert sum(row.on_front for row in rows) < len(rows)
    assert "front" in [str(column.header) for column in ranking_table(by_energy, 80, both).columns]
    assert "tokens/J" in findings(rows, "tokens_per_joule")[0].value


def test_pools_add_up_and_are_said_to_be_shared(comparison: Comparison) -> None:
    apart = [item for item in comparison.candidates if float(item.mapping.disaggregated) > 0.0]
    assert apart
    for item in comparison.candidates:
        decode, prefill = pools_of(item)
        assert decode + prefill == pytest.approx(float(item.metrics.chips))
        assert (prefill > 0.0) == (item in apart)
        assert decode == round(decode)
    assert pools_text(8.0, 1.37).startswith("8 decode + 1.37 prefill chips (average")


def test_notes_name_assumed_software_and_large_deployments(comparison: Comparison) -> None:
    rows = ranking(comparison)
    notes = " ".join(ranking_notes(comparison, rows))
    used = {str(item.values["software"]) for item in comparison.candidates if item.feasible}
    unmeasured = {name for name in used if not comparison.job.library.fitted(name)}
    assert all((f"{name}," in notes or f" {name}" in notes) == (name in unmeasured) for name in used)
    assert "Large deployments" not in notes
    many = [replace(rows[0], chips=864.0, deployment_usd=17.3e6), *rows[1:]]
    assert f"{rows[0].name} 864 chips, 17.3 M USD" in " ".join(ranking_notes(comparison, many))


def test_degrees_and_limits_read_as_words(comparison: Comparison) -> None:
    assert degree("disaggregated", 1.0) == "separate prefill pool: yes"
    assert degree("tensor_parallel", 8.0) == "tensor parallel 8"
    for item in comparison.candidates:
        assert "layout" not in [row.limit for row in limit_rows(item)]


def test_the_dashboard_gets_what_it_accepts() -> None:
    assert dashboard_command("journal:results/a b.journal") == "optuna-dashboard 'results/a b.journal'"
    assert dashboard_command("sqlite:////tmp/a.db") == "optuna-dashboard sqlite:////tmp/a.db"
    assert dashboard_command("memory:") == ""
    assert dashboard_command("grpc://localhost:13000") == ""


def test_no_request_is_said_to_wait_for_years(comparison: Comparison) -> None:
    item = comparison.candidates[0]
    slow = replace(
        item.metrics, time_to_first_token=3.85e9, limits=replace(item.metrics.limits, time_to_first_token=1.9e9)
    )
    (text,) = reasons(slow)
    assert "over a day" in text
    assert "year" not in text
