"""How does a break-even read? Cost against volume, and the volume at which a chip of one's own begins to pay."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from dse.analysis.break_even import OWN_BASIS, BreakEven
from dse.analysis.comparison import Job
from dse.reporting.breakdown import named_parts
from dse.reporting.tables import formats_of
from dse.reporting.text import counted, significant

__all__ = ["break_even_json", "break_even_lines"]

MILLION = 1e6


def break_even_json(result: BreakEven, job: Job) -> dict[str, Any]:
    """A break-even as a document; volume and tokens are null when it never pays."""
    low, high = result.development_range
    own, rival = (MILLION * float(one.metrics.usd_per_output_token) for one in (result.own, result.rival))
    return {
        "chip": result.own.name,
        "against": result.rival.name,
        "model": job.model,
        "traffic": job.traffic,
        "price_basis": job.price_basis,
        "own_price_basis": OWN_BASIS,
        "buyer": job.buyer,
        "development_usd": {
            "total": float(result.development.total),
            "low": low,
            "high": high,
            "parts": named_parts(result.development),
        },
        "own_usd_per_million_output_tokens": own,
        "against_usd_per_million_output_tokens": rival,
        "never": not math.isfinite(result.volume),
        "reason": result.reason,
        "break_even_chips": {"value": result.volume, "low": result.volume_range[0], "high": result.volume_range[1]},
        "break_even_tokens_per_s": result.tokens_per_s,
        "volumes": [
            {
                "chips": point.volume,
                "chip_usd": point.chip_usd,
                "usd_per_million_output_tokens": MILLION * point.usd_per_token,
            }
            for point in result.points
        ],
    }


def break_even_lines(result: BreakEven, job: Job) -> Iterator[str]:
    """A break-even for a person."""
    rival = MILLION * float(result.rival.metrics.usd_per_output_token)
    low, high = result.development_range
    yield f"{result.own.title} against {result.rival.title}: {job.model}, {job.traffic}, {job.buyer}"
    other = f"{result.rival.name} at {job.price_basis} in {formats_of(result.rival)}"
    yield f"{result.own.name} at {OWN_BASIS} in {formats_of(result.own)}; {other}"
    yield (
        f"development  {significant(float(result.development.total) / MILLION)} million USD "
        f"({significant(low / MILLION)} to {significant(high / MILLION)})"
    )
    for name, value in named_parts(result.development).items():
        yield f"  {name.replace('_', ' '):<24}{significant(value / MILLION):>10}"
    yield ""
    yield f"{'chips built':>16}{'USD a chip':>14}{'USD/Mtok':>12}   against {rival:.4f} of {result.rival.name}"
    for point in result.points:
        mark = "  <- break-even" if point.volume == result.volume else ""
        token = f"{MILLION * point.usd_per_token:.4f}"
        yield f"{counted(round(point.volume)):>16}{significant(point.chip_usd, 4):>14}{token:>12}{mark}"
    yield ""
    if result.reason:
        yield f"never: {result.reason}"
        return
    ends = " to ".join(significant(end) for end in result.volume_range)
    yield f"pays from {significant(result.volume)} chips on ({ends} by the range of the development)"
    yield f"that is {significant(result.tokens_per_s)} output tokens a second, at the utilisation of the fleet"
