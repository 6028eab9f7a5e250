"""Which chip of a space would one make for oneself? A short search with the margin of a partner, kept in memory."""

from __future__ import annotations

from dataclasses import replace

from dse.analysis.break_even import OWN_MARGIN
from dse.analysis.comparison import Job
from dse.catalogue import Catalogue, Space
from dse.catalogue.fields import Value
from dse.search.start_points import start_points
from dse.search.studies.storage import open_storage
from dse.search.studies.study import best_trial, create, design_of, plan_of, run

__all__ = ["own_design"]


def own_design(catalogue: Catalogue, space: Space, job: Job, trials: int, seed: int) -> dict[str, Value]:
    """Flat description of the best design of a space for the job; CatalogueError when no trial is feasible."""
    own = replace(space, fixed={**space.fixed, "price.margin": OWN_MARGIN})
    plan = plan_of(own, job, [job.objective], "auto", seed)
    study = create(open_storage("memory:"), plan, None)
    run(study, own, job, catalogue.library, trials, starts=start_points(own, catalogue))
    return design_of(own, best_trial(study))
