"""What becomes of the trials of a process that died? They are failed and put back, for a live one to take.

On relational databases Optuna's own heartbeat sees to it as well, for any Optuna program that shares the study; where
there is none (journal files, the gRPC proxy), and for trials that died before their first beat, every process of ours
writes a beat of its own into the study, and the others watch it by their own clocks.
"""

from __future__ import annotations

import copy
import functools
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from dse.search.samplers.named import calmly

__all__ = [
    "GRACE",
    "NOBODY",
    "WORKER",
    "Watch",
    "beat_key",
    "beats_of",
    "fail",
    "fail_by_heartbeat",
    "gone",
    "place",
    "put_back",
]

GRACE = 3
"""So many beats that a process leaves out, and it is dead [1]."""

MOST_RETRIES = 3
"""So often a trial is put back: a design that kills its worker is not tried for ever [1]."""

BEAT = "worker:"
"""User attribute of a study: the last sign of life of a process, by its name."""

WORKER = "worker"
"""User attribute of a trial: who has it, and the number that it has there, as `name/number`."""

NOBODY = ""
"""Whose a trial is that waits."""

OURS = (WORKER, "chip", "mapping", "breakdown", "breaks", "result")
"""What a trial that is put back loses."""


def beat_key(worker: str) -> str:
    """The user attribute that a process beats into."""
    return f"{BEAT}{worker}"


def beats_of(study: optuna.Study) -> dict[str, dict[str, Any]]:
    """The last beat of every process that has worked on a study, by its name."""
    return {key.removeprefix(BEAT): beat for key, beat in study.user_attrs.items() if key.startswith(BEAT)}


@functools.cache
def place() -> str:
    """Where processes have numbers of their own: this start of this machine, and the part of it that a container sees.

    '' where the system does not say.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def gone(beat: Mapping[str, Any]) -> bool:
    """Whether the process behind a beat is known to be gone: it ended, or it was here and is no more."""
    if beat.get("ended"):
        return True
    if not place() or beat.get("place") != place():
        return False
    try:
        os.kill(beat["process"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def owner(trial: FrozenTrial) -> str | None:
    """The process that has a trial; None for trials of other programs."""
    tag = trial.user_attrs.get(WORKER)
    return None if tag is None else str(tag).partition("/")[0]


def retries(trial: FrozenTrial) -> list[int]:
    """Numbers of the trials that this one retries, oldest first."""
    return trial.system_attrs.get("retry_history", [])


def put_back(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue the design of a failed trial again, for anybody; no more than MOST_RETRIES times."""
    again = copy.copy(trial)
    kept = {key: value for key, value in trial.user_attrs.items() if key not in OURS}
    again.user_attrs = kept | ({WORKER: NOBODY} if WORKER in trial.user_attrs else {})
    with calmly():
        RetryHeartbeatStaleTrialCallback(max_retry=MOST_RETRIES)(study, again)


def fail(study: optuna.Study, trials: Sequence[FrozenTrial]) -> int:
    """Fail running trials and put them back; how many there were that nobody else had finished or failed."""
    failed = 0
    for trial in trials:
        try:
            study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:
            continue
        put_back(study, trial)
        failed += 1
    return failed


@dataclass
class Watch:
    """What one process has seen of the others: how long each beat, and each trial that nobody has, has stood still.

    seen: what stood there last, and since when [s] on the watcher's own clock, so that clocks may differ.
    """

    grace: float | int
    seen: dict[str, tuple[Any, float]] = field(default_factory=dict)

    def still(self, what: str, state: object, grace: float | int) -> bool:
        """Whether something has stood still for longer than a grace [s]."""
        before, since = self.seen.get(what, (None, 0.0))
        now = time.monotonic()
        if what not in self.seen or before != state:
            self.seen[what] = (state, now)
            return False
        return now - since > grace

    def dead(self, beats: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """Processes that are gone, or whose beat stands still."""
        stopped = {name for name, beat in beats.items() if gone(beat)}
        still = {name for name, beat in beats.items() if self.still(name, beat.get("beat"), GRACE * beat["every"])}
        return stopped | still

    def orphans(self, beats: Mapping[str, Mapping[str, Any]], running: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Running trials of dead processes, and those that somebody took and did not live to sign."""
        dead = self.dead(beats)
        return [trial for trial in running if owner(trial) in dead or self.unsigned(trial, beats)]

    def lost(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Trials of ours that were failed and not put back for long: who was about to died in between."""
        again = {number for trial in trials for number in retries(trial)}
        failed = [trial for trial in trials if trial.state == TrialState.FAIL and owner(trial) is not None]
        open_ones = [trial for trial in failed if trial.number not in again and len(retries(trial)) < MOST_RETRIES]
        return [trial for trial in open_ones if self.still(f"lost {trial.number}", True, self.grace)]

    def unsigned(self, trial: FrozenTrial, beats: Mapping[str, object]) -> bool:
        """Whether a trial has been running for long without a process that beats."""
        name = owner(trial)
        if name is None or name in beats:
            return False
        return self.still(f"trial {trial.number}", trial.datetime_start, self.grace)


def fail_by_heartbeat(study: optuna.Study) -> None:
    """Let Optuna fail the trials whose heartbeat stands still; nothing where the storage has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)
