"""What can happen to a storage: every told trial is kept, and what is wrong is said in a line with a way on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import optuna
import pytest
from servers import PostgreSQL, connected
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import OperationalError
from test_workers import CATALOGUE, SPACE, WORKER_OF_TESTS, begun, go_on, same, trivial

from dse.analysis.comparison import job_of
from dse.catalogue import CatalogueError
from dse.search.objective import Outcome
from dse.search.studies import patience
from dse.search.studies.journal import forget_lost_lock
from dse.search.studies.plan import new_study
from dse.search.studies.recovery import WORKER
from dse.search.studies.storage import open_storage
from dse.search.studies.study import run, told_trials

DSE = [sys.executable, "-m", "dse.cli"]


def refused(command: list[str], cwd: Path, **options) -> str:
    """What a command says that ends with exit status 1."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240, check=False, **options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return next(line for line in done.stderr.splitlines() if line.startswith("error: "))


@pytest.mark.parametrize("tail", ['{"op_code":6,"trial', '{"op_code":6}', "\n\n{"])
def test_a_journal_that_was_cut_off_goes_on(tail: str, tmp_path: Path) -> None:
    file = tmp_path / "a.journal"
    study = begun(open_storage(f"journal:{file}"))
    go_on(study, 8)
    before = file.read_bytes()
    file.write_bytes(before + tail.lstrip("\n").encode())
    again = optuna.load_study(study_name="shared", storage=open_storage(f"journal:{file}"))
    assert len(told_trials(again)) == 8
    go_on(again, 8)
    assert file.read_bytes().startswith(before)
    assert [json.loads(line) for line in file.read_text().splitlines()]
    assert len(told_trials(optuna.load_study(study_name="shared", storage=open_storage(f"journal:{file}")))) == 16


def test_a_journal_damaged_inside_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.journal"
    begun(open_storage(f"journal:{file}"))
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], '{"op_code":', *lines[1:]]) + "\n")
    with pytest.raises(CatalogueError, match=r"a\.journal: line 2 of the journal file is damaged"):
        open_storage(f"journal:{file}").get_all_studies()


def test_the_lock_of_a_journal_that_has_moved_keeps_nobody_waiting(tmp_path: Path) -> None:
    file, lock = tmp_path / "a.journal", tmp_path / "a.journal.lock"
    study = begun(open_storage(f"journal:{file}"))
    lock.symlink_to(tmp_path / "elsewhere" / "a.journal")
    open_storage(f"journal:{file}")
    assert lock.is_symlink(), "it may be that of another program, which has just begun to write"
    os.utime(lock, (0, 0), follow_symlinks=False)
    assert open_storage(f"journal:{file}").get_all_studies()[0].study_name == study.study_name
    assert not lock.is_symlink()


