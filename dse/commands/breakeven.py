"""breakeven: from how many chips on does a chip of one's own pay?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.commands.options import (
    MOST,
    BuyerOption,
    CatalogueOption,
    ChipsLimit,
    JsonOption,
    LeastQsnrOption,
    LossOption,
    ModelOption,
    PriceBasisOption,
    TrafficOption,
    print_json,
    say,
)

if TYPE_CHECKING:
    from dse.catalogue import Catalogue

__all__ = ["add_to"]


def breakeven_command(
    design: Annotated[str, typer.Argument(help="A search space, or a chip: a name, or the path of a .toml file.")],
    model: ModelOption,
    traffic: TrafficOption = "chat",
    against: Annotated[
        str,
        typer.Option("--against", help="Chips with commas, of which the best is taken; `all` that ship when absent."),
    ] = "all",
    price_basis: PriceBasisOption = "tco",
    buyer: BuyerOption = "hyperscaler",
    min_qsnr: LeastQsnrOption = None,
    max_loss: LossOption = None,
    trials: Annotated[int, typer.Option("--trials", min=1, max=MOST, help="Designs to try in a space.")] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Of the search in a space.")] = 0,
    most_chips: ChipsLimit = 1024,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Chips, and tokens a second, from which on designing one's own beats buying the best chip for the same traffic.

    The own chip is made at the margin of a design partner and owned; the price basis is that of the rivals. Design,
    masks, licences and software are spread over the volume. A chip that never pays is an answer: exit status 0,
    "never": true, and why.
    """
    from dse.analysis.break_even import as_owner, break_even
    from dse.analysis.comparison import job_of
    from dse.analysis.quality import quality_asked
    from dse.catalogue import open_catalogue
    from dse.reporting.break_even import break_even_json, break_even_lines

    found = open_catalogue(catalogue)
    model, traffic = found.adopt("transformer", model), found.adopt("traffic", traffic)
    quality = quality_asked(min_qsnr, max_loss)
    job = job_of(found, model, traffic, price_basis, "tokens_per_dollar", most_chips, buyer, quality=quality)
    rivals = rivals_of(found, against)
    name = found.adopt(kind_of(design), design)
    if is_space(found, name):
        from dse.catalogue import load_space
        from dse.commands.studies import quiet
        from dse.search.studies.own_design import own_design

        quiet()
        space = load_space(name, found)
        owner = as_owner(job, found)
        title, values = f"{space.title}: best of {trials} designs", own_design(found, space, owner, trials, seed)
        name = f"{space.name}-best"
    else:
        entry = found.entry("chip", name)
        name, title, values = entry.name, str(getattr(entry.document, "title", name)), dict(entry.values)
    result = break_even(found, job, name, title, values, rivals)
    if as_json:
        print_json(break_even_json(result, job))
        return
    for line in break_even_lines(result, job):
        say(line)


def rivals_of(catalogue: Catalogue, against: str) -> list[str]:
    """The chips that are named, or all that ship; CatalogueError for one that cannot be used."""
    from dse.analysis.shipped import on_the_market

    if against == "all":
        return [entry.name for entry in on_the_market(catalogue)]
    return [catalogue.entry("chip", catalogue.adopt("chip", one.strip())).name for one in against.split(",")]


def kind_of(design: str) -> str:
    """What a file says that it is, `space` or `chip`; of a name it does not matter."""
    from dse.catalogue.locate import head_of

    is_box = design.endswith(".toml") and head_of(Path(design)).get("kind") == "space"
    return "space" if is_box else "chip"


def is_space(catalogue: Catalogue, name: str) -> bool:
    """Whether a name means a search space; CatalogueError when it is neither space nor chip, or either alike.

    A name goes before an alias, and what else answers to it is told.
    """
    from dse.catalogue import CatalogueError, Problem, list_entries
    from dse.catalogue.errors import listed, nearest

    called = {
        kind: {
            alias: str(row["name"]) for row in list_entries(kind, catalogue) for alias in (row["name"], *row["aliases"])
        }
        for kind in ("space", "chip")
    }
    space, chip = (called[kind].get(name) for kind in ("space", "chip"))
    if space is None and chip is None:
        names = sorted(called["space"] | called["chip"])
        allowed, near = listed(names, near=name), nearest(name, names)
        raise CatalogueError([Problem("unknown space or chip", value=repr(name), allowed=allowed, nearest=near)])
    if space is None or chip is None:
        return chip is None
    if (name == space) is (name == chip):
        way_out = f"write the name {listed([space, chip])}, or the path of the file"
        raise CatalogueError([Problem("is a space and a chip", value=repr(name), way_out=way_out)])
    taken, other = ("space", f"chip {chip}") if name == space else ("chip", f"space {space}")
    sys.stderr.write(f"note: {name!r} is taken as the {taken} of that name; the {other} answers to it too\n")
    return name == space


def add_to(app: Any) -> None:
    """Register the commands of this file."""
    app.command("breakeven")(breakeven_command)
