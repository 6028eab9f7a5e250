"""Options that commands share, and how a document is printed."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "MOST",
    "MOST_CHIPS",
    "CatalogueOption",
    "ChipsLimit",
    "JsonOption",
    "ModelOption",
    "PriceBasisOption",
    "TrafficOption",
    "print_json",
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
