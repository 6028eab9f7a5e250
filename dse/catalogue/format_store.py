"""How is kept what was measured of formats? As rows of a table, in place of those of the same formats."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from dse.catalogue.format_quality import FILES, Record, folder_of, read_records
from dse.catalogue.write import write_text

__all__ = ["store"]


def store(root: Path, file: str, rows: Sequence[Record]) -> Path:
    """Write rows to a table of a catalogue, in place of those of the same formats; the path of the table."""
    path, measured = folder_of(root) / file, {row["format"] for row in rows}
    kept = [row for row in read_records(path, FILES[file]) if row["format"] not in measured] if path.is_file() else []
    text = io.StringIO()
    writer = csv.DictWriter(text, FILES[file], lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted([*kept, *rows], key=lambda row: row["format"]))
    write_text(path, text.getvalue())
    return path