def test_a_lock_that_goes_while_it_is_looked_at_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when another process has written its line meanwhile."""
    monkeypatch.setattr(Path, "is_symlink", lambda _: True)
    forget_lost_lock(tmp_path / "a.journal")


def test_a_full_disk_loses_nothing_told(tmp_path: Path) -> None:
    """The limit on the size of a file stands for the disk: a write is cut off at it."""
    command = ["study", "run", "sram-vs-hbm", "--trials", "128", "--sampler", "random", "--study", "a"]
    error = refused(["prlimit", "--fsize=100000", *DSE, *command], tmp_path)
    assert "the disk is full" in error
    assert "every told trial is kept" in error
    file = tmp_path / "results" / "studies.journal"
    assert file.read_bytes().endswith(b"\n")
    assert file.stat().st_size <= 100_000
    study = optuna.load_study(study_name="a", storage=open_storage(f"journal:{file}"))
    told = [trial.params for trial in told_trials(study)]
    assert told
    job = job_of(CATALOGUE, SPACE.model, SPACE.traffic, SPACE.price_basis)
    run(study, SPACE, job, CATALOGUE.library, 4, work=WORKER_OF_TESTS)
    assert [trial.params for trial in told_trials(study)][: len(told)] == told


@pytest.mark.parametrize("kind", ["journal:{}", "sqlite:///{}"])
def test_a_file_that_may_not_be_written(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    url = kind.format(folder / "studies")
    new_study(open_storage(url), "there", [optuna.study.StudyDirection.MAXIMIZE])
    (folder / "studies").chmod(0o444)
    folder.chmod(0o555)
    lowly = []
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everything, and setpriv (util-linux) is not installed")
        rights = "-dac_override,-dac_read_search"
        lowly = ["setpriv", "--bounding-set", rights, "--inh-caps", rights]
    try:
        error = refused([*lowly, *DSE, "study", "run", "sram-vs-hbm", "--trials", "1", "--storage", url], tmp_path)
    finally:
        folder.chmod(0o755)
    assert "may not be written" in error or "readonly" in error
    assert "--storage" in error


def test_an_older_schema_is_refused_with_the_way_to_upgrade(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    new_study(open_storage(url), "there", [optuna.study.StudyDirection.MAXIMIZE])
    with sqlite3.connect(tmp_path / "old.db") as database:
        database.execute("update alembic_version set version_num = 'v2.6.0.a'")
    database.close()
    with pytest.raises(CatalogueError, match=f"optuna storage upgrade --storage {url}"):
        open_storage(url)


def test_two_studies_of_one_name_are_refused(tmp_path: Path) -> None:
    for url in ("memory:", f"journal:{tmp_path / 'a.journal'}", f"sqlite:///{tmp_path / 'a.db'}"):
        storage = open_storage(url)
        begun(storage, "one")
        with pytest.raises(CatalogueError, match="dse study resume one"):
            begun(storage, "one")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:secret@127.0.0.1:1/x", "start the server"),
        ("grpc://127.0.0.1:port", "the port 'port' is no number"),
        ("sqlite:////nowhere/at/all/a.db", "unable to open"),
        ("oracle://x", "unknown kind of storage"),
    ],
)
def test_what_cannot_be_opened_is_said_without_its_password(url: str, said: str) -> None:
    with pytest.raises(CatalogueError, match=said) as error:
        open_storage(url)
    assert "secret" not in str(error.value)


def test_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n.db").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(CatalogueError, match="not a database"):
        open_storage(f"sqlite:///{tmp_path / 'n.db'}")


@pytest.mark.parametrize("announce", [False, True])
def test_a_database_that_restarts_is_waited_for(
    postgresql: PostgreSQL, announce: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped without a last word in the middle of a study: it goes on, and no trial is lost or told twice."""
    monkeypatch.setattr(patience, "PAUSE", 0.1)
    thread = threading.Timer(0.5, postgresql.start)

    def restarting(trials, designs) -> list[Outcome]:
        postgresql.stop(signal.SIGQUIT)
        thread.start()
        return trivial(trials, designs)

    with connected(postgresql.url) as storage:
        study = begun(storage, f"restarted-{announce}")
        state = go_on(study, 24, WORKER_OF_TESTS._replace(announce=announce, evaluate=restarting))
        thread.join()
        tags = [trial.user_attrs[WORKER] for trial in told_trials(same(study))]
    assert len(tags) == len(set(tags)) == state.told == 24


def test_a_database_that_stays_away_ends_in_a_line(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.1)
    monkeypatch.setattr(patience, "PATIENCE", 0.5)

    def leaving(trials, designs) -> list[Outcome]:
        postgresql.stop()
        return trivial(trials, designs)

    with connected(postgresql.url) as storage:
        study = begun(storage, "away")
        try:
            with pytest.raises(CatalogueError, match="the connection to the storage is lost") as error:
                go_on(study, 8, WORKER_OF_TESTS._replace(evaluate=leaving))
            assert "every told trial is kept: start the server again" in str(error.value)
            assert "the storage does not answer" in caplog.text
        finally:
            postgresql.start()
        assert len(same(study).get_trials()) == 8


def test_a_locked_file_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.01)
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}", connect_args={"timeout": 0.01}, poolclass=NullPool)
    holder = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    holder.execute("begin exclusive")
    tries = []

    def action() -> str:
        tries.append(1)
        if len(tries) == 3:
            holder.execute("rollback")
        with engine.begin() as connection:
            connection.exec_driver_sql("create table x (y)")
        return "made"

    assert patience.patiently(action) == "made"
    holder.close()
    assert len(tries) == 3
    assert "the storage answers again" in caplog.text
    with pytest.raises(OperationalError, match="already exists"):
        patience.patiently(action)
