"""cost: what does a chip cost to make, to buy, to rent and to own?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dse.commands.options import (
    BuyerOption,
    CatalogueOption,
    JsonOption,
    VolumeOption,
    print_json,
    say,
)

__all__ = ["add_to"]


def cost_command(
    chip: Annotated[str, typer.Argument(help="A chip: a name, or the path of a .toml file.")],
    buyer: BuyerOption = "hyperscaler",
    volume: VolumeOption = None,
    year: Annotated[
        float | None,
        typer.Option(
            "--year", min=2015, max=2026.5, help="Of the prices of memory and wafers; the catalogue's: mid-2026."
        ),
    ] = None,
    constants: Annotated[int, typer.Option("--constants", min=0, max=1000, help="Constants that are listed.")] = 20,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """The whole bill of one package, with ranges and sources."""
    from dse.analysis.bill import bill_of
    from dse.catalogue import open_catalogue
    from dse.reporting.bill import bill_json, bill_lines

    found = open_catalogue(catalogue)
    bill = bill_of(found, found.adopt("chip", chip), buyer, volume, year)
    if as_json:
        print_json(bill_json(bill))
        return
    for line in bill_lines(bill, buyer, constants):
        say(line)


def add_to(app: Any) -> None:
    """Register the commands of this file."""
    app.command("cost")(cost_command)
