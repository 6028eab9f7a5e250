"""sensitivity: what is one more of everything worth, which constant decides, and when does a rival win?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.commands.options import (
    BuyerOption,
    CatalogueOption,
    ChipsLimit,
    JsonOption,
    LeastQsnrOption,
    LossOption,
    ModelOption,
    PriceBasisOption,
    TrafficOption,
    VolumeOption,
    print_json,
    print_table,
    say,
)

if TYPE_CHECKING:
    from dse.analysis.comparison import Job
    from dse.catalogue import Entry

__all__ = ["add_to"]


def sensitivity_command(
    chip: Annotated[str, typer.Argument(help="A chip: a name, or the path of a .toml file.")],
    model: ModelOption,
    traffic: TrafficOption = "chat",
    against: Annotated[
        list[str] | None,
        typer.Option("--against", help="A rival, several times for several; the cheapest on the market when absent."),
    ] = None,
    price_basis: PriceBasisOption = "tco",
    buyer: BuyerOption = "hyperscaler",
    volume: VolumeOption = None,
    min_qsnr: LeastQsnrOption = None,
    max_loss: LossOption = None,
    report: Annotated[Path | None, typer.Option("--report", help="Folder for a report with figures.")] = None,
    most_chips: ChipsLimit = 1024,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a chip's tokens per dollar hang on: marginal values, ranges of all constants, points where a rival wins."""
    from dse.analysis.comparison import job_of
    from dse.analysis.quality import check_chip, quality_asked
    from dse.analysis.sensitivity import sensitivity
    from dse.catalogue import open_catalogue
    from dse.catalogue.build import build_chips
    from dse.reporting.sensitivity import write_sensitivity
    from dse.reporting.sensitivity_data import sensitivity_json
    from dse.reporting.sensitivity_text import sensitivity_text

    found = open_catalogue(catalogue)
    model, traffic = found.adopt("transformer", model), found.adopt("traffic", traffic)
    limits = (most_chips, buyer, volume, quality_asked(min_qsnr, max_loss))
    job = job_of(found, model, traffic, price_basis, "tokens_per_dollar", *limits)
    entry = found.entry("chip", found.adopt("chip", chip))
    rivals = [found.adopt("chip", name) for name in against or []]
    built = build_chips(entry.values, found.library)
    check_chip(entry.values, built, job.transformer, job.quality, found.library)
    broken = broken_by(entry, job)
    if broken:
        tell_infeasible(entry, job, broken, as_json)
        return
    result = sensitivity(found, job, entry, rivals)
    page = None if report is None else write_sensitivity(report, result)
    if as_json:
        print_json(sensitivity_json(result) | {"report": None if page is None else str(page)})
        return
    print_table(sensitivity_text(result))
    if page is not None:
        say(f"report: {page}")


def broken_by(chip: Entry, job: Job) -> dict[str, float]:
    """Limits that a chip exceeds under the mapping that comes closest, worst first; none where it can do the job."""
    from dse.analysis.constants import built, scores_of

    return scores_of([built(chip, job)], job).broken[0]


def tell_infeasible(chip: Entry, job: Job, broken: dict[str, float], as_json: bool) -> None:
    """A chip that cannot do the job is an answer: which limits it exceeds."""
    from dse.reporting.summary import reason_of

    reasons = [reason_of(*item) for item in broken.items()]
    if as_json:
        names = {"chip": chip.name, "model": job.model, "traffic": job.traffic, "price_basis": job.price_basis}
        print_json(names | {"feasible": False, "reasons": reasons, "broken_limits": broken})
        return
    say(f"{chip.name} on {job.model}, {job.traffic}: infeasible under every mapping; of the closest one:")
    for reason in reasons:
        say(f"  {reason}")


def add_to(app: Any) -> None:
    """Register the command of this file."""
    app.command("sensitivity")(sensitivity_command)
