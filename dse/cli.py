"""The command line: `dse`. Each command lives in dse/commands and imports what it needs when it runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from dse.commands import (
    bench,
    breakeven,
    catalogue,
    cost,
    evaluate,
    formats,
    reports,
    sensitivity,
    silicon,
    studies,
    sweep,
    validate,
    workers,
)

if TYPE_CHECKING:
    from dse.catalogue.errors import Problem

__all__ = ["app", "main"]

app = typer.Typer(
    name="dse",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Which AI chip gives the most tokens per dollar, and why.",
)
catalogue.add_to(app)
evaluate.add_to(app)
formats.add_to(app)
silicon.add_to(app)
sensitivity.add_to(app)
cost.add_to(app)
breakeven.add_to(app)
studies.add_to(app)
workers.add_to(app)
sweep.add_to(app)
reports.add_to(app)
validate.add_to(app)
bench.add_to(app)


def main() -> None:
    """Run a command; a fault of the input is a message and exit status 1, never a traceback."""
    try:
        app()
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        problems = problems_of(error)
        if not problems:
            raise
        for problem in problems:
            sys.stderr.write(f"error: {problem}\n")
        sys.exit(1)


def problems_of(error: Exception) -> list[Problem]:
    """Faults of the input or of a storage in lines; none for a fault of the program."""
    from dse.catalogue.errors import CatalogueError

    if isinstance(error, CatalogueError):
        return error.problems
    if "optuna" not in sys.modules and not isinstance(error, OSError):
        return []
    from dse.search.studies.patience import storage_problem

    found = storage_problem(error)
    return [found] if found else []


if __name__ == "__main__":
    main()
