"""Where are studies kept? Any Optuna storage by its URL; a journal file by default."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from dse.catalogue.errors import CatalogueError, Problem, listed, nearest

__all__ = ["DEFAULT_STORAGE", "existing_storage", "find_study", "open_storage", "study_names"]

DEFAULT_STORAGE = "journal:results/studies.journal"
STALE_LOCK = 5
"""After so many seconds the lock of a journal file is taken from a process that does not move [s]."""

SCHEMES = ("journal:PATH", "sqlite:///PATH", "postgresql://...", "mysql://...", "grpc://HOST:PORT", "memory:")


def journal(path: str) -> BaseStorage:
    """Optuna's journal file; its folder is made.

    The path is absolute because the lock of a killed process is only recognised as stale behind an absolute one; a
    write takes milliseconds, so a lock that stands for seconds belongs to nobody.
    """
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

    file = Path(path).resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = JournalFileSymlinkLock(str(file), grace_period=STALE_LOCK)
    return optuna.storages.JournalStorage(JournalFileBackend(str(file), lock_obj=lock))


def grpc(address: str) -> BaseStorage:
    """A storage behind Optuna's gRPC proxy."""
    host, _, port = address.removeprefix("//").partition(":")
    return optuna.storages.GrpcStorageProxy(host=host or "localhost", port=int(port or 13000))


def open_storage(url: str) -> BaseStorage:
    """A storage by URL; CatalogueError with the valid forms, or with the reason why it cannot be opened."""
    scheme, _, rest = url.partition(":")
    try:
        if scheme == "journal" and rest:
            return journal(rest)
        if scheme == "memory":
            return optuna.storages.InMemoryStorage()
        if scheme == "grpc":
            return grpc(rest)
        if scheme.partition("+")[0] in ("sqlite", "postgresql", "mysql"):
            return optuna.storages.RDBStorage(url)
    except Exception as error:  # every driver raises its own kind; all of them mean the same to the user
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CatalogueError([Problem(f"the storage cannot be opened: {reason}", value=url)]) from error
    close = nearest(scheme, [form.partition(":")[0] for form in SCHEMES])
    raise CatalogueError([Problem("unknown kind of storage", value=repr(url), allowed=listed(SCHEMES), nearest=close)])


def file_of(url: str) -> Path | None:
    """The file that a storage is kept in; None for storages that are no file here."""
    for scheme in ("journal:", "sqlite:///"):
        if url.startswith(scheme) and url != scheme and ":memory:" not in url:
            return Path(url.removeprefix(scheme))
    return None


def existing_storage(url: str, study: str = "") -> BaseStorage:
    """A storage that is there already; nothing is made. CatalogueError with the storages that there are.

    study: the one that is looked for, named in the message.
    """
    file = file_of(url)
    if file is None or file.is_file():
        return open_storage(url)
    rule = "there is no such storage" + (f", and so no study {study!r}" if study else "")
    here = listed(storages_beside(file)) or "none here"
    way_out = f"storages: {here}; name one with --storage, or start a study: dse study run SPACE"
    raise CatalogueError([Problem(rule, value=url, way_out=way_out)])


def storages_beside(file: Path) -> list[str]:
    """Storages in the folder of a file, in the working directory and in results/, as URLs."""
    folders = dict.fromkeys(folder.resolve() for folder in (file.parent, Path(), Path("results")))
    found = []
    for scheme, ending in (("journal:", "*.journal"), ("sqlite:///", "*.db")):
        paths = [path for folder in folders if folder.is_dir() for path in sorted(folder.glob(ending))]
        found += [f"{scheme}{nearby(path)}" for path in paths]
    return found


def nearby(path: Path) -> Path:
    """A path as seen from the working directory where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def study_names(storage: BaseStorage) -> list[str]:
    """Names of the studies in a storage, oldest first."""
    return [study.study_name for study in storage.get_all_studies()]


def find_study(storage: BaseStorage, name: str) -> optuna.Study:
    """A study by name; CatalogueError with the nearest of those that there are."""
    names = study_names(storage)
    if name not in names:
        allowed = listed(names, near=name) or "none yet: start one with `dse study run SPACE`"
        raise CatalogueError(
            [Problem("unknown study", value=repr(name), allowed=allowed, nearest=nearest(name, names))]
        )
    return optuna.load_study(study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler())
