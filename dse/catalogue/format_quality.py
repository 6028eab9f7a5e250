"""What is known of the quality of a format? Stored measurements of noise and loss, and published changes."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.catalogue.read import Entry, read_text

__all__ = [
    "LOSS",
    "NOISE",
    "USES",
    "Change",
    "Files",
    "FormatQuality",
    "folder_of",
    "qualities",
    "quality_of",
    "read_records",
]

USES = ("weights", "activations", "kv_cache", "all")
"""Where a format stands when its loss is measured, the rest in float32."""

NOISE = ("format", "distribution", "qsnr_db", "samples", "seed", "package", "date")
LOSS = ("format", "use", "cosine_loss", "spearman_loss", "kendall_loss", "pairs", "package", "date")
PUBLISHED = (
    "id", "model", "benchmark", "unit", "weights", "activations", "kv_cache", "method",
    "baseline_format", "baseline", "value", "change", "source", "locator", "date", "note",
)  # fmt: skip
FILES = {"noise.csv": NOISE, "loss.csv": LOSS, "published.csv": PUBLISHED}
"""File -> its columns."""

NUMBERS = ("qsnr_db", "cosine_loss", "spearman_loss", "kendall_loss", "change")
"""Columns that hold numbers."""

Record = dict[str, str]


@runtime_checkable
class Files(Protocol):
    """What is needed of a catalogue: its folders, the files of a kind by name, and entries by name or alias."""

    roots: tuple[Path, ...]

    def files(self, kind: str) -> dict[str, Path]:
        """Name -> file."""
        ...

    def entry(self, kind: str, name: str) -> Entry:
        """A checked entry."""
        ...


@dataclass(frozen=True)
class Change:
    """What a paper or repository says that a format changes on a large model.

    uses: `weights`, `activations`, `kv_cache` that are in narrow formats; change: against the baseline, in units of the
    benchmark.
    """

    model: str
    benchmark: str
    unit: str
    uses: dict[str, str]
    method: str
    baseline: str
    change: float
    source: str
    locator: str

    @property
    def loss(self) -> float:
        """The change for the worse: perplexity and loss rise, scores fall [unit]."""
        return self.change if self.unit in ("perplexity", "nats") else -self.change


@dataclass(frozen=True)
class FormatQuality:
    """What is known of one format.

    noise: kind of values -> QSNR [dB]; losses: use -> measure (cosine, spearman, kendall) -> loss [1]; published: on
    large models; provenance: of noise and losses, package and date.
    """

    noise: dict[str, float] = field(default_factory=dict)
    losses: dict[str, dict[str, float]] = field(default_factory=dict)
    published: list[Change] = field(default_factory=list)
    provenance: dict[str, str] = field(default_factory=dict)

    @property
    def gaussian(self) -> float:
        """QSNR on Gaussian values [dB]; not a number where it was never measured."""
        return self.noise.get("gaussian", math.nan)

    @property
    def worst(self) -> float:
        """QSNR on the kind of values that suits the format least [dB]."""
        return min(self.noise.values(), default=math.nan)

    def loss(self, use: str = "all", measure: str = "spearman") -> float:
        """Loss of the sentence model with the format in a use [1]; not a number where it was never measured."""
        return self.losses.get(use, {}).get(measure, math.nan)


def folder_of(root: Path) -> Path:
    """Where a catalogue keeps what is measured of formats."""
    return root / "models" / "measurements" / "formats"


def qualities(catalogue: Files) -> dict[str, FormatQuality]:
    """Format -> what is known of it; CatalogueError with every fault of the stored tables. Later roots replace rows."""
    found = {name: FormatQuality() for name in catalogue.files("format")}
    for row in records(catalogue, "noise.csv"):
        quality = found[row["format"]]
        quality.noise[row["distribution"]] = float(row["qsnr_db"])
        quality.provenance["noise"] = f"{row['package']}, {row['date']}"
    for row in records(catalogue, "loss.csv"):
        quality = found[row["format"]]
        quality.losses[row["use"]] = {name: float(row[f"{name}_loss"]) for name in ("cosine", "spearman", "kendall")}
        quality.provenance["loss"] = f"{row['package']}, {row['date']}"
    for row in records(catalogue, "published.csv"):
        change = change_of(row)
        for name in dict.fromkeys(change.uses.values()):
            if name in found:
                found[name].published.append(change)
    return found


def quality_of(catalogue: Files, name: str) -> FormatQuality:
    """What is known of a format by name or alias."""
    return qualities(catalogue)[catalogue.entry("format", name).name]


def change_of(row: Record) -> Change:
    """A published row."""
    uses = {use: row[use] for use in ("weights", "activations", "kv_cache") if row[use]}
    words = {key: row[key] for key in ("model", "benchmark", "unit", "method", "source", "locator")}
    return Change(uses=uses, baseline=row["baseline_format"], change=float(row["change"]), **words)


def records(catalogue: Files, file: str) -> list[Record]:
    """Rows of one of the stored tables over all roots, those of formats that are gone left out."""
    paths = [path for root in catalogue.roots if (path := folder_of(root) / file).is_file()]
    rows = [row for path in paths for row in read_records(path, FILES[file])]
    known = catalogue.files("format")
    return [row for row in rows if row.get("format", "") in ("", *known)]


def read_records(path: Path, columns: Sequence[str]) -> list[Record]:
    """The rows of a table; CatalogueError with every fault of it."""
    reader = csv.DictReader(io.StringIO(read_text(path)))
    header = list(reader.fieldnames or [])
    if header != list(columns):
        way_out = f"columns, in this order: {', '.join(columns)}; `dse formats measure` writes them"
        raise CatalogueError([Problem("has other columns", str(path), value=", ".join(header), way_out=way_out)])
    rows = list(reader)
    faults = [
        fault for row, line in zip(rows, range(2, len(rows) + 2), strict=True) for fault in faults_of(row, path, line)
    ]
    if faults:
        raise CatalogueError(faults)
    return rows


def faults_of(row: Record, path: Path, line: int) -> Iterable[Problem]:
    """Numbers of a row that are none, uses that there are not."""
    if None in row or None in row.values():
        yield Problem("has not one field a column", str(path), f"line {line}")
        return
    for column in NUMBERS:
        if column in row:
            try:
                float(row[column])
            except ValueError:
                yield Problem("must be a number", str(path), f"line {line}, {column}", repr(row[column]))
    if "use" in row and row["use"] not in USES:
        yield Problem(
            "unknown use", str(path), f"line {line}", repr(row["use"]), listed(USES), nearest(row["use"], USES)
        )
