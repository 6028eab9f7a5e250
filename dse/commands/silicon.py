"""silicon: what is a chip as silicon? Area, power, yield and room left, beside what is published."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dse.commands.options import CatalogueOption, JsonOption, print_json, print_table, say

__all__ = ["add_to"]


def silicon_command(
    chip: Annotated[str | None, typer.Argument(help="A chip: a name, or the path of a .toml file.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every chip of the catalogue, one a line.")] = False,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Die area, full-load power, yield and the room left in each limit of a chip, from its architecture."""
    from dse.analysis.silicon import chips_with_silicon, examine
    from dse.catalogue import CatalogueError, Problem, open_catalogue
    from dse.reporting.silicon import (
        cited_works,
        score_table,
        scores,
        silicon_json,
        silicon_table,
        summary_table,
    )

    if every == (chip is not None):
        rule, way_out = "give either a chip or --all", "dse silicon h100-sxm, or dse silicon --all"
        raise CatalogueError([Problem(rule, key="CHIP", value=str(chip or "none"), way_out=way_out)])
    found = open_catalogue(catalogue)
    if chip is None:
        examined = [examine(found, name) for name in chips_with_silicon(found)]
        if as_json:
            print_json([silicon_json(item) for item in examined])
        else:
            print_table(summary_table(examined))
            say("")
            print_table(score_table(scores(examined)))
        return
    item = examine(found, found.adopt("chip", chip))
    if as_json:
        print_json(silicon_json(item))
    else:
        print_table(silicon_table(item))
        for work in cited_works(found.entry("chip", item.name)):
            say(f"  {work}")


def add_to(app: Any) -> None:
    """Register the command of this file."""
    app.command("silicon")(silicon_command)
