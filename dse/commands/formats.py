"""formats: what do number formats cost, and what do they lose? The table, and the measurements behind it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.commands.options import CatalogueOption, JsonOption, print_json, print_table, print_wrapped, say

if TYPE_CHECKING:
    from typer import Context

    from dse.catalogue import Catalogue
    from dse.numerics.parameters import Quantiser

__all__ = ["add_to"]

if not TYPE_CHECKING:
    Context = typer.Context.__base__  # what typer hands over is of the class that its own name for it derives from

formats = typer.Typer(invoke_without_command=True, help="Number formats: bits, silicon, noise and measured loss.")


@formats.callback()
def table_command(context: Context, catalogue: CatalogueOption = None, as_json: JsonOption = False) -> None:
    """Every number format: bits with scales, noise, loss of a real transformer, silicon, published losses."""
    if context.invoked_subcommand is not None:
        return
    from dse.analysis.sentence_model import INSTALL, installed
    from dse.catalogue import open_catalogue
    from dse.reporting.formats import LEGEND, format_json, format_rows, format_table, measured_text, published_table

    rows = format_rows(open_catalogue(catalogue))
    if as_json:
        print_json(
            {"formats": [format_json(row) for row in rows], "extra": {"installed": installed(), "install": INSTALL}}
        )
        return
    print_table(format_table(rows))
    print_wrapped(LEGEND)
    say()
    print_table(published_table(rows))
    say()
    print_wrapped(f"measured by {measured_text(rows)}")
    if not installed():
        print_wrapped(f"Losses are the stored ones; to measure them here: {INSTALL}")


@formats.command("measure")
def measure_command(
    names: Annotated[list[str] | None, typer.Argument(help="Formats; all of the catalogue when none.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder with models/ to write to; the catalogue's, else this one.")
    ] = None,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure noise, and with the extra [quality] the loss of a real transformer, and store both."""
    from dse.analysis.format_quality import measure_losses, measure_noise
    from dse.analysis.sentence_model import INSTALL, installed
    from dse.catalogue import open_catalogue
    from dse.catalogue.format_store import store

    quantisers = quantisers_of(open_catalogue(catalogue), names)
    root = output or catalogue or Path()
    files = [store(root, "noise.csv", measure_noise(quantisers, tell))]
    if installed():
        files.append(store(root, "loss.csv", measure_losses(quantisers, tell)))
    else:
        sys.stderr.write(f"note: losses are left as stored: the sentence model is not installed; {INSTALL}\n")
    if as_json:
        print_json({"formats": list(quantisers), "files": [str(file) for file in files], "losses": installed()})
        return
    for file in files:
        say(f"wrote {file}")


def quantisers_of(catalogue: Catalogue, names: list[str] | None) -> dict[str, Quantiser]:
    """The quantisers of formats by name; CatalogueError for unknown ones, and for blocks that cannot be measured."""
    from dse.analysis.format_noise import COLUMNS
    from dse.catalogue import CatalogueError, Problem
    from dse.catalogue.formats import quantiser_of

    entries = [catalogue.entry("format", name) for name in names or catalogue.files("format")]
    found = {entry.name: (quantiser_of(entry), str(entry.path)) for entry in entries}
    rule, way_out = f"does not divide the {COLUMNS:,} channels that it is measured on", "take a power of two"
    blocks = {name: one.scaling.block for name, (one, _) in found.items() if one.scaling is not None}
    faults = [
        Problem(rule, found[name][1], "quantiser.block", str(block), way_out=f"{way_out}, at most {COLUMNS:,}")
        for name, block in blocks.items()
        if block > 0 and COLUMNS % block
    ]
    if faults:
        raise CatalogueError(faults)
    return {name: quantiser for name, (quantiser, _) in found.items()}


def tell(name: str) -> None:
    """Show on a terminal which format is being measured."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{name}")
        sys.stderr.flush()


def add_to(app: Any) -> None:
    """Register the commands of this file."""
    app.add_typer(formats, name="formats")
