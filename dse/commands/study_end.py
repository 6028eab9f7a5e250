"""What does every study end with? The head of its document, and the lines behind its ranking."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse.commands.options import print_wrapped, say

if TYPE_CHECKING:
    import optuna

    from dse.reporting.tables import StudyRecord

__all__ = ["end_json", "tell_end"]


def end_json(study: optuna.Study, storage: str, record: StudyRecord, page: Path, again: list[str]) -> dict[str, Any]:
    """The head of the document of a study that has ended; again: commands that give the same numbers."""
    from dse.reporting.convergence import convergence
    from dse.search.studies.study import told_trials

    return {
        "study": study.study_name,
        "storage": storage,
        "trials": len(told_trials(study)),
        "convergence": [one._asdict() | {"improving": one.improving} for one in convergence(record)],
        "start_points": record.start_notes,
        "report": str(page),
        "evaluate": again,
    }


def tell_end(notes: Iterable[str], record: StudyRecord, folder: Path, page: Path, again: list[str]) -> None:
    """The lines behind the ranking: notes, whether the search still improves, where it began, and the files."""
    from dse.reporting.convergence import convergence_lines, start_text

    for line in [*notes, *convergence_lines(record), f"Start points: {start_text(record)}."]:
        print_wrapped(line)
    say(f"chip files: {folder / 'chips'}")
    say(f"report:     {page}")
    say("the same numbers from the chip file:")
    for command in again:
        say(f"  {command}")
