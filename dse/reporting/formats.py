"""What does a number format cost and what does it buy? Bits, silicon, noise and loss of each as a table."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from dse.catalogue import Catalogue
from dse.catalogue.format_costs import costs_of, modelled_costs
from dse.catalogue.format_quality import Change, FormatQuality, qualities
from dse.catalogue.formats import quantiser_of
from dse.reporting.summary import finite
from dse.sources import Cited

__all__ = ["LEGEND", "FormatRow", "format_json", "format_rows", "format_table", "measured_text", "published_table"]

PERCENT = 100.0
LETTERS = {"weights": "W", "activations": "A", "kv_cache": "KV"}

LEGEND = (
    "bits: of an element with its scales. QSNR: signal over noise on Gaussian values, and on the worst of five kinds. "
    "loss: of the rank correlation of sentence similarities, weights alone or every operand in the format; cosine: of "
    "the embeddings. energy, area: of a multiply-accumulate."
)

LEAST_LOSS = 1e-6
"""Below this a loss is rounding of the model itself [1]."""


@dataclass(frozen=True)
class FormatRow:
    """A format: bits of an element with its scales [bits], silicon over that of bf16 [1], and its quality.

    energy, area: as cited, else as modelled; modelled: both from the widths of the operands.
    """

    name: str
    title: str
    bits: float
    energy: Cited
    area: Cited
    modelled: dict[str, float]
    quality: FormatQuality


def format_rows(catalogue: Catalogue) -> list[FormatRow]:
    """Every format, the widest first and of equals the least noisy; CatalogueError with every fault of the tables."""
    known = qualities(catalogue)
    rows = [row_of(catalogue, name, quality) for name, quality in known.items()]
    return sorted(rows, key=lambda row: (-row.bits, -row.quality.noise.get("gaussian", 0.0), row.name))


def row_of(catalogue: Catalogue, name: str, quality: FormatQuality) -> FormatRow:
    """The row of a format."""
    entry = catalogue.entry("format", name)
    energy, area = costs_of(entry, catalogue.library.gates).values()
    modelled = modelled_costs(quantiser_of(entry), catalogue.library.gates)
    return FormatRow(name, entry.document.heading, float(entry.values["bits"]), energy, area, modelled, quality)


def ranged(cited: Cited) -> dict[str, float]:
    """A figure with its range."""
    low, high = cited.range
    return {"value": float(cited.value), "low": low, "high": high}


def format_json(row: FormatRow) -> dict[str, Any]:
    """A format as a document; what was not measured is null."""
    quality = row.quality
    return finite(
        {
            "name": row.name,
            "title": row.title,
            "bits": row.bits,
            "mac_energy_ratio": ranged(row.energy),
            "mac_area_ratio": ranged(row.area),
            "modelled": row.modelled,
            "qsnr_db": {**quality.noise, "worst": quality.worst},
            "loss": quality.losses,
            "published": [{**asdict(change), "loss": change.loss} for change in quality.published],
            "measured_by": quality.provenance,
        }
    )


def level_text(level: float) -> str:
    """A level in dB; 'exact' without noise, '' where it was never measured."""
    return "" if math.isnan(level) else "exact" if math.isinf(level) else f"{level:.1f}"


def loss_text(loss: float) -> str:
    """A loss in per cent, as many digits as it is certain to."""
    return "" if math.isnan(loss) else f"{PERCENT * loss:.2g}" if loss > LEAST_LOSS else "0"


def worst_kind(quality: FormatQuality) -> str:
    """The kind of values that suits a format least, where it matters."""
    kind = min(quality.noise, key=lambda name: quality.noise[name], default="")
    return kind.partition("-")[0] if quality.gaussian < math.inf else ""


def format_table(rows: Sequence[FormatRow]) -> Table:
    """All formats for a person, one a line."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    headings = ("format", "bits", "QSNR\ndB", "worst\ndB", "on", "loss %\nweights", "loss %\nall", "cosine\n% all",
                "energy\n/ bf16", "area\n/ bf16")  # fmt: skip
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("format", "on") else "right", no_wrap=True)
    for row in rows:
        quality = row.quality
        table.add_row(
            row.name,
            f"{row.bits:.4g}",
            level_text(quality.gaussian),
            level_text(quality.worst),
            worst_kind(quality),
            loss_text(quality.loss("weights")),
            loss_text(quality.loss()),
            loss_text(quality.loss(measure="cosine")),
            f"{float(row.energy.value):.3g}",
            f"{float(row.area.value):.3g}",
        )
    return table


def uses_text(change: Change) -> str:
    """Which tensors are in which format, as 'W int4, KV int4'."""
    return ", ".join(f"{LETTERS[use]} {name}" for use, name in change.uses.items())


def published_table(rows: Iterable[FormatRow]) -> Table:
    """Published changes on large models, a line for each use of formats and benchmark."""
    groups: dict[tuple[str, str, str], list[Change]] = defaultdict(list)
    for change in distinct(rows):
        groups[uses_text(change), change.benchmark, change.unit].append(change)
    table = Table(
        box=None,
        title="published, on large models (W weights, A activations, KV cache; + is worse)",
        title_justify="left",
    )
    for heading in ("formats", "benchmark", "loss", "rows", "sources"):
        table.add_column(heading, justify="right" if heading in ("loss", "rows") else "left")
    for (uses, benchmark, unit), changes in groups.items():
        low, high = (pick(change.loss for change in changes) for pick in (min, max))
        span = f"{low:+.2f} to {high:+.2f}" if low != high else f"{low:+.2f}"
        sources = "; ".join(dict.fromkeys(change.source for change in changes))
        table.add_row(uses, benchmark, f"{span} {unit}", str(len(changes)), sources)
    return table


def distinct(rows: Iterable[FormatRow]) -> list[Change]:
    """Published changes, each once though it may be of two formats."""
    found: dict[int, Change] = {}
    for row in rows:
        found.update({id(change): change for change in row.quality.published})
    return list(found.values())


def measured_text(rows: Iterable[FormatRow]) -> str:
    """By which versions, and when, noise and losses were measured."""
    made = {f"{what}: {text}" for row in rows for what, text in row.quality.provenance.items()}
    return "; ".join(sorted(made)) or "nothing is measured yet: dse formats measure"
