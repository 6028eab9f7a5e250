"""How does a sweep survive? One small file a finished chunk, written whole or not at all, and a note of what it is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dse.catalogue.errors import CatalogueError, Problem
from dse.search.points import Points
from dse.search.sweep import Chunk, Counts, Sweep

__all__ = ["SweepStore", "forget", "identity_of", "write_table"]

FORMAT = 1
"""Version of the files [1]."""

PROBES = 64
"""Designs whose chips stand for the whole catalogue in the identity of a sweep [1]."""

NOTE = "sweep.json"


def identity_of(sweep: Sweep) -> dict[str, Any]:
    """What must be the same for two runs to be parts of one sweep: words for people, and a digest of all numbers."""
    grid, job = sweep.grid, sweep.job
    numbers = jax.tree.leaves((job.transformer, job.requests, job.assumptions, job.mappings))
    chips = jax.tree.leaves(sweep.chips(sweep.numbers(0, min(PROBES, grid.designs))))
    digest = hashlib.sha256()
    for values in [*numbers, *chips]:
        digest.update(np.ascontiguousarray(values, np.float64).tobytes())
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
        "sought": "front" if sweep.front else job.objective,
        "grid": {path: len(np.unique(values)) for axis in grid.axes for path, values in axis.columns.items()},
        "digest": digest.hexdigest(),
    }


def write_table(file: Path, table: pa.Table) -> None:
    """A Parquet file that is there whole or not at all; CatalogueError when it cannot be written."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
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
        unfinished = note.with_name(f".{NOTE}.{os.getpid()}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps(identity, indent=2), encoding="utf-8")
            os.replace(unfinished, note)
        except OSError as error:
            raise CatalogueError([Problem(f"cannot be written: {error.strerror}", file=str(note))]) from error

    def file(self, start: int, stop: int) -> Path:
        """The file of a chunk."""
        return self.folder / "chunks" / f"{start:010}-{stop:010}.parquet"

    def read(self, start: int, stop: int) -> tuple[Chunk, float] | None:
        """A finished chunk and the seconds that it took; None when it is not there or cannot be read."""
        file = self.file(start, stop)
        try:
            table = pq.read_table(file)
            note = json.loads(table.schema.metadata[b"sweep"])
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
            return None
        points = Points(*(table[name].to_numpy() for name in Points.__dataclass_fields__))
        return Chunk(points, Counts(**note["counts"])), note["seconds"]

    def write(self, start: int, stop: int, chunk: Chunk, seconds: float) -> None:
        """Keep a finished chunk."""
        table = pa.table({name: getattr(chunk.points, name) for name in Points.__dataclass_fields__})
        note = json.dumps({"counts": asdict(chunk.counts), "seconds": seconds})
        write_table(self.file(start, stop), table.replace_schema_metadata({"sweep": note}))

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
