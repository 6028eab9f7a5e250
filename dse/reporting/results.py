"""What else can be computed from a comparison? One row a candidate, every metric with its unit, as CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dse.analysis.comparison import Candidate, Comparison
from dse.catalogue.read import Entry
from dse.evaluate import LIMITS
from dse.reporting.breakdown import SECONDS_PER_HOUR, named_parts, pass_parts, power_parts
from dse.reporting.provenance import ProvenanceRow
from dse.reporting.summary import RANGED, binds, finite, headline, quality_json, ranges_json, reasons
from dse.reporting.tables import formats_of, modelled_costs, price_source

__all__ = ["UNITS", "csv_text", "result_rows", "unit_of", "write_parquet"]

UNITS = {
    "_usd_per_million_output_tokens": "USD/Mtoken",
    "_usd_per_hour_per_chip": "USD/h",
    "_tokens_per_s_per_user": "tokens/s",
    "_tokens_per_s_per_chip": "tokens/s",
    "_tokens_per_dollar": "tokens/USD",
    "_tokens_per_joule": "tokens/J",
    "_usd_per_hour": "USD/h",
    "_tokens_per_s": "tokens/s",
    "_qsnr_db": "dB",
    "_w_per_chip": "W",
    "_bytes": "bytes",
    "_mm2": "mm2",
    "_usd": "USD",
    "_w": "W",
    "_s": "s",
}
"""End of a column's name -> unit of the column; any other is a count, a share or a text."""


def unit_of(column: str) -> str:
    """The unit that the name of a column ends in, '' for counts and texts."""
    name = f"_{column.removesuffix('_modelled_price')}"
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")


def prefixed(prefix: str, parts: dict[str, float], unit: str) -> dict[str, float]:
    """Parts as columns 'prefix_part_unit'."""
    return {f"{prefix}_{name}_{unit}": value for name, value in parts.items()}


def parts_of(candidate: Candidate) -> dict[str, float]:
    """Every part of every total of a candidate; area, power, money and memory of one chip."""
    metrics = candidate.metrics
    return {
        **prefixed("prefill", pass_parts(metrics.prefill), "s"),
        **prefixed("decode", pass_parts(metrics.decode), "s"),
        **prefixed("area", named_parts(metrics.hardware.area), "mm2"),
        **prefixed("power", power_parts(metrics), "w"),
        **prefixed("make", named_parts(metrics.hardware.make), "usd"),
        **prefixed("tco", named_parts(metrics.owned, SECONDS_PER_HOUR), "usd_per_hour"),
        **prefixed("footprint", named_parts(metrics.footprint), "bytes"),
    }


def range_columns(candidate: Candidate) -> dict[str, float | None]:
    """Ends of the 80 % range of every metric that has one; empty where nothing is feasible."""
    ranges = ranges_json(candidate) if candidate.feasible else {}
    return {f"{end}_{name}": ranges[name][end] if ranges else None for name in RANGED for end in ("low", "high")}


def result_rows(
    comparison: Comparison, entries: dict[str, Entry], provenance: list[ProvenanceRow]
) -> list[dict[str, Any]]:
    """One row a candidate, best first; the metrics of an infeasible one are empty, its parts and limits are not."""
    job = comparison.job
    modelled = modelled_costs(job, comparison.candidates)
    kinds = {row.name: row.counts for row in provenance}
    rows = []
    for place, (item, cost) in enumerate(zip(comparison.candidates, modelled, strict=True)):
        metrics = headline(item) | {"usd_per_million_output_tokens_modelled_price": 1e6 * float(cost)}
        entry = entries.get(f"chip/{item.name}")
        works = sorted({work.title for work in entry.sources.values()}) if entry is not None else []
        row = {
            "rank": place + 1 if item.feasible else None,
            "name": item.name,
            "title": item.title,
            "status": item.status,
            "feasible": item.feasible,
            "reasons": "; ".join(reasons(item.metrics)),
            "model": job.model,
            "traffic": job.traffic,
            "price_basis": item.price_basis,
            "price_source": price_source(item),
            "formats": formats_of(item),
            **quality_json(item.metrics),
            "binds": binds(item.metrics),
            **named_parts(item.mapping),
            **{name: value if item.feasible else None for name, value in metrics.items()},
            **range_columns(item),
            **{f"excess_{name}": float(getattr(item.metrics.limits, name)) for name in LIMITS},
            **parts_of(item),
            **{f"figures_{kind}": count for kind, count in kinds[item.name].items()},
            "sources": "; ".join(works),
        }
        rows.append(finite(row))
    return rows


def csv_text(rows: list[dict[str, Any]], columns: Sequence[str] = ("name",)) -> str:
    """Rows as CSV with a header; an absent value is empty. columns: the header where there are no rows."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0] if rows else columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def write_parquet(rows: list[dict[str, Any]], path: Path) -> None:
    """Rows as Parquet, the unit of each column in its metadata under 'unit'."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_pylist(rows)
    fields = []
    for column in table.schema:
        kind = pa.float64() if pa.types.is_null(column.type) else column.type
        fields.append(pa.field(column.name, kind, metadata={"unit": unit_of(column.name)}))
    parquet.write_table(table.cast(pa.schema(fields)), path)
