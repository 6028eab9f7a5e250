"""What was measured? Rows of a CSV file, checked, with every fault named by line and column."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.catalogue.locate import shipped_root
from dse.catalogue.read import read_text

__all__ = ["CALIBRATION", "COLUMNS", "METRICS", "PHASES", "Fault", "Row", "calibration_rows", "read_rows"]

# fmt: off
COLUMNS = (
    "id", "chip", "chips", "model", "weights", "kv_cache",
    "tp", "pp", "ep", "dp",
    "phase", "batch", "input_tokens", "output_tokens",
    "metric", "value",
    "software", "tier", "family", "source", "note",
)
# fmt: on
OPTIONAL = ("activations",)
PHASES = ("prefill", "decode", "generate", "offline", "online", "train")
METRICS = (
    "ttft_s",
    "tpot_s",
    "output_tokens_per_s",
    "output_tokens_per_s_per_user",
    "input_tokens_per_s",
    "mfu",
)
CALIBRATION = ("inference.csv", "serving.csv")
"""Files of models/measurements that execution profiles are fitted to; claims are not."""
CLAIM = "C"
"""Tier of rows that are claims, for sanity only."""
NEEDED = ("id", "chip", "model", "phase", "metric", "value")


@dataclass(frozen=True)
class Fault:
    """What is wrong with one field of a row."""

    line: int
    column: str
    rule: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: {self.rule}"


@dataclass(frozen=True)
class Row:
    """One measured row; None where the field is empty."""

    line: int
    id: str
    chip: str
    model: str
    phase: str
    metric: str
    value: float
    software: str
    texts: dict[str, str]
    numbers: dict[str, float]

    @property
    def summary_phase(self) -> str:
        """The phase under which errors are summarised: `online` rows apart by metric."""
        return f"online {self.metric}" if self.phase == "online" else self.phase


def amount(text: str, whole: bool) -> float:
    """A positive number; ValueError with the rule that it breaks."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"must be a number without a unit, got {text!r}") from None
    if not 0.0 < value < 1e18:
        raise ValueError(f"must be positive and finite, got {text!r}")
    if whole and value != int(value):
        raise ValueError(f"must be a whole number, got {text!r}")
    return value


def one_of(valid: tuple[str, ...]) -> Callable[[str], str]:
    """A check that a name is among the valid ones."""

    def check(text: str) -> str:
        if text in valid:
            return text
        close = nearest(text, valid)
        raise ValueError(f"unknown {text!r}{f', did you mean {close!r}' if close else ''}; valid: {listed(valid)}")

    return check


def parsed(line: int, raw: dict[str, str]) -> tuple[Row | None, list[Fault]]:
    """A row and what is wrong with it; no row when anything is."""
    faults = [Fault(line, name, "missing") for name in NEEDED if not raw.get(name)]
    numbers: dict[str, float] = {}
    for name in ("chips", "tp", "pp", "ep", "dp", "batch", "input_tokens", "output_tokens", "value"):
        if raw.get(name):
            try:
                numbers[name] = amount(raw[name], whole=name in ("chips", "tp", "pp", "ep", "dp"))
            except ValueError as error:
                faults.append(Fault(line, name, str(error)))
    for name, valid in (("phase", PHASES), ("metric", METRICS)):
        if raw.get(name):
            try:
                one_of(valid)(raw[name])
            except ValueError as error:
                faults.append(Fault(line, name, str(error)))
    if faults:
        return None, faults
    names = ("id", "chip", "model", "phase", "metric", "software")
    fixed = {name: raw.get(name, "") for name in names}
    return Row(line=line, value=numbers["value"], texts=raw, numbers=numbers, **fixed), []


def read_rows(path: Path) -> tuple[list[Row], list[Fault]]:
    """The sound rows of a file and every fault of the others.

    path: CSV with the columns of COLUMNS, in any order. CatalogueError when it cannot be read or a column is missing
    or unknown.
    """
    table = csv.DictReader(io.StringIO(read_text(path)))
    header = list(table.fieldnames or [])
    problems = [Problem("column is missing", file=str(path), key=name) for name in COLUMNS if name not in header]
    problems += [
        Problem("unknown column", file=str(path), key=str(name), nearest=nearest(str(name), COLUMNS))
        for name in header
        if name not in (*COLUMNS, *OPTIONAL)
    ]
    if problems:
        raise CatalogueError(problems)
    rows: list[Row] = []
    faults: list[Fault] = []
    seen: dict[str, int] = {}
    for raw in table:
        line = table.line_num
        if None in raw or None in raw.values():
            faults.append(Fault(line, "", f"must have {len(header)} fields"))
            continue
        row, wrong = parsed(line, {key: value.strip() for key, value in raw.items()})
        if row is not None and row.id in seen:
            wrong = [Fault(line, "id", f"{row.id!r} stands in line {seen[row.id]} already")]
        if row is not None and not wrong:
            seen[row.id] = line
            rows.append(row)
        faults += wrong
    return rows, faults


def calibration_rows() -> list[Row]:
    """The rows that execution profiles are fitted to; CatalogueError when the shipped files are not sound."""
    rows: list[Row] = []
    for name in CALIBRATION:
        path = shipped_root() / "models" / "measurements" / name
        some, faults = read_rows(path)
        if faults:
            raise CatalogueError([Problem(fault.rule, str(path), f"line {fault.line}") for fault in faults])
        rows += [row for row in some if row.texts["tier"] != CLAIM]
    return rows
