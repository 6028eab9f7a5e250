"""Is every row scored as the contract says, or skipped with its reason?"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from builders import catalogue

from dse.analysis.measurements import COLUMNS, Row, read_files, read_rows
from dse.analysis.validation import Prediction, predict, summary
from dse.commands.validate import row_json

BASE = {
    "id": "a",
    "chip": "h100-sxm",
    "chips": "1",
    "model": "llama-3.1-8b",
    "weights": "bf16",
    "kv_cache": "bf16",
    "tp": "1",
    "pp": "1",
    "phase": "decode",
    "batch": "8",
    "input_tokens": "1024",
    "output_tokens": "128",
    "metric": "tpot_s",
    "value": "0.01",
    "software": "vllm",
}


def file_of(path: Path, *changes: dict[str, str]) -> Path:
    """A CSV file with one row per set of changes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    for number, change in enumerate(changes):
        writer.writerow(dict.fromkeys(COLUMNS, "") | BASE | {"id": f"r{number}"} | change)
    path.write_text(text.getvalue())
    return path


def scored(path: Path, *changes: dict[str, str]) -> list[Prediction]:
    """Predictions of rows that differ from the base."""
    rows: list[Row] = read_rows(file_of(path / "rows.csv", *changes))[0]
    return predict(rows, catalogue())


def value(one: Prediction) -> float:
    """What was predicted; a failure when nothing was."""
    assert one.predicted is not None, one.skipped
    return one.predicted


def test_contract(tmp_path: Path) -> None:
    found = scored(tmp_path, {}, {"chip": "h101"})
    keys = ["id", "chip", "model", "phase", "metric", "measured", "predicted", "low", "high", "log_error", "skipped"]
    assert [list(row_json(one)) for one in found] == [keys, keys]
    document = summary(found)
    assert list(document) == ["summary", "by_chip", "by_model_class", "by_software"]
    assert {"n", "median_abs_log_error", "p90_abs_log_error", "bias", "within_25_percent"} <= set(
        document["summary"]["decode"]
    )
    assert document["summary"]["decode"]["n"] == 1
    low, high = found[0].low, found[0].high
    assert low is not None
    assert high is not None
    assert low < value(found[0]) < high
    assert found[1].predicted is None
    assert "h101" in str(found[1].skipped)


def test_bad_rows_are_reported_together_and_the_rest_is_scored(tmp_path: Path) -> None:
    """Unit in a number, zero, negative, unknown phase, a second use of an id: each with its line and column."""
    one = file_of(
        tmp_path / "one.csv",
        {},
        {"batch": "8 sequences"},
        {"value": "0"},
        {"input_tokens": "-5"},
        {"phase": "decoding"},
        {"id": "r0"},
    )
    two = file_of(tmp_path / "two.csv", {"id": "r0"}, {"id": "other"})
    rows, faults = read_files([one, two])
    assert [row.id for row in rows] == ["r0", "other"]
    found = [(Path(fault.file).name, fault.line, fault.column) for fault in faults]
    assert found == [
        ("one.csv", 3, "batch"),
        ("one.csv", 4, "value"),
        ("one.csv", 5, "input_tokens"),
        ("one.csv", 6, "phase"),
        ("one.csv", 7, "id"),
        ("two.csv", 2, "id"),
    ]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"chip": "h101-sxm"}, "h101-sxm"),
        ({"model": "llama-9"}, "llama-9"),
        ({"input_tokens": ""}, "no input length"),
        ({"phase": "generate", "output_tokens": ""}, "no output length"),
        ({"phase": "online", "batch": ""}, "no concurrency"),
        ({"phase": "train", "metric": "mfu"}, "training"),
        ({"phase": "prefill", "metric": "tpot_s"}, "not defined"),
        ({"chips": "2", "tp": "4"}, "no mapping"),
        ({"model": "llama-3.1-405b"}, "does not fit"),
    ],
)
def test_what_cannot_be_expressed_is_skipped_with_the_reason(tmp_path: Path, change: dict[str, str], part: str) -> None:
    one, rest = scored(tmp_path, change, {})
    assert one.predicted is None
    assert part in str(one.skipped)
    assert rest.predicted is not None


def test_static_batch_beyond_the_memory_runs_in_waves(tmp_path: Path) -> None:
    """Four times what fits takes about four times as long: the rate stays."""
    lengths = {"phase": "generate", "metric": "output_tokens_per_s", "input_tokens": "4096", "output_tokens": "4096"}
    few, many = (value(one) for one in scored(tmp_path, lengths | {"batch": "48"}, lengths | {"batch": "192"}))
    assert many == pytest.approx(few, rel=0.1)


def test_clients_beyond_the_memory_wait(tmp_path: Path) -> None:
    """Tokens come as fast, the first one much later, by Little's law."""
    lengths = {"phase": "online", "input_tokens": "8192", "output_tokens": "1024"}
    changes = [
        lengths | {"batch": clients, "metric": metric}
        for metric in ("tpot_s", "ttft_s", "output_tokens_per_s")
        for clients in ("200", "400")
    ]
    tpot, later, first, last, rate, same = (value(one) for one in scored(tmp_path, *changes))
    assert later == pytest.approx(tpot, rel=1e-6)
    assert same == pytest.approx(rate, rel=1e-6)
    assert last - first == pytest.approx(200.0 * 1024.0 / rate, rel=1e-6)


def test_empty_batch_is_what_the_memory_admits(tmp_path: Path) -> None:
    free, full, small = (
        value(one)
        for one in scored(
            tmp_path,
            *({"phase": "offline", "metric": "output_tokens_per_s", "batch": batch} for batch in ("", "100000", "4")),
        )
    )
    assert free == pytest.approx(full, rel=0.01)
    assert free > 5.0 * small


def test_software_of_another_machine_is_not_taken(tmp_path: Path) -> None:
    own, other = scored(tmp_path, {"chip": "tpu-v6e", "software": ""}, {"chip": "tpu-v6e", "software": "vllm"})
    assert own.software == other.software == "xla-tpu"
    assert value(own) == value(other)


def test_range_is_wider_where_no_row_was_measured(tmp_path: Path) -> None:
    fitted, judged = scored(tmp_path, {}, {"chip": "tpu-v6e", "software": ""})
    widths = [float(one.high or 0.0) / float(one.low or 1.0) for one in (fitted, judged)]
    assert widths[1] > widths[0] > 1.0
