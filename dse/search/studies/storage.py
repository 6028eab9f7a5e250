"""Where are studies kept? Any Optuna storage by its URL; a journal file by default."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.search.samplers.named import calmly
from dse.search.studies.journal import journal_storage
from dse.search.studies.patience import reason, shown
from dse.search.studies.recovery import GRACE, put_back

__all__ = ["existing_storage", "find_study", "open_storage", "study_names"]

ANSWER = 10.0
"""How long a gRPC proxy may take to answer at first [s]."""

SCHEMES = ("journal:PATH", "sqlite:///PATH", "postgresql://...", "mysql://...", "grpc://HOST:PORT", "memory:")


def grpc(address: str) -> BaseStorage:
    """A storage behind Optuna's gRPC proxy, which must be there; ValueError for a port that is no number."""
    host, _, port = address.removeprefix("//").rstrip("/").partition(":")
    if not (port or "0").isdecimal():
        raise ValueError(f"the port {port!r} is no number")
    proxy = optuna.storages.GrpcStorageProxy(host=host or "localhost", port=int(port or 13000))
    proxy.wait_server_ready(timeout=ANSWER)
    return proxy


def database(url: str, beat: int | None) -> BaseStorage:
    """A relational database; connections that it has dropped are replaced.

    beat: seconds between signs of life of running trials; those of a dead process are put back. None: nobody beats.
    """
    scheme, _, rest = url.partition(":")
    driver = "postgresql+psycopg" if scheme == "postgresql" else scheme
    return optuna.storages.RDBStorage(
        f"{driver}:{rest}",
        engine_kwargs={} if scheme.startswith("sqlite") else {"pool_pre_ping": True},
        heartbeat_interval=beat,
        grace_period=None if beat is None else GRACE * beat,
        heartbeat_stale_trial_callback=None if beat is None else put_back,
    )


def opened(url: str, beat: int | None) -> BaseStorage | None:
    """The storage behind a URL; None for an unknown scheme."""
    scheme, _, rest = url.partition(":")
    if scheme == "journal" and rest:
        return journal_storage(rest)
    if scheme == "memory":
        return optuna.storages.InMemoryStorage()
    if scheme == "grpc":
        return grpc(rest)
    if scheme.partition("+")[0] in ("sqlite", "postgresql", "mysql"):
        return database(url, beat)
    return None


def open_storage(url: str, beat: int | None = None) -> BaseStorage:
    """A storage by URL; CatalogueError with the valid forms, or with the reason why it cannot be opened.

    beat: as of `database`.
    """
    try:
        with calmly():
            storage = opened(url, beat)
    except Exception as error:  # every driver raises its own kind; all of them mean the same to the user
        rule = f"the storage cannot be opened: {reason(error)}"
        raise CatalogueError([Problem(rule, value=shown(url), way_out=way_in(error, url))]) from error
    if storage is not None:
        return storage
    scheme = url.partition(":")[0]
    close = nearest(scheme, [form.partition(":")[0] for form in SCHEMES])
    allowed = listed(SCHEMES)
    raise CatalogueError([Problem("unknown kind of storage", value=repr(shown(url)), allowed=allowed, nearest=close)])


def way_in(error: Exception, url: str) -> str:
    """What to do about a storage that cannot be opened, '' where its error says it."""
    scheme = url.partition(":")[0]
    if isinstance(error, ImportError):
        package = {"grpc": "'altarch-dse[grpc]'", "mysql": "pymysql"}.get(scheme, "'altarch-dse[postgresql]'")
        return f"install what it needs: pip install {package}"
    if isinstance(error, ValueError) and scheme == "grpc":
        return "write it as grpc://HOST:PORT"
    if isinstance(error, AssertionError):
        return "it holds what no version of Optuna wrote: restore it, or the study from an export"
    if "schema" in str(error):
        return f"save the file, then: optuna storage upgrade --storage {shown(url)}"
    if scheme in ("grpc", "mysql") or scheme.startswith("postgresql"):
        return "start the server, or name another storage"
    return ""


def file_of(url: str) -> Path | None:
    """The file that a storage is kept in; None for storages that are no file here."""
    for scheme in ("journal:", "sqlite:///"):
        if url.startswith(scheme) and url != scheme and ":memory:" not in url:
            return Path(url.removeprefix(scheme))
    return None


def existing_storage(url: str, study: str = "", beat: int | None = None) -> BaseStorage:
    """A storage that is there already; nothing is made. CatalogueError with the storages that there are.

    study: the one that is looked for, named in the message; beat: as of `database`.
    """
    file = file_of(url)
    if file is None or file.is_file():
        return open_storage(url, beat)
    rule = "there is no such storage" + (f", and so no study {study!r}" if study else "")
    here = listed(storages_beside(file)) or "none here"
    way_out = f"storages: {here}; name one with --storage, or start a study: dse study run SPACE"
    raise CatalogueError([Problem(rule, value=shown(url), way_out=way_out)])


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
