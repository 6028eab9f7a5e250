"""How good must the formats of a chip be? What is asked for, as limits of a traffic, and refused where unmeasured."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from dse.catalogue.accumulation import KEY, USUAL
from dse.catalogue.errors import CatalogueError, Problem
from dse.catalogue.fields import Choices
from dse.catalogue.format_quality import USES
from dse.catalogue.library import Library
from dse.catalogue.numerics import EXPERTS
from dse.catalogue.quality import DISTRIBUTION, LEAST_NOISE, MEASURE
from dse.catalogue.space import Space
from dse.evaluate import quality_of
from dse.hardware.chip import Chip
from dse.workload.traffic import NO_LIMIT, Traffic
from dse.workload.transformer import Transformer

__all__ = [
    "ANY_QUALITY",
    "Quality",
    "check_chip",
    "check_space",
    "check_values",
    "formats_of_fields",
    "has_experts",
    "held_to",
    "quality_asked",
]

LEVEL = re.compile(r"\s*([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)\s*(?:dB)?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Quality:
    """What is asked of the formats of a chip; None: nothing.

    least_qsnr: signal over quantisation noise of the noisiest of them [dB]; greatest_loss: fall of the rank correlation
    of the sentence model [1].
    """

    least_qsnr: float | None = None
    greatest_loss: float | None = None

    @property
    def asked(self) -> bool:
        """Whether anything is."""
        return self.least_qsnr is not None or self.greatest_loss is not None

    def options(self) -> list[str]:
        """The same as options of a command."""
        level = [] if self.least_qsnr is None else ["--min-qsnr", f"{self.least_qsnr:.12g}"]
        return level + ([] if self.greatest_loss is None else ["--max-accuracy-loss", f"{self.greatest_loss:.12g}"])


ANY_QUALITY = Quality()
"""Nothing is asked."""


def quality_asked(level: str | None, loss: float | None) -> Quality:
    """What two options ask for; CatalogueError for what is no level in dB or no loss.

    >>> quality_asked("20 dB", None), quality_asked("20", 0.01).options()
    (Quality(least_qsnr=20.0, greatest_loss=None), ['--min-qsnr', '20', '--max-accuracy-loss', '0.01'])
    """
    best = -10.0 * math.log10(LEAST_NOISE)
    found = LEVEL.fullmatch(level or "0")
    faults = []
    if found is None or not 0.0 <= float(found[1]) <= best:
        way_out = f"between 0 dB and {best:.0f} dB, which is all that a measurement in float32 can see"
        faults.append(Problem("must be a level in dB", "", "--min-qsnr", repr(level), "as 20 or '20 dB'", "", way_out))
    if loss is not None and not 0.0 < loss <= 1.0:
        way_out = "0.01 lets the rank correlation of the sentence model fall by 0.01"
        faults.append(Problem("is no loss above 0, at most 1", "", "--max-accuracy-loss", str(loss), way_out=way_out))
    if faults or found is None:
        raise CatalogueError(faults)
    return Quality(None if level is None else float(found[1]), loss)


def held_to(requests: Traffic, quality: Quality) -> Traffic:
    """The traffic, to be served in formats of that quality."""
    level, loss = quality.least_qsnr, quality.greatest_loss
    return replace(
        requests,
        quantisation_noise=np.float64(NO_LIMIT if level is None else 10.0 ** (-level / 10.0)),
        accuracy_loss=np.float64(NO_LIMIT if loss is None else loss),
    )


def has_experts(model: Transformer) -> bool:
    """Whether a model has experts, whose weights may have a format of their own."""
    return float(model.experts.layers) > 0.0


def counting(values: Mapping[str, object], experts: bool) -> dict[str, object]:
    """The values without the format of experts where a model has none."""
    return {path: value for path, value in values.items() if experts or path != EXPERTS}


def formats_of_fields(values: Mapping[str, object]) -> list[str]:
    """Every format that a chip may run a model in: those of its numerics, and those that it multiplies.

    values: by dotted path, names or tuples of them.
    """
    named = [value for path, value in values.items() if path.startswith("numerics.") or path == "matrix.native"]
    found = [name for value in named for name in each(value)]
    rates = [path.removeprefix("matrix.rates.") for path in values if path.startswith("matrix.rates.")]
    return list(dict.fromkeys(str(name) for name in (*found, *rates)))


def each(value: object) -> tuple[object, ...]:
    """A value, or all that a field may take."""
    return value if isinstance(value, tuple) else (value,)


def check_values(values: Mapping[str, object], library: Library, noise: bool, loss: bool) -> None:
    """CatalogueError that names every format whose noise, or loss, counts and was never measured, that of sums too.

    values: by dotted path, names or tuples of them. Noise of sums follows from their width; their loss does not.
    """
    check_formats(formats_of_fields(values), library, noise, loss)
    sums = [library.load("format", str(name)).name for name in each(values.get(KEY, USUAL))]
    narrow = [name for name in sums if name != USUAL]
    if loss and narrow:
        rule, way_out = (
            "the loss of accuracy of sums in this format was never measured",
            f"sum in {USUAL}, or ask for QSNR",
        )
        raise CatalogueError([Problem(rule, key=KEY, value=repr(name), way_out=way_out) for name in narrow])


def check_space(space: Space, quality: Quality, library: Library, experts: bool, wanted: Iterable[str] = ()) -> None:
    """CatalogueError where quality counts and a format that the space allows was never measured.

    experts: whether their format counts; wanted: objectives beside the limits of quality, of which qsnr and
    accuracy_kept count.
    """
    noise = quality.least_qsnr is not None or "qsnr" in wanted
    loss = quality.greatest_loss is not None or "accuracy_kept" in wanted
    if noise or loss:
        choices = {path: field.values for path, field in space.free.items() if isinstance(field, Choices)}
        rates = dict.fromkeys(path for path in space.free if path.startswith("matrix.rates."))
        check_values(counting({**space.fixed, **rates, **choices}, experts), library, noise, loss)


def check_formats(names: Iterable[str], library: Library, noise: bool, loss: bool) -> None:
    """CatalogueError that names the formats whose noise, or loss, counts and was never measured."""
    faults = []
    for name in names:
        known = library.quality.get(library.load("format", name).name)
        silent = known is None or DISTRIBUTION not in known.noise
        unheard = known is None or any(math.isnan(known.loss(use, MEASURE)) for use in USES)
        if (noise and silent) or (loss and unheard):
            what = "noise" if noise and silent else "loss of accuracy"
            extra = "" if what == "noise" else ", with the extra altarch-dse[quality]"
            way_out = f"measure it: dse formats measure {name}{extra}"
            faults.append(Problem(f"the {what} of this format was never measured", value=repr(name), way_out=way_out))
    if faults:
        raise CatalogueError(faults)


def check_chip(
    values: Mapping[str, object], chip: Chip, model: Transformer, quality: Quality, library: Library
) -> None:
    """CatalogueError where something is asked of the formats that a chip runs a model in and was never measured."""
    found = quality_of(chip.numerics, model)
    noise = quality.least_qsnr is not None and bool(np.isnan(found["quantisation_noise"]))
    loss = quality.greatest_loss is not None and bool(np.isnan(found["accuracy_loss"]))
    if noise or loss:
        check_values(counting(values, has_experts(model)), library, noise, loss)
