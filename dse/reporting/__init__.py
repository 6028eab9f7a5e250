"""What is shown: data of each table and figure first, drawing second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dse.reporting.folder import write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    """Import `write_report` when it is asked for: the drawing library is slow to load and few commands draw."""
    if name == "write_report":
        from dse.reporting.folder import write_report

        return write_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
