"""Who works on a study? Every process signs in, beats while it lives, and puts back the trials of those that died."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterable
from types import TracebackType

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from dse.search.studies.patience import lost_connection, patiently
from dse.search.studies.recovery import GRACE, Watch, beat_key, beats_of, fail, fail_by_heartbeat, place, put_back

__all__ = ["EVERY", "Presence", "fresh_identity"]

EVERY = 10
"""Seconds between beats where nobody says otherwise [s]."""

told = logging.getLogger("dse.storage")


def fresh_identity() -> str:
    """A name that no other process has: machine, process and chance."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


class Presence:
    """One process at work on a study, as a context: beats from a thread of its own until it leaves.

    held: trials of the durable study that this process is running, by id. A study in memory has nobody to beat for.
    """

    def __init__(self, study: optuna.Study, every: int = EVERY) -> None:
        self.study, self.every, self.name = study, every, fresh_identity()
        self.held: frozenset[int] = frozenset()
        self.watch = Watch(grace=float(GRACE * every))
        self._alone = isinstance(study._storage, InMemoryStorage)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, daemon=True)
        self._number = 0
        self._looked = 0.0

    def __enter__(self) -> Presence:
        """Sign in."""
        if not self._alone:
            patiently(self.beat)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Sign out; where the storage is gone the beat just stands still."""
        self._left.set()
        if self._alone:
            return
        self._thread.join()
        try:
            self.beat(ended=True)
        except Exception as lost:
            if kind is None and not lost_connection(lost):
                raise

    def beat(self, ended: bool = False) -> None:
        """One sign of life, of this process and of every trial that it holds."""
        self._number += 1
        record = {"beat": self._number, "time": time.time(), "every": self.every, "ended": ended}
        record |= {"place": place(), "process": os.getpid()}
        self.study.set_user_attr(beat_key(self.name), record)
        self.beat_for(self.held)

    def hold(self, trials: Iterable[int]) -> None:
        """From now on beat for these trials."""
        self.held = frozenset(trials)
        if not self._alone:
            patiently(self.beat_for, self.held)

    def beat_for(self, trials: Iterable[int]) -> None:
        """A sign of life of running trials, where the storage keeps one for each."""
        storage = self.study._storage
        if getattr(storage, "get_heartbeat_interval", lambda: None)() is None:
            return
        for trial in trials:
            storage.record_heartbeat(trial)  # pyright: ignore[reportAttributeAccessIssue]

    def _beat_on(self) -> None:
        """Beat until this process leaves; a beat that fails is followed by the next."""
        while not self._left.wait(self.every):
            try:
                self.beat()
            except Exception as error:
                told.debug("a beat failed: %s", error)
        self.study._storage.remove_session()

    def due(self) -> bool:
        """Whether it is time to look for the dead again."""
        return not self._alone and time.monotonic() - self._looked >= self.every

    def recover(self) -> int:
        """Fail and put back what dead processes left running, or failed; how many trials.

        One process sees to it, the first by name of those alive: not every storage keeps two from doing it at once.
        """
        self._looked = time.monotonic()
        beats = beats_of(self.study)
        if self.name != min({self.name} | (beats.keys() - self.watch.dead(beats))):
            return 0
        fail_by_heartbeat(self.study)
        trials = self.study.get_trials(deepcopy=False)
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        lost = self.watch.lost(trials)
        for trial in lost:
            put_back(self.study, trial)
        return fail(self.study, self.watch.orphans(beats, running)) + len(lost)
