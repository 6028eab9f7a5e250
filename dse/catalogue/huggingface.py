"""How does a model become a file of the catalogue? From the config.json that is published with its weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from dse.catalogue.architectures import ARCHITECTURES, Config, Sizes
from dse.catalogue.consistency import transformer_faults
from dse.catalogue.count import parameters
from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.catalogue.read import parse_entry, read_text
from dse.catalogue.write import quoted

__all__ = ["import_config"]


def import_config(path: Path, name: str = "") -> tuple[str, str]:
    """The text of a transformer file from a Hugging Face config.json, and the name that it gives the model.

    name: of the new entry, by default that of the folder. CatalogueError for unreadable JSON, an unknown
    architecture (with those that are known) and missing or odd sizes.
    """
    raw = read_json(path)
    model_type = str(raw.get("model_type", ""))
    nested = raw.get("text_config")
    if isinstance(nested, dict) and "hidden_size" in nested:
        raw = {**{key: raw[key] for key in raw if key == "tie_word_embeddings"}, **nested}
        model_type = str(nested.get("model_type", model_type))
    if model_type not in ARCHITECTURES:
        close = nearest(model_type, ARCHITECTURES)
        known = listed(ARCHITECTURES, near=model_type)
        raise CatalogueError([Problem("unknown architecture", str(path), "model_type", repr(model_type), known, close)])
    config = Config(raw, str(path))
    try:
        tables = ARCHITECTURES[model_type](config)
    except (TypeError, ValueError) as error:  # a list or table where the architecture has a number
        problems = config.problems or [Problem(f"has keys of the wrong kind ({error})", str(path))]
        raise CatalogueError(problems) from error
    if config.problems:
        raise CatalogueError(config.problems)
    own = name or entry_name(path, raw)
    return checked_text(tables, own, path), own


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file."""
    try:
        raw = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise CatalogueError([Problem(f"JSON syntax: {error}", file=str(path))]) from error
    if not isinstance(raw, dict):
        raise CatalogueError([Problem("must be a JSON object", file=str(path))])
    return raw


def entry_name(path: Path, raw: dict[str, Any]) -> str:
    """A name for the entry: the model's own, else that of the file or its folder."""
    given = str(raw.get("_name_or_path") or "").rstrip("/").rpartition("/")[2]
    stem = path.resolve().parent.name if path.stem == "config" else path.stem
    name = (given or stem).lower()
    return "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in name).strip("-") or "model"


def checked_text(tables: dict[str, Sizes], name: str, path: Path) -> str:
    """The file, once it has been read back, with the number of parameters that its sizes give."""
    try:
        draft = parse_entry(transformer_text(tables, name, path, 1), Path(f"{name}.toml"), "transformer")
        text = transformer_text(tables, name, path, parameters(draft.values))
        faults = list(transformer_faults(parse_entry(text, draft.path, "transformer")))
    except CatalogueError as error:
        faults, text = error.problems, ""
    if faults:
        way_out = "these sizes follow from the configuration"
        raise CatalogueError(replace(fault, file=str(path), way_out=fault.way_out or way_out) for fault in faults)
    return text


def transformer_text(tables: dict[str, Sizes], name: str, path: Path, count: int) -> str:
    """The TOML of a transformer."""
    note = "counted from the sizes below; compare it with the published number"
    lines = [
        'kind = "transformer"',
        f"name = {quoted(name)}",
        f"title = {quoted(name)}",
        f'parameters = {{ value = {count}, source = "config", kind = "derived", note = {quoted(note)} }}',
        "parameters_tolerance = 0.0",
        "",
        "[sources]",
        f'config = {{ title = "config.json of {name}", locator = {quoted(path.name)} }}',
    ]
    for table, sizes in tables.items():
        lines += ["", f"[{table}]"]
        lines += [f"{key} = {toml_field(key, value)}" for key, value in sizes.items()]
    return "\n".join(lines) + "\n"


def toml_field(key: str, value: Any) -> str:
    """A field as TOML; parameters that no field counts say where they come from."""
    if key != "extra_parameters":
        return toml_value(value)
    return f'{{ value = {value}, kind = "derived", note = "vectors of the architecture that no other field counts" }}'


def toml_value(value: Any) -> str:
    """A flag, a name or a count as TOML."""
    return str(value).lower() if isinstance(value, bool) else quoted(value) if isinstance(value, str) else str(value)
