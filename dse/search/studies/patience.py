"""What if a storage does not answer? Lost connections are waited out; everything else is said in a line."""

from __future__ import annotations

import errno
import logging
import re
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from optuna.exceptions import StorageInternalError

from dse.catalogue.errors import CatalogueError, Problem

__all__ = ["lost_connection", "patiently", "reason", "shown", "storage_problem"]

PATIENCE = 300.0
"""How long a storage that does not answer is asked again [s]."""

PAUSE = 1.0
"""Between two attempts [s]."""

KEPT = "every told trial is kept"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)

Result = TypeVar("Result")
told = logging.getLogger("dse.storage")


def shown(url: str) -> str:
    """A URL without its password.

    >>> shown("postgresql://me:secret@host/db")
    'postgresql://me:***@host/db'
    """
    return re.sub(r"(://[^/@:]*):[^@]*@", r"\1:***@", url)


def driver_error(error: BaseException) -> BaseException | None:
    """What the driver of a database said, under the layers of Optuna and SQLAlchemy; None for other errors."""
    module = sys.modules.get("sqlalchemy.exc")
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    return getattr(cause, "orig", None) if module is not None and isinstance(cause, module.DBAPIError) else None


def rpc_status(error: BaseException) -> str:
    """The status of a call to a gRPC proxy that failed, '' for other errors."""
    module = sys.modules.get("grpc")
    if module is None or not isinstance(error, module.RpcError):
        return ""
    return error.code().name  # pyright: ignore[reportAttributeAccessIssue]


def lost_connection(error: BaseException) -> bool:
    """Whether a storage may answer again later: a server that is gone, or a file that another process holds."""
    driver = driver_error(error)
    if driver is None:
        return rpc_status(error) in ("UNAVAILABLE", "UNKNOWN")
    if type(driver).__module__ == "sqlite3":
        return "locked" in str(driver)
    names = [base.__name__ for base in type(driver).__mro__]
    return "DiskFull" not in names and ("OperationalError" in names or "InterfaceError" in names)


def patiently(action: Callable[..., Result], *arguments: Any) -> Result:
    """The result of a call to a storage, asked again while its connection is lost.

    CatalogueError when it has not come back after PATIENCE seconds; every other error as it is.
    """
    begun = time.monotonic()
    waiting = False
    while True:
        try:
            result = action(*arguments)
        except Exception as error:
            if not lost_connection(error):
                raise
            if time.monotonic() - begun > PATIENCE:
                problem = storage_problem(error)
                assert problem is not None
                raise CatalogueError([problem]) from error
            if not waiting:
                told.warning("the storage does not answer (%s); asked again for %.0f s", reason(error), PATIENCE)
            waiting = True
            time.sleep(PAUSE)
            continue
        if waiting:
            told.warning("the storage answers again")
        return result


def reason(error: BaseException) -> str:
    """The first line of what went wrong."""
    details = getattr(error, "details", None)
    text = str((details() if callable(details) else None) or driver_error(error) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def storage_problem(error: BaseException) -> Problem | None:
    """An error of a storage in a line with a way on; None for errors of another kind."""
    again = "go on with the same command, or `dse study resume NAME`, `dse worker STORAGE NAME`"
    if isinstance(error, OSError) and error.errno in FULL:
        way_out = f"{KEPT}: make room, then {again}"
        return Problem("the disk is full", file=error.filename or "", value=error.strerror or "", way_out=way_out)
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        way_out = "name another with --storage, or give the right to write"
        rule = "the file may not be written"
        return Problem(rule, file=error.filename or "", value=error.strerror or "", way_out=way_out)
    if lost_connection(error):
        way_out = f"start the server again, then {again}"
        return Problem("the connection to the storage is lost", value=reason(error), way_out=f"{KEPT}: {way_out}")
    driver = driver_error(error)
    if driver is None and not rpc_status(error):
        return None
    mend = f"make room, then {again}" if "full" in str(driver) else "mend it, or name another with --storage"
    return Problem("the storage refuses", value=reason(error), way_out=f"{KEPT}: {mend}")
