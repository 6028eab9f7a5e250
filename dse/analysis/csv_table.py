"""What stands in which line and column of a CSV file? Its records, and every fault that keeps one from being read."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dse.catalogue.errors import nearest

__all__ = ["Fault", "Record", "Table", "read_table"]

WHOLE_FILE = 0
"""Line of a fault that is of the file and of no line in it."""

UNDECODED = "\N{REPLACEMENT CHARACTER}"
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Fault:
    """What is wrong with one field of a row; line: 0 for the file as a whole; column: its name, '' for all of them.

    number: of the column, from 1, 0 where there is none.
    """

    line: int
    column: str
    rule: str
    file: str = ""
    number: int = 0

    def __str__(self) -> str:
        """One line: file: line 3, column 12 (batch): rule."""
        column = f"column {self.number} ({self.column})" if self.number and self.column else self.column
        place = ", ".join(part for part in (f"line {self.line}" if self.line else "", column) if part)
        return ": ".join(part for part in (self.file, place, self.rule) if part)


@dataclass(frozen=True)
class Record:
    """The fields of one row by column, and the line that it begins in."""

    line: int
    fields: dict[str, str]


@dataclass(frozen=True)
class Table:
    """A file: its header, the records that have a field for every column, and what is wrong with the others."""

    header: list[str]
    records: list[Record]
    faults: list[Fault]


def text_of(path: Path) -> tuple[str, str]:
    """The text of a file, bytes that are no UTF-8 replaced, without a byte-order mark; and why it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return "", f"cannot be read: {error.strerror or type(error).__name__}"
    if b"\0" in data:
        return "", "is not text in UTF-8: it holds null bytes"
    return data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n"), ""


def lines_of(text: str) -> list[str]:
    """The lines of a text, each with its end."""
    return [f"{line}\n" for line in text.removesuffix("\n").split("\n")] if text else []


def fields_at(lines: Sequence[str], place: int, width: int) -> tuple[list[str], int, str]:
    """The fields of the row that begins at a place, the lines that it takes, and why it cannot be read.

    width: fields of a row, 0 where that is not known. A row that is too long or too short because a quotation mark is
    not closed takes one line, so that the rows below it are not lost.
    """
    reader = csv.reader((lines[number] for number in range(place, len(lines))), strict=True)
    try:
        fields = next(reader)
    except csv.Error as error:
        return [], 1, f"cannot be parsed as CSV: {error}; is a quotation mark left open?"
    if width and reader.line_num > 1 and len(fields) != width:
        return [], 1, "a quotation mark is opened in this line, and closed nowhere or in another row"
    return fields, reader.line_num, ""


def header_faults(header: Sequence[str], wanted: Sequence[str], known: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Column and rule of each fault of a header; wanted: the columns of the schema, known: those that may be there."""
    if len(header) == 1:
        for separator, name in SEPARATORS.items():
            if separator in header[0]:
                yield "", f"columns must be separated by commas, found {name}"
                return
    for name in wanted:
        if name not in header:
            yield name, "column is missing"
    for place, name in enumerate(header):
        if name in header[:place]:
            yield name, "column stands twice; the last one is read"
        elif name not in known:
            close = nearest(name, known)
            yield name, f"unknown column{f', did you mean {close!r}?' if close else '; it is not read'}"


def ragged(fields: Sequence[str], header: Sequence[str]) -> tuple[str, str]:
    """Column and rule of a row that has more or fewer fields than the header."""
    rule = f"must have {len(header)} fields, got {len(fields)}"
    if len(fields) > len(header):
        return "", f"{rule}; a field that holds a comma must stand in double quotes"
    return header[len(fields)], f"{rule}: this column and those behind it are missing"


def field_faults(fields: Sequence[str], header: Sequence[str]) -> list[tuple[str, str]]:
    """Column and rule of everything that keeps a row from being read."""
    if len(fields) != len(header):
        return [ragged(fields, header)]
    undecoded = [name for name, field in zip(header, fields, strict=True) if UNDECODED in field]
    return [(name, "is not text in UTF-8; save the file as UTF-8") for name in undecoded]


def rows_under(
    lines: Sequence[str], place: int, header: Sequence[str]
) -> Iterator[tuple[Record, list[tuple[str, str]]]]:
    """Every row from a place on that is not blank, and column and rule of what is wrong with it."""
    while place < len(lines):
        fields, taken, reason = fields_at(lines, place, len(header))
        line, place = place + 1, place + taken
        if reason:
            yield Record(line, {}), [("", reason)]
        elif any(field.strip() for field in fields):
            wrong = field_faults(fields, header)
            yield Record(line, dict(zip(header, map(str.strip, fields), strict=not wrong))), wrong


def read_table(path: Path, wanted: Sequence[str], optional: Sequence[str] = ()) -> Table:
    """The records of a CSV file under a header, and every fault with its line and column; nothing is raised.

    wanted: columns that must be there; optional: others that may. A fault of the header keeps no record from being
    read; a column that it lacks is empty in all of them.
    """
    text, reason = text_of(path)
    if reason:
        return Table([], [], [Fault(WHOLE_FILE, "", reason, str(path))])
    lines = lines_of(text)
    start = next((place for place, line in enumerate(lines) if line.strip()), None)
    if start is None:
        rule = f"the file is empty: it must begin with the line {','.join(wanted)}"
        return Table([], [], [Fault(1, "", rule, str(path))])
    written, taken, reason = fields_at(lines, start, 0)
    header = [name.strip() for name in written]
    found = [("", reason)] if reason else list(header_faults(header, wanted, (*wanted, *optional)))
    rows = list(rows_under(lines, start + taken, header)) if len(header) > 1 else []
    if not rows and not found:
        found = [("", "there is a header and no row under it")]
    placed = [(start + 1, column, rule) for column, rule in found]
    placed += [(record.line, column, rule) for record, wrong in rows for column, rule in wrong]
    numbers = {name: place + 1 for place, name in enumerate(header)}
    absent = {name: "" for name in wanted if name not in header}
    return Table(
        header=header,
        records=[Record(record.line, record.fields | absent) for record, wrong in rows if not wrong],
        faults=[Fault(line, column, rule, str(path), numbers.get(column, 0)) for line, column, rule in placed],
    )
