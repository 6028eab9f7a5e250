"""Options that commands share, and how a document is printed."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from dse.analysis.comparison import Comparison

__all__ = [
    "MOST",
    "MOST_CHIPS",
    "AcceptanceOption",
    "BuyerOption",
    "CatalogueOption",
    "ChipsLimit",
    "DraftsOption",
    "JsonOption",
    "LeastQsnrOption",
    "LossOption",
    "ModelOption",
    "ObjectiveOption",
    "PriceBasisOption",
    "TrafficOption",
    "VolumeOption",
    "print_json",
    "print_ranking",
    "print_wrapped",
    "say",
]

MOST = 1_000_000
"""Largest count that an option takes: sequences, tokens, trials [1]."""

MOST_CHIPS = 65_536
"""Most chips that one may ask for: every way to divide them is tried [1]."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
CatalogueOption = Annotated[
    Path | None, typer.Option("--catalogue", metavar="DIR", help="Your own folder with models/ and search_spaces/.")
]
ModelOption = Annotated[str, typer.Option("--model", help="A transformer: a name, or the path of a .toml file.")]
TrafficOption = Annotated[str, typer.Option("--traffic", help="A traffic: a name, or the path of a .toml file.")]
PriceBasisOption = Annotated[
    str, typer.Option("--price-basis", help="make, buy, rent or tco: what a dollar of the comparison pays for.")
]
BuyerOption = Annotated[str, typer.Option("--buyer", help="Whose money it is: hyperscaler or neocloud.")]
VolumeOption = Annotated[
    int | None,
    typer.Option(
        "--volume", min=0, max=10**9, help="Chips over which development is spread, where no market price holds it."
    ),
]
ObjectiveOption = Annotated[str, typer.Option("--objective", help="What the best mapping maximises.")]
DraftsOption = Annotated[int | None, typer.Option("--draft-tokens", min=0, max=64, help="Tokens speculated per step.")]
AcceptanceOption = Annotated[
    float | None, typer.Option("--draft-acceptance", min=0, max=0.999, help="Share of the drafts that is kept.")
]
LeastQsnrOption = Annotated[
    str | None,
    typer.Option("--min-qsnr", metavar="DB", help="Least signal over quantisation noise of all formats, as '20 dB'."),
]
LossOption = Annotated[
    float | None,
    typer.Option(
        "--max-accuracy-loss", min=0, max=1, help="Most that formats may lose: rank correlation of a sentence model."
    ),
]
ChipsLimit = Annotated[
    int, typer.Option("--most-chips", min=1, max=MOST_CHIPS, help="Most chips that one deployment may use.")
]


def without_nonsense(value: Any) -> Any:
    """The document with NaN and infinity as null."""
    if isinstance(value, dict):
        return {str(key): without_nonsense(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nonsense(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_json(document: Any) -> None:
    """One document on standard output."""
    sys.stdout.write(json.dumps(without_nonsense(document), indent=2, ensure_ascii=False, default=str) + "\n")


def say(text: str = "") -> None:
    """A line for a person."""
    sys.stdout.write(text + "\n")


def print_ranking(comparison: Comparison, objectives: Sequence[str] = ()) -> None:
    """A comparison for a person: the ranking and the notes that it needs."""
    from rich.console import Console

    from dse.reporting.notes import ranking_notes
    from dse.reporting.tables import ranking
    from dse.reporting.terminal import ranking_table

    notes = ranking_notes(comparison, ranking(comparison, objectives))
    Console().print(ranking_table(comparison, objectives=objectives, notes=notes))


def print_table(table: Table | Group) -> None:
    """A table, or several things, for a person."""
    from rich.console import Console

    Console().print(table)


def print_wrapped(text: str) -> None:
    """A sentence for a person, in lines as long as the terminal is wide."""
    from rich.console import Console

    Console().print(text, markup=False, highlight=False)
