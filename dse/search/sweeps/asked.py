"""What is asked of a sweep? A few words, from which any process makes the same sweep."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from dse.analysis.comparison import Job, job_of
from dse.analysis.quality import Quality
from dse.catalogue import Space, load_space, open_catalogue
from dse.catalogue.store import Catalogue
from dse.search.objective import metric_of
from dse.search.sweeps.grid import Grid, grid_of, grid_sizes
from dse.search.sweeps.speeds import WORTH, usual_speeds
from dse.search.sweeps.sweep import prepare
from dse.search.sweeps.swept import Sweep

__all__ = ["Asked", "job_and_grid", "sweep_of"]


@dataclass(frozen=True)
class Asked:
    """A sweep by the words of its command, '' or None for what the space says; grid: FIELD=COUNT.

    speeds: at which the front is wanted, round ones where nothing is said, or the whole of it [1/s].
    """

    space: str
    model: str = ""
    traffic: str = ""
    objective: str = ""
    price_basis: str = ""
    grid: tuple[str, ...] = ()
    prune: bool = True
    front: bool = True
    buyer: str = "hyperscaler"
    volume: float | None = None
    most_chips: int = 1024
    catalogue: str = ""
    min_qsnr: float | None = None
    max_loss: float | None = None
    speeds: tuple[float, ...] = ()
    whole_front: bool = False

    @property
    def opened(self) -> tuple[Catalogue, Space]:
        """The catalogue and the space."""
        found = open_catalogue(Path(self.catalogue) if self.catalogue else None)
        return found, load_space(self.space, found)

    @property
    def quality(self) -> Quality:
        """What is asked of the formats."""
        return Quality(self.min_qsnr, self.max_loss)

    def command(self) -> str:
        """The command of this sweep."""
        words = ["dse", "sweep", self.space]
        given = {"--model": self.model, "--traffic": self.traffic, "--objective": self.objective}
        given |= {"--price-basis": self.price_basis, "--catalogue": self.catalogue, "--buyer": self.buyer}
        given |= {"--volume": f"{self.volume:.0f}" if self.volume else "", "--most-chips": str(self.most_chips)}
        words += [word for flag, value in given.items() if value for word in (flag, value)]
        words += [word for one in self.grid for word in ("--grid", one)]
        words += self.quality.options()
        words += ["--prune" if self.prune else "--no-prune", "--front" if self.front else "--no-front"]
        words += ["--speeds", ",".join(f"{speed:.12g}" for speed in self.speeds)] if self.speeds else []
        words += ["--whole-front"] if self.whole_front else []
        return shlex.join(words)


def job_and_grid(asked: Asked) -> tuple[Job, Grid, Catalogue]:
    """What is swept for what; CatalogueError for unknown names or a grid that is too large."""
    found, box = asked.opened
    job = job_of(
        found,
        asked.model or box.model,
        asked.traffic or box.traffic,
        asked.price_basis or box.price_basis,
        metric_of(asked.objective or box.objective),
        asked.most_chips,
        asked.buyer,
        asked.volume,
        asked.quality,
    )
    return job, grid_of(box, grid_sizes(box, asked.grid)), found


def sweep_of(asked: Asked) -> tuple[Sweep, Catalogue]:
    """The sweep, ready to run; CatalogueError as of `job_and_grid`."""
    job, grid, found = job_and_grid(asked)
    speeds = () if asked.whole_front else asked.speeds or usual_speeds(job.requests)
    return prepare(grid, job, asked.prune, asked.front, speeds=speeds, share=0.0 if asked.speeds else WORTH), found
