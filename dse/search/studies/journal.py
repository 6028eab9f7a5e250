"""How is a journal file kept whole? What a killed process or a full disk cut off goes before the next line is written.

Optuna reads past a last line that lacks its end, but appends to it, and a line cut off in the middle of the file makes
all of it unreadable.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from dse.catalogue.errors import CatalogueError, Problem

__all__ = ["journal_storage"]

STALE_LOCK = 5
"""After so many seconds the lock of a journal file is taken from a process that does not move [s]."""


def whole_size(file: Path) -> int:
    """Bytes of a journal up to the end of its last whole line."""
    with file.open("rb") as lines:
        size = lines.seek(0, os.SEEK_END)
        if size == 0:
            return 0
        lines.seek(size - 1)
        if lines.read(1) == b"\n":
            return size
        lines.seek(0)
        return lines.read().rfind(b"\n") + 1


def first_damaged(file: Path) -> int:
    """Number of the first line that is no JSON, from 1 [1]."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        return next((number for number, line in enumerate(lines, 1) if not is_json(line)), 0)


def is_json(line: str) -> bool:
    """Whether a line is JSON."""
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True


def forget_lost_lock(file: Path) -> None:
    """Remove the lock of a journal that has moved since: it points at nothing, and Optuna would wait for it for ever.

    A live process holds a lock for milliseconds; one of another program may point nowhere, and is left its time.
    """
    lock = file.with_name(file.name + ".lock")
    # Whoever holds it may let go at any moment.
    with contextlib.suppress(FileNotFoundError):
        if lock.is_symlink() and not lock.exists() and time.time() - lock.lstat().st_mtime > STALE_LOCK:
            lock.unlink()


class WholeLines(JournalFileBackend):
    """Optuna's journal file, to which nothing is appended but whole lines after whole lines."""

    def __init__(self, file: Path) -> None:
        self._file, self._own_lock = file, JournalFileSymlinkLock(str(file), grace_period=STALE_LOCK)
        super().__init__(str(file), lock_obj=self._own_lock)

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """The lines from a number on; CatalogueError where one of them is no JSON."""
        try:
            yield from super().read_logs(log_number_from)
        except json.JSONDecodeError as error:
            rule = f"line {first_damaged(self._file)} of the journal file is damaged"
            way_out = "take the line out, or the study from an export"
            raise CatalogueError(
                [Problem(rule, str(self._file), value=repr(error.doc[:40]), way_out=way_out)]
            ) from error

    def append_logs(self, logs: Sequence[dict[str, Any]]) -> None:
        """Append, all or nothing; OSError where the disk is full or the file may not be written."""
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        self._own_lock.acquire()
        try:
            size = whole_size(self._file)
            if size < self._file.stat().st_size:
                os.truncate(self._file, size)
            self._append(text, size)
        finally:
            self._own_lock.release()

    def _append(self, text: bytes, size: int) -> None:
        """Unbuffered, so that nothing of a write that failed comes after it."""
        with self._file.open("ab", buffering=0) as end:
            try:
                while text:
                    text = text[end.write(text) :]
                os.fsync(end.fileno())
            except OSError:
                os.truncate(self._file, size)
                raise


def journal_storage(path: str) -> optuna.storages.JournalStorage:
    """Optuna's journal file; its folder is made.

    The path is absolute because the lock of a killed process is only recognised as stale behind an absolute one; a
    write takes milliseconds, so a lock that stands for seconds belongs to nobody.
    """
    file = Path(path).resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    forget_lost_lock(file)
    return optuna.storages.JournalStorage(WholeLines(file))
