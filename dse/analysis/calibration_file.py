"""How is a calibration kept? As a catalogue file that `dse calibrate` writes and every evaluation reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dse import units
from dse.analysis.calibration import Fit, Noise, expressed, fit, prior_for
from dse.analysis.cross_validation import FOLDS, held_out, scatter_from
from dse.analysis.measurements import CALIBRATION, calibration_rows
from dse.analysis.points import points_of
from dse.analysis.profiles import COEFFICIENTS, Belief
from dse.catalogue.build import build_assumptions
from dse.catalogue.schema import spec_of
from dse.catalogue.store import Catalogue

__all__ = ["Scatter", "calibrate", "calibration_text"]

SCATTER_FOLD, PRIOR_FOLD = "chip-model", "machine"
"""What is left out when the scatter is measured: all rows of the same model on the same chip; for profiles that no row
speaks of, all rows of the same class of machines."""


@dataclass(frozen=True)
class Scatter:
    """Phase -> what no coefficient explains, as a standard deviation of ln(predicted / measured) [1].

    fitted: around profiles that have rows; prior: around those that have none. The latter is the whole error of the
    priors of measured machines: their judged ranges get no credit for it, as they were judged by people who knew these
    machines. It is never less than around fitted profiles.
    """

    fitted: dict[str, float]
    prior: dict[str, float]


def calibrate(catalogue: Catalogue) -> tuple[Fit, Scatter]:
    """Profiles fitted to the shipped calibration rows, and the scatter of each phase under cross-validation.

    The same rows, catalogue and version give the same numbers. CatalogueError when the shipped rows are not sound.
    """
    cases, _ = expressed(calibration_rows(), catalogue)
    points, _ = points_of(cases, build_assumptions(catalogue.library))
    prior = prior_for(points, catalogue)
    found = fit(points, prior, Noise())
    rows, machines = (held_out(points, points, prior, by, catalogue, found) for by in (SCATTER_FOLD, PRIOR_FOLD))
    fitted = scatter_from(points, rows, ["any"] * len(cases))
    classes = [FOLDS[PRIOR_FOLD](case, catalogue) for case in cases]
    unjudged = replace(machines, spread=np.zeros(len(cases)))
    return found, Scatter(fitted, scatter_from(points, unjudged, classes, fitted))


def rounded(value: float, digits: int = 6) -> float:
    """A number to so many significant digits."""
    return float(f"{value:.{digits}g}")


def figure(name: str, belief: Belief, low: dict[str, float], high: dict[str, float]) -> str:
    """A fitted coefficient with its 80 % range, in its unit."""
    spec = spec_of("software", f"execution.{name}")
    dimension = "1" if spec is None else spec.dimension
    ends = (belief.values[name], low[name], high[name])
    texts = [f"{rounded(end)!r}" if dimension == "1" else f'"{units.exact(rounded(end), dimension)}"' for end in ends]
    note = f"fitted to {belief.rows} rows; low and high hold 80 %"
    return f'{name} = {{ value = {texts[0]}, low = {texts[1]}, high = {texts[2]}, kind = "derived", note = "{note}" }}'


def profile_text(name: str, belief: Belief) -> list[str]:
    """The lines of one fitted profile."""
    low, high = belief.bounds()
    lines = ["", f"[profile.{name}]", f"rows = {belief.rows}"]
    lines += [figure(key, belief, low, high) for key in COEFFICIENTS]
    rows = ["[" + ", ".join(f"{rounded(entry)!r}" for entry in row) + "]" for row in np.asarray(belief.covariance)]
    return [*lines, "covariance = [", *(f"  {row}," for row in rows), "]"]


def scatter_text(table: str, scatter: dict[str, float]) -> list[str]:
    """The lines of one table of scatters."""
    return ["", f"[{table}]", *(f'"{phase}" = {rounded(value)!r}' for phase, value in sorted(scatter.items()))]


def calibration_text(found: Fit, scatter: Scatter) -> str:
    """A fit as the text of a calibration file."""
    quoted = ", ".join(f'"{name}"' for name in COEFFICIENTS)
    share = f'{{ value = {rounded(found.burst_share)!r}, kind = "derived", note = "fitted to online rows" }}'
    head = [
        f"# Written by `dse calibrate` from models/measurements ({', '.join(CALIBRATION)}). Do not edit: change rows",
        "# or priors (models/software) and run it again. Covariances are those of the coefficients on their scales:",
        "# logit of efficiencies, ln of times and of the overhead; scatter is a standard deviation of",
        f"# ln(predicted / measured) of rows whose model on that chip was left out of the fit ({SCATTER_FOLD}),",
        f"# prior_scatter that of rows whose whole class of machines was ({PRIOR_FOLD}).",
        'kind = "calibration"',
        'name = "default"',
        'title = "Execution profiles fitted to the shipped measured rows"',
        f"coefficients = [{quoted}]",
        f"rows = {sum(found.rows.values())}",
        f"burst_share = {share}",
        *scatter_text("scatter", scatter.fitted),
        *scatter_text("prior_scatter", scatter.prior),
    ]
    for name in (name for name in found.software if found.rows.get(name)):
        head += profile_text(name, found.belief(name))
    return "\n".join(head) + "\n"
