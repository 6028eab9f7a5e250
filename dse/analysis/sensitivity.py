"""What does a chip's result hang on? Marginal values, ranges of constants, and the points at which rivals win."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dse.analysis.comparison import Job
from dse.analysis.constants import built, constants_of, entering, scores_of
from dse.analysis.flip_points import Rivalry, flip_points
from dse.analysis.marginal import Margins, marginal_values
from dse.analysis.shipped import cheapest, shipped_on
from dse.analysis.tornado import Tornado, tornado
from dse.catalogue.errors import CatalogueError, Problem
from dse.catalogue.read import Entry
from dse.catalogue.store import Catalogue

__all__ = ["Sensitivity", "rivals_of", "sensitivity"]


@dataclass(frozen=True)
class Sensitivity:
    """A chip that can do a job, and all that its tokens per dollar hang on; rivalries: none where nobody else can."""

    chip: Entry
    job: Job
    margins: Margins
    tornado: Tornado
    rivalries: list[Rivalry]


def rivals_of(catalogue: Catalogue, job: Job, chip: Entry, named: Sequence[str]) -> list[Entry]:
    """The chips of some names, or the cheapest on the market that is another one, if any.

    CatalogueError for names that are unknown, the chip's own, or those of chips that cannot do the job.
    """
    if not named:
        found = cheapest(shipped_on(catalogue, job), chip.name)
        return [found] if found is not None else []
    rivals = list({entry.name: entry for entry in (catalogue.entry("chip", name) for name in named)}.values())
    scores = scores_of([built(rival, job) for rival in rivals], job)
    faults = [
        Problem(
            f"cannot do the job under any mapping: {', '.join(broken)}",
            key="--against",
            value=repr(rival.name),
            way_out="name another rival, or take a traffic with looser limits",
        )
        for rival, broken in zip(rivals, scores.broken, strict=True)
        if broken
    ]
    if any(rival.name == chip.name for rival in rivals):
        faults.append(Problem("is the chip itself", key="--against", value=repr(chip.name), way_out="name another one"))
    if faults:
        raise CatalogueError(faults)
    return rivals


def sensitivity(catalogue: Catalogue, job: Job, chip: Entry, rivals: Sequence[str] = ()) -> Sensitivity:
    """Everything about a chip that can do the job; CatalogueError for rivals that cannot be taken."""
    against = rivals_of(catalogue, job, chip, rivals)
    return Sensitivity(
        chip=chip,
        job=job,
        margins=marginal_values(chip, job),
        tornado=tornado(chip, entering(constants_of([chip], job), [chip], job), job),
        rivalries=[rivalry_of(chip, rival, job) for rival in against],
    )


def rivalry_of(chip: Entry, rival: Entry, job: Job) -> Rivalry:
    """A chip against a rival, over all constants that enter either."""
    pair = (chip, rival)
    return flip_points(chip, rival, entering(constants_of(pair, job), pair, job), job)
