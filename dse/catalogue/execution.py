"""What is known of the software of a chip? Every coefficient as judged and as fitted, and which one counts."""

from __future__ import annotations

from typing import Any

from dse import units
from dse.catalogue.library import Library
from dse.catalogue.schema import spec_of
from dse.sources import Cited

__all__ = ["ASSUMED", "execution_of", "execution_text"]

ASSUMED = "assumed: no measured row is of this kind"
"""What is said of a profile that is as it was judged."""

WIDTHS = {"prior": 14, "fitted": 16}
"""Letters of a figure of each sort."""


def figure(cited: Cited, dimension: str) -> dict[str, Any]:
    """A coefficient with its range [base units], and both as text."""
    ends = [None if end is None else units.readable(end, dimension, 3) for end in (cited.low, cited.high)]
    value = cited.value
    return {
        "value": value,
        "low": cited.low,
        "high": cited.high,
        "kind": cited.kind,
        "text": units.readable(value, dimension, 3) if isinstance(value, float) else str(value),
        "range": " to ".join(end for end in ends if end is not None),
    }


def execution_of(software: str, library: Library) -> dict[str, Any]:
    """A profile as evaluation sees it.

    name; rows: measured rows behind it; uses: 'fitted' or 'prior', and why; coefficients: of each its key, unit, prior
    and fitted figure (value, low and high of the 80 % range, kind), None where it is not fitted, and which is used.
    """
    shelf = library.files("software", [software])
    (name,) = shelf.names
    rows, fitted = library.rows_behind(name), library.fitted(name)
    coefficients = []
    for key, cited in shelf.figures[name].items():
        spec = spec_of("software", f"execution.{key}")
        if spec is None:
            continue
        found = figure(fitted[key], spec.dimension) if key in fitted else None
        used = "prior" if found is None else "fitted"
        prior = figure(cited, spec.dimension)
        coefficients.append({"key": key, "unit": spec.dimension, "prior": prior, "fitted": found, "uses": used})
    status = f"fitted to {rows} measured rows" if rows else ASSUMED
    uses = "fitted" if fitted else "prior"
    return {"name": name, "rows": rows, "status": status, "uses": uses, "coefficients": coefficients}


def execution_text(profile: dict[str, Any]) -> list[str]:
    """A profile for a person: a line for each coefficient, prior beside fit, a star at the one that evaluation uses."""
    uses = "the fitted coefficients where there are some" if profile["uses"] == "fitted" else "the priors"
    lines = [f"software {profile['name']} - {profile['status']}; evaluation uses {uses}, marked *"]
    lines.append(f"  {'':<20}  {'prior':<14}{'its range':<22}  {'fitted, derived':<16}80 % range")
    for row in profile["coefficients"]:
        cells = []
        for name in ("prior", "fitted"):
            found = row[name] or {"text": "–", "range": ""}
            star = " *" if row["uses"] == name else ""
            cells.append(f"{found['text'] + star:<{WIDTHS[name]}}{found['range']:<22}")
        lines.append(f"  {row['key']:<20}  {'  '.join(cells)}".rstrip())
    return lines
