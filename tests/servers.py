"""Servers that tests start on loopback, each in a folder of its own: PostgreSQL of the system, Optuna's gRPC proxy."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage

from dse.search.studies.storage import open_storage

USER = "postgres"


def free_port() -> int:
    """A port of loopback that nobody listens to."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(port: int, running: subprocess.Popen) -> None:
    """Until somebody listens to a port."""
    for _ in range(600):
        assert running.poll() is None, f"the server ended with {running.returncode}"
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server does not listen")


def stop(running: subprocess.Popen, how: signal.Signals = signal.SIGTERM) -> None:
    """End a process that a test started."""
    if running.poll() is None:
        running.send_signal(how)
    try:
        running.wait(30)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, the newest; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    here = shutil.which("initdb")
    return found[-1].parent if found else Path(here).parent if here else None


@dataclass
class PostgreSQL:
    """A database server in a folder, which tests may stop and start again."""

    folder: Path
    programs: Path
    port: int
    running: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/postgres"

    def call(self, *command: str | Path) -> list[str]:
        """A command as the user that the server must run as: not as root."""
        words = [str(self.programs / command[0]), *(str(word) for word in command[1:])]
        as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.getuid() == 0 else []
        return [*as_user, *words]

    def create(self) -> None:
        self.folder.mkdir()
        if os.getuid() == 0:
            shutil.chown(self.folder, USER, USER)
        self.folder.chmod(0o700)
        options = ("-A", "trust", "-U", USER, "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        done = subprocess.run(
            self.call("initdb", "-D", self.folder / "data", *options), capture_output=True, text=True, cwd="/"
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        options = ("-D", self.folder / "data", "-k", self.folder, "-h", "127.0.0.1", "-p", str(self.port), "-F")
        with (self.folder / "log").open("ab") as log:
            self.running = subprocess.Popen(self.call("postgres", *options), stdout=log, stderr=log, cwd="/")
        wait_for(self.port, self.running)
        ready = self.call("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port))
        while subprocess.run(ready, cwd="/").returncode != 0:
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Fast shutdown, or SIGQUIT: at once, without a last word to anybody."""
        assert self.running is not None
        stop(self.running, how)


@contextmanager
def connected(url: str, beat: int | None = 1) -> Iterator[BaseStorage]:
    """A storage whose connections are closed at the end."""
    storage = open_storage(url, beat)
    try:
        yield storage
    finally:
        if isinstance(storage, RDBStorage):
            storage.engine.dispose()
        elif isinstance(storage, GrpcStorageProxy):
            storage.close()


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    # directly below /tmp: the user of the server must be able to enter every folder above its own
    folder = Path(f"/tmp/dse-postgresql-{os.getpid()}-{free_port()}")
    server = PostgreSQL(folder, found, free_port())
    try:
        server.create()
        server.start()
        yield server
    finally:
        if server.running is not None:
            server.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


PROXY = """
import sys
from optuna.storages import run_grpc_proxy_server
from dse.search.studies.storage import open_storage
run_grpc_proxy_server(open_storage(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]))
"""


@dataclass
class Proxy:
    """Optuna's gRPC proxy before a storage."""

    behind: str
    port: int
    running: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-W", "ignore", "-c", PROXY, self.behind, str(self.port)]
        self.running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port, self.running)

    def stop(self) -> None:
        assert self.running is not None
        stop(self.running, signal.SIGKILL)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """A proxy before an SQLite file."""
    server = Proxy(f"sqlite:///{tmp_path / 'behind.db'}", free_port())
    server.start()
    yield server
    server.stop()
