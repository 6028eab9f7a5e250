"""Which coefficients of software are fitted, on what scale, and what is believed of them before any row is seen?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from dse.catalogue.errors import CatalogueError
from dse.catalogue.library import Library
from dse.catalogue.store import Catalogue

__all__ = [
    "COEFFICIENTS",
    "EIGHTY",
    "Belief",
    "belief_of",
    "from_scale",
    "machine_of",
    "prior_of",
    "software_of",
    "to_scale",
]

COEFFICIENTS = (
    "matrix_efficiency",
    "memory_efficiency",
    "network_efficiency",
    "operator_time",
    "step_time",
    "sequence_time",
    "collective_time",
    "request_time",
    "grouped_overhead",
)
"""Fields of dse.hardware.chip.Execution that measured rows can move."""

EFFICIENCIES = tuple(name.endswith("efficiency") for name in COEFFICIENTS)

EIGHTY = 1.2815515655446004
"""Standard deviations on either side of the mean of a normal distribution between which 80 % of it lie [1]."""

SMALLEST = 1e-9


def to_scale(values: Float[np.ndarray, "*some coefficients"]) -> Float[np.ndarray, "*some coefficients"]:
    """Coefficients on the scale on which they are normal: logit of efficiencies, ln of the others."""
    inside = np.clip(values, SMALLEST, None)
    share = np.clip(values, SMALLEST, 1.0 - 1e-6)
    return np.where(EFFICIENCIES, np.log(share / (1.0 - share)), np.log(inside))


def from_scale(scaled: Float[np.ndarray, "*some coefficients"]) -> Float[np.ndarray, "*some coefficients"]:
    """The inverse of `to_scale`."""
    times = np.exp(np.minimum(scaled, 50.0))
    return np.where(EFFICIENCIES, 1.0 / (1.0 + np.exp(-scaled)), times)


@dataclass(frozen=True)
class Belief:
    """A normal distribution over the scaled coefficients of one profile.

    rows: measured rows behind it, 0 for a prior; mean (coefficients,), covariance (coefficients, coefficients).
    """

    rows: int
    mean: Float[np.ndarray, " coefficients"]
    covariance: Float[np.ndarray, "coefficients coefficients"]

    @property
    def values(self) -> dict[str, float]:
        """The coefficients by name [base units]."""
        return dict(zip(COEFFICIENTS, from_scale(self.mean).tolist(), strict=True))

    def bounds(self) -> tuple[dict[str, float], dict[str, float]]:
        """Ends of the 80 % range of each coefficient [base units]."""
        spread = EIGHTY * np.sqrt(np.diag(self.covariance))
        low, high = from_scale(self.mean - spread), from_scale(self.mean + spread)
        return dict(zip(COEFFICIENTS, low.tolist(), strict=True)), dict(zip(COEFFICIENTS, high.tolist(), strict=True))


def prior_of(software: str, library: Library) -> Belief:
    """What the file of a profile says, its ranges taken for 80 % ranges."""
    figures = library.files("software", [software]).figures
    name = next(iter(figures))
    triple = np.array([(float(figures[name][key].value), *figures[name][key].range) for key in COEFFICIENTS])
    value, low, high = (to_scale(column) for column in triple.T)
    return Belief(0, value, np.diag(((high - low) / 2.0 / EIGHTY) ** 2))


def belief_of(software: str, library: Library) -> Belief:
    """What is known of a profile: the fit where there is one, else its prior."""
    name = library.files("software", [software]).names[0]
    table = getattr(library.calibration.document, "profile", {}).get(name) if library.calibration else None
    if table is None:
        return prior_of(software, library)
    fitted = library.fitted(name)
    mean = to_scale(np.array([float(fitted[key].value) for key in COEFFICIENTS]))
    return Belief(int(table.rows.value), mean, np.array(table.covariance, float))


def machine_of(software: str, catalogue: Catalogue) -> str:
    """The class of machines that a profile is for."""
    return str(catalogue.entry("software", software).figures["machine"].value)


def software_of(written: str, usual: str, catalogue: Catalogue) -> str:
    """The profile that a row or a user means: by its name, by the first word of it, else the usual one of the chip.

    A profile for another class of machines than the chip's is not taken.
    """
    for name in (written.strip().lower(), written.strip().lower().partition(" ")[0]):
        try:
            found = catalogue.entry("software", name).name
        except CatalogueError:
            continue
        if machine_of(found, catalogue) == machine_of(usual, catalogue):
            return found
    return catalogue.entry("software", usual).name
