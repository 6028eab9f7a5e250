"""A command as a person types it."""

from __future__ import annotations

from typer.testing import CliRunner, Result

from dse.cli import app

__all__ = ["run"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))
