"""Is every fault of a file of measured rows told with its file, line and column, and is every sound row still read?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dse.analysis.measurements import COLUMNS, read_files, read_rows
from dse.cli import app

BASE = {
    **dict.fromkeys(COLUMNS, ""),
    "id": "a",
    "chip": "h100-sxm",
    "chips": "8",
    "model": "llama-2-70b",
    "weights": "bf16",
    "kv_cache": "bf16",
    "tp": "8",
    "pp": "1",
    "phase": "decode",
    "batch": "32",
    "input_tokens": "1024",
    "output_tokens": "128",
    "metric": "tpot_s",
    "value": "0.0135",
    "software": "vllm",
}
HEADER = ",".join(COLUMNS)


def line(**changes: str) -> str:
    """A row that is sound but for the changes."""
    return ",".join((BASE | changes).values())


def written(path: Path, *lines: str, end: str = "\n", encoding: str = "utf-8") -> Path:
    path.write_bytes((end.join(lines) + end).encode(encoding))
    return path


@pytest.mark.parametrize(
    ("column", "text", "rule"),
    [
        ("value", "12 ms", "without a unit"),
        ("chips", "8 GPUs", "without a unit"),
        ("input_tokens", "2k", "without a unit"),
        ("value", "1_000", "separators"),
        ("value", "0", "positive"),
        ("batch", "-3", "positive"),
        ("value", "nan", "finite"),
        ("value", "inf", "finite"),
        ("chips", "2.5", "whole number"),
        ("tp", "1e17", "at most 1,000,000"),
        ("input_tokens", "1e17", "at most 1,000,000,000"),
        ("metric", "tpot_ms", "did you mean 'tpot_s'"),
        ("phase", "decoding", "did you mean 'decode'"),
        ("chip", "", "missing"),
        ("id", "", "missing"),
    ],
)
def test_a_wrong_field_is_told_with_line_and_column(tmp_path: Path, column: str, text: str, rule: str) -> None:
    path = written(tmp_path / "rows.csv", HEADER, line(id="one"), line(**{"id": "two", column: text}), line(id="three"))
    rows, (fault,) = read_rows(path)
    assert [row.id for row in rows] == ["one", "three"]
    assert (fault.file, fault.line, fault.column) == (str(path), 3, column)
    assert fault.number == COLUMNS.index(column) + 1
    assert rule in fault.rule
    assert f"line 3, column {fault.number} ({column})" in str(fault)


def test_a_share_in_per_cent_is_a_fault(tmp_path: Path) -> None:
    _, (fault,) = read_rows(written(tmp_path / "rows.csv", HEADER, line(metric="mfu", value="45")))
    assert (fault.line, fault.column) == (2, "value")


@pytest.mark.parametrize(
    ("end", "encoding"), [("\n", "utf-8"), ("\r\n", "utf-8"), ("\r", "utf-8"), ("\n", "utf-8-sig")]
)
def test_line_ends_and_byte_order_marks_are_read(tmp_path: Path, end: str, encoding: str) -> None:
    path = written(tmp_path / "rows.csv", HEADER, line(note="µ"), end=end, encoding=encoding)
    (row,), faults = read_rows(path)
    assert not faults
    assert (row.line, row.texts["note"]) == (2, "µ")


@pytest.mark.parametrize(
    ("lines", "sound", "place", "rule"),
    [
        ([HEADER, line(id="x").rpartition(",")[0], line()], 1, (2, "note"), "must have 21 fields, got 20"),
        ([HEADER, line(id="x") + ",more", line()], 1, (2, ""), "must have 21 fields, got 22"),
        ([HEADER + ",notes", line(id="x") + ",", line() + ","], 2, (1, "notes"), "did you mean 'note'"),
        ([HEADER + ",note", line() + ","], 1, (1, "note"), "twice"),
        ([HEADER.removesuffix(",note"), line().removesuffix(",")], 1, (1, "note"), "column is missing"),
        ([HEADER.removeprefix("id,"), line().removeprefix("a,")], 0, (1, "id"), "column is missing"),
        ([HEADER.replace(",", ";"), line().replace(",", ";")], 0, (1, ""), "semicolons"),
        ([HEADER, line(id="x", note='"never closed'), line(id="y"), line()], 2, (2, ""), "quotation mark"),
        ([HEADER, line(id="x", note='"open'), line(id="y", note='"shut"'), line()], 2, (2, ""), "quotation mark"),
        ([HEADER], 0, (1, ""), "no row under it"),
        (["", ""], 0, (1, ""), "empty"),
    ],
)
def test_faults_of_the_form_leave_the_other_rows(
    tmp_path: Path, lines: list[str], sound: int, place: tuple[int, str], rule: str
) -> None:
    rows, (fault,) = read_rows(written(tmp_path / "rows.csv", *lines))
    assert len(rows) == sound
    assert (fault.line, fault.column) == place
    assert rule in fault.rule


def test_quoted_commas_lines_and_blank_rows_are_read(tmp_path: Path) -> None:
    notes = ['"a, b ""c"""', '"two\nlines"', ""]
    rows = [line(id=f"r{place}", note=note) for place, note in enumerate(notes)]
    path = written(tmp_path / "rows.csv", HEADER, "", rows[0], "," * 20, rows[1], rows[2])
    found, faults = read_rows(path)
    assert not faults
    assert [(row.line, row.texts["note"]) for row in found] == [(3, 'a, b "c"'), (5, "two\nlines"), (7, "")]


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = written(tmp_path / "latin.csv", HEADER, line(id="x", note="µ"), line(), encoding="latin-1")
    rows, (fault,) = read_rows(path)
    assert [row.id for row in rows] == ["a"]
    assert (fault.line, fault.column) == (2, "note")
    rows, (fault,) = read_rows(written(tmp_path / "wide.csv", HEADER, line(), encoding="utf-16"))
    assert (rows, fault.line) == ([], 0)


def test_the_same_id_in_two_files_is_told_where_it_stood_first(tmp_path: Path) -> None:
    one = written(tmp_path / "one.csv", HEADER, line(id="x"), line(id="x"))
    two = written(tmp_path / "two.csv", HEADER, line(id="y"), line(id="x"))
    rows, faults = read_files([one, two, one])
    assert [row.id for row in rows] == ["x", "y"]
    assert [(Path(fault.file).name, fault.line, fault.column) for fault in faults] == [
        ("one.csv", 3, "id"),
        ("two.csv", 3, "id"),
    ]
    assert f"stands in {one}, line 2," in faults[1].rule


def test_files_that_cannot_be_read_do_not_keep_the_others_from_being_scored(tmp_path: Path) -> None:
    sound = written(tmp_path / "sound.csv", HEADER, line(), line(id="b", chip="h101"), line(id="c", value="12 ms"))
    files = [tmp_path / "absent.csv", tmp_path, written(tmp_path / "empty.csv"), sound]
    (tmp_path / "empty.csv").write_bytes(b"")
    result = CliRunner().invoke(app, ["validate", *map(str, files), "--json"])
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert [(row["id"], row["predicted"] is None) for row in document["rows"]] == [("a", False), ("b", True)]
    assert {"line", "column", "rule", "file"} == set().union(*document["errors"])
    told = [(error["file"], error["line"], error["column"]) for error in document["errors"]]
    lines = [0, 0, 1, 4]
    assert told == [(str(file), number, "value" * (number == 4)) for file, number in zip(files, lines, strict=True)]
    text = CliRunner().invoke(app, ["validate", *map(str, files)]).stdout
    assert "Is a directory" in text
    assert f"{sound}: line 3: b" in text
    assert f"error: {sound}: line 4, column 16 (value)" in text
