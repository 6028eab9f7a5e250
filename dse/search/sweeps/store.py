"""How does a sweep survive? One small file a finished chunk, written whole or not at all, and a note of what it is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dse.catalogue.build import build_chips
from dse.catalogue.errors import CatalogueError, Problem
from dse.search.sweeps.points import Chunk, Counts, Points
from dse.search.sweeps.swept import Sweep

__all__ = ["Kept", "SweepStore", "forget", "identity_of", "write_table"]

FORMAT = 3
"""Version of the files [1]."""

PROBES = 64
"""Designs whose chips stand for the whole catalogue in the identity of a sweep [1]."""

NOTE = "sweep.json"


@dataclass(frozen=True)
class Kept:
    """A finished chunk, the seconds that it took, and the places of its boxes in the cover of the sweep."""

    chunk: Chunk
    seconds: float
    places: np.ndarray


def identity_of(sweep: Sweep) -> dict[str, Any]:
    """What must be the same for two runs to be parts of one sweep: words for people, and a digest of all numbers.

    In single precision, so that machines which differ in the last digits of double precision agree.
    """
    grid, job = sweep.grid, sweep.job
    numbers = jax.tree.leaves((job.transformer, job.requests, job.assumptions, job.mappings))
    probes = grid.columns(sweep.numbers(0, min(PROBES, grid.designs)))
    chips = jax.tree.leaves(build_chips(probes, job.library))
    digest = hashlib.sha256()
    for values in [*numbers, *chips]:
        digest.update(np.ascontiguousarray(values, np.float32).tobytes())
    for axis in grid.axes:
        for path, values in axis.columns.items():
            digest.update(json.dumps([path, values.tolist()]).encode())
    digest.update(json.dumps(grid.space.fixed, sort_keys=True).encode())
    return {
        "format": FORMAT,
        "space": grid.space.name,
        "model": job.model,
        "traffic": job.traffic,
        "price_basis": job.price_basis,
        "buyer": job.buyer,
        "volume": job.volume,
        "quality": " ".join(job.quality.options()) or None,
        "most_chips": job.most_chips,
        "prune": sweep.prune,
        "sought": sought(sweep),
        "grid": {path: len(np.unique(values)) for axis in grid.axes for path, values in axis.columns.items()},
        "halved": [next(iter(grid.axes[axis].columns)) for axis in sweep.order],
        "digest": digest.hexdigest(),
    }


def sought(sweep: Sweep) -> str | dict[str, Any]:
    """What a sweep looks for: an objective, the front, or the objective and the front at stated speeds."""
    if not sweep.front:
        return sweep.job.objective
    if not sweep.stated:
        return "front"
    return {"objective": sweep.job.objective, "speeds": sweep.speeds.tolist(), "share": sweep.share}


def write_table(file: Path, table: pa.Table) -> None:
    """A Parquet file that is there whole or not at all; CatalogueError when it cannot be written."""
    unfinished = file.with_name(f".{file.name}.{uuid4().hex}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, unfinished)
        os.replace(unfinished, file)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise CatalogueError([Problem(f"cannot be written: {error.strerror or error}", file=str(file))]) from error


def forget(folder: Path) -> None:
    """Remove the note and the finished chunks of a sweep, and nothing else."""
    for file in [*(folder / "chunks").glob("*.parquet"), folder / NOTE]:
        file.unlink(missing_ok=True)


class SweepStore:
    """The folder of a sweep: what it is, and the chunks that are finished."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        """Open or begin; CatalogueError when the folder holds another sweep."""
        self.folder = folder
        note = folder / NOTE
        if note.is_file():
            refuse_others(note, identity)
            return
        unfinished = note.with_name(f".{NOTE}.{uuid4().hex}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps(identity, indent=2), encoding="utf-8")
            os.replace(unfinished, note)
        except OSError as error:
            raise CatalogueError([Problem(f"cannot be written: {error.strerror}", file=str(note))]) from error

    def file(self, name: str) -> Path:
        """The file of a chunk."""
        return self.folder / "chunks" / f"{name}.parquet"

    def read(self, name: str) -> Kept | None:
        """A finished chunk; None when it is not there or cannot be read."""
        try:
            table = pq.read_table(self.file(name))
            note = json.loads(table.schema.metadata[b"sweep"])
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
            return None
        points = Points(*(table[name].to_numpy() for name in Points.__dataclass_fields__))
        places = np.array(note["places"], np.int64)
        return Kept(Chunk(points, Counts(**note["counts"]), note["reach"]), note["seconds"], places)

    def write(self, name: str, kept: Kept) -> None:
        """Keep a finished chunk."""
        table = pa.table({column: getattr(kept.chunk.points, column) for column in Points.__dataclass_fields__})
        counts, places = asdict(kept.chunk.counts), kept.places.tolist()
        note = json.dumps({"counts": counts, "seconds": kept.seconds, "places": places, "reach": kept.chunk.reach})
        write_table(self.file(name), table.replace_schema_metadata({"sweep": note}))

    def finished(self, kind: str) -> list[Kept]:
        """Every finished chunk of a kind of cover that can be read, in the order of their names."""
        names = sorted(file.stem for file in (self.folder / "chunks").glob(f"{kind}-*.parquet"))
        return [kept for name in names if (kept := self.read(name)) is not None]

    def write_part(self, name: str, rows: list[dict[str, Any]]) -> Path:
        """Rows as one part of the data set of the results, in place of an older one; its file."""
        file = self.folder / "points" / f"part={name}" / "rows.parquet"
        write_table(file, pa.Table.from_pylist(rows))
        return file


def refuse_others(note: Path, identity: Mapping[str, Any]) -> None:
    """CatalogueError when the folder's sweep is not this one, naming what differs."""
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    if not isinstance(found, dict):
        found = {}
    wrong = [key for key in identity if found.get(key) != identity[key]]
    if not wrong:
        return
    named = [key for key in wrong if key != "digest"] or ["figures of the catalogue"]
    way_out = "give this sweep another --name, or --restart to begin anew"
    raise CatalogueError(
        [Problem(f"holds another sweep: {', '.join(named)} changed", file=str(note.parent), way_out=way_out)]
    )
