"""list, show, check, import: what is in the catalogue, and is it sound?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dse.commands.options import CatalogueOption, JsonOption, print_json, say

__all__ = ["add_to"]


def list_command(
    kind: Annotated[str, typer.Argument(help="chips, transformers, formats, spaces, traffic, reports ...")],
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Names of what is in the catalogue."""
    from dse.catalogue import list_entries, open_catalogue

    entries = list_entries(kind, open_catalogue(catalogue))
    if as_json:
        print_json(entries)
        return
    width = max((len(entry["name"]) for entry in entries), default=0)
    for entry in entries:
        status = f"  [{entry['status']}]" if "status" in entry else ""
        say(f"{entry['name']:{width}}  {entry['title']}{status}")


def show_command(
    kind: Annotated[str, typer.Argument(help="chip, transformer, format, space, traffic, technology ...")],
    name: Annotated[str, typer.Argument(help="Name or alias.")],
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """One entry with every figure, default and source."""
    from dse.catalogue import open_catalogue, resolve
    from dse.catalogue.execution import execution_text

    found = resolve(kind, name, open_catalogue(catalogue))
    if as_json:
        print_json(found)
        return
    say(f"{found['name']} - {found['title']}  ({found['file']})")
    width = max((len(row["key"]) for row in found["values"]), default=0)
    for row in found["values"]:
        place = ", ".join(part for part in (row.get("source"), row.get("at")) if part)
        note = f" - {row['note']}" if row.get("note") else ""
        note += "; a prior that the fit below replaces" if row.get("superseded") else ""
        when = f" when {row['when']}, otherwise {row['otherwise']}" if row.get("when") else ""
        say(f"  {row['key']:{width}}  {row['text']:<18}  {row['kind']}{f' [{place}]' if place else ''}{when}{note}")
    for line in execution_text(found["execution"]) if "execution" in found else []:
        say(line)
    say("sources")
    for work in found["sources"]:
        say(f"  [{work['key']}] {work['title']}; {work['locator']}; {work['date']}")


def check_command(
    files: Annotated[list[Path] | None, typer.Argument(help="Files or folders; the whole catalogue when none.")] = None,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Validate files: every fault of every file at once."""
    from dataclasses import asdict

    from dse.catalogue import check, open_catalogue

    problems = check(files or None, open_catalogue(catalogue))
    if as_json:
        print_json([{key: value for key, value in asdict(problem).items() if value != ""} for problem in problems])
    else:
        for problem in problems:
            say(str(problem))
        say(f"{len(problems)} fault{'' if len(problems) == 1 else 's'}" if problems else "no faults")
    if problems:
        sys.exit(1)


def import_command(
    config: Annotated[Path, typer.Argument(help="A Hugging Face config.json.")],
    name: Annotated[str, typer.Option("--name", help="Of the new entry; by default the file's or the folder's.")] = "",
    output: Annotated[Path | None, typer.Option("--output", help="File to write; standard output when absent.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file, or use a name that is taken.")] = False,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Turn a Hugging Face config.json into a transformer file."""
    from dse.catalogue import CatalogueError, import_config, open_catalogue, taken_name
    from dse.catalogue.write import write_text

    named = name or (output.stem if output is not None and output.suffix == ".toml" else "")
    text, own = import_config(config, named)
    faults = [] if force else taken_name("transformer", own, output, open_catalogue(catalogue))
    if output is None:
        for fault in faults:
            sys.stderr.write(f"note: {fault}\n")
    elif faults:
        raise CatalogueError(faults)
    else:
        write_text(output, text)
    if as_json:
        print_json({"name": own, "output": None if output is None else str(output), "text": text})
    elif output is None:
        sys.stdout.write(text)
    else:
        say(f"wrote {output}")


def add_to(app: Any) -> None:
    """Register the commands of this file."""
    app.command("list")(list_command)
    app.command("show")(show_command)
    app.command("check")(check_command)
    app.command("import")(import_command)
