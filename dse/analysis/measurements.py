"""What was measured? Rows of a CSV file, checked, with every fault named by line and column."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from dse.analysis.csv_table import Fault, Record, read_table
from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.catalogue.locate import shipped_root

__all__ = [
    "CALIBRATION",
    "COLUMNS",
    "METRICS",
    "PHASES",
    "Row",
    "calibration_rows",
    "read_files",
    "read_rows",
    "sound_rows",
]

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
WHOLE = ("chips", "tp", "pp", "ep", "dp")
"""Columns that count chips or groups of them."""
COUNTED = (*WHOLE, "batch", "input_tokens", "output_tokens", "value")
"""Columns that hold numbers."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
LARGEST = {name: 1e6 if name in WHOLE else 1e9 for name in COUNTED if name != "value"}
"""Column -> the largest number that is believed; beyond it, a unit or a column was mistaken."""


@dataclass(frozen=True)
class Row:
    """One measured row.

    texts: all fields by column, in the order of the file, '' where empty; numbers: those that hold one, by column;
    file: where it stands.
    """

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
    file: str = ""

    @property
    def summary_phase(self) -> str:
        """The phase under which errors are summarised: `online` rows apart by metric."""
        return f"online {self.metric}" if self.phase == "online" else self.phase


def amount(text: str, column: str) -> float:
    """The positive number in a column; ValueError with the rule that it breaks."""
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise ValueError(f"must be positive and finite, got {text!r}")
    if not NUMBER.fullmatch(text):
        raise ValueError(f"must be a number without a unit or separators, got {text!r}")
    value = float(text)
    if not 0.0 < value < 1e18:
        raise ValueError(f"must be positive and finite, got {text!r}")
    if column in WHOLE and value != int(value):
        raise ValueError(f"must be a whole number, got {text!r}")
    if value > LARGEST.get(column, value):
        raise ValueError(f"must be at most {LARGEST[column]:,.0f}, got {text!r}")
    return value


def one_of(valid: tuple[str, ...]) -> Callable[[str], str]:
    """A check that a name is among the valid ones."""

    def check(text: str) -> str:
        if text in valid:
            return text
        close = nearest(text, valid)
        raise ValueError(f"unknown {text!r}{f', did you mean {close!r}' if close else ''}; valid: {listed(valid)}")

    return check


CHECKS: dict[str, Callable[[str], object]] = {
    **{name: lambda text, name=name: amount(text, name) for name in COUNTED},
    "phase": one_of(PHASES),
    "metric": one_of(METRICS),
}
"""Column -> what raises a ValueError with the rule that its text breaks."""


def broken(raw: dict[str, str]) -> list[tuple[str, str]]:
    """Column and rule of every field of a row that cannot be."""
    found = [(name, "missing") for name in NEEDED if not raw[name]]
    for name, check in CHECKS.items():
        if raw[name]:
            try:
                check(raw[name])
            except ValueError as error:
                found.append((name, str(error)))
    if not found and raw["metric"] == "mfu" and float(raw["value"]) > 1.0:
        found.append(("value", f"must be a share of the peak, at most 1, got {raw['value']!r}"))
    return found


def row_of(record: Record, file: str) -> Row:
    """A record whose fields are sound."""
    raw = record.fields
    names = ("id", "chip", "model", "phase", "metric", "software")
    numbers = {name: amount(raw[name], name) for name in COUNTED if raw[name]}
    fixed = {name: raw[name] for name in names}
    return Row(line=record.line, value=numbers["value"], texts=raw, numbers=numbers, file=file, **fixed)


def read_rows(path: Path) -> tuple[list[Row], list[Fault]]:
    """The sound rows of a file and every fault of the others; a file that cannot be read is one fault.

    path: CSV with the columns of COLUMNS, in any order. Without one of NEEDED no row can be sound, and that the column
    is missing is said once.
    """
    table = read_table(path, COLUMNS, OPTIONAL)
    numbers = {name: place + 1 for place, name in enumerate(table.header)}
    absent = [name for name in NEEDED if name not in numbers]
    rows: list[Row] = []
    faults = list(table.faults)
    for record in table.records:
        wrong = [item for item in broken(record.fields) if item[0] not in absent]
        faults += [Fault(record.line, name, rule, str(path), numbers[name]) for name, rule in wrong]
        if not wrong and not absent:
            rows.append(row_of(record, str(path)))
    return rows, faults


def read_files(files: Iterable[Path]) -> tuple[list[Row], list[Fault]]:
    """The sound rows of all files, each id once, and every fault of every file in the order of its lines."""
    rows: list[Row] = []
    faults: list[Fault] = []
    seen: dict[str, Row] = {}
    for file in dict.fromkeys(files):
        some, wrong = read_rows(file)
        for row in some:
            first = seen.setdefault(row.id, row)
            if first is row:
                rows.append(row)
                continue
            where = f"line {first.line}" if first.file == row.file else f"{first.file}, line {first.line},"
            number = list(row.texts).index("id") + 1
            wrong.append(Fault(row.line, "id", f"{row.id!r} stands in {where} already", str(file), number))
        faults += sorted(wrong, key=lambda fault: (fault.line, fault.number))
    return rows, faults


def sound_rows(files: Iterable[Path]) -> list[Row]:
    """The rows of files that must not hold a fault; CatalogueError with all of them where they do."""
    rows, faults = read_files(files)
    if faults:
        raise CatalogueError(
            [Problem(fault.rule, fault.file, f"line {fault.line}, {fault.column}") for fault in faults]
        )
    return rows


def calibration_rows() -> list[Row]:
    """The rows that execution profiles are fitted to; CatalogueError when the shipped files are not sound."""
    folder = shipped_root() / "models" / "measurements"
    return [row for row in sound_rows([folder / name for name in CALIBRATION]) if row.texts["tier"] != CLAIM]
