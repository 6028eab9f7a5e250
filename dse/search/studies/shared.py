"""How does one process share a study with others? It samples on a copy in memory that follows the durable study."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from dse.search.studies.patience import patiently
from dse.search.studies.recovery import WORKER, fail

__all__ = ["News", "Shared", "finish", "lean"]


class News(NamedTuple):
    """What others did: trials that wait for somebody, trials that run, and trials told since the last look."""

    waiting: list[FrozenTrial]
    running: list[FrozenTrial]
    told: list[FrozenTrial]


class Stored(NamedTuple):
    """Names of the parameters and attributes that the durable study has of a running trial."""

    params: frozenset[str]
    user_attrs: frozenset[str]
    system_attrs: frozenset[str]


class Shared:
    """A durable study and the copy of it that a sampler works on, made from the trials that were told then.

    name: of this process, which signs every trial with it. own: trials that it made, known to the copy already.
    twins: running trials of others, durable id -> id in the copy, so that samplers know what is being tried.
    announced: running trials of this process, durable id -> what is stored of them already.
    """

    def __init__(self, durable: optuna.Study, working: optuna.Study, name: str, told: Sequence[FrozenTrial]) -> None:
        self.durable, self.working, self.name = durable, working, name
        self.settled = 0
        self.own = {trial._trial_id for trial in told}
        self.twins: dict[int, int] = {}
        self.announced: dict[int, Stored] = {}

    def follow(self) -> News:
        """Bring the copy up to date."""
        news = News([], [], [])
        unsettled = patiently(self.durable.get_trials, False)[self.settled :]
        leading = True
        for trial in unsettled:
            key = trial._trial_id
            if trial.state == TrialState.WAITING:
                news.waiting.append(trial)
            elif not trial.state.is_finished():
                news.running.append(trial)
            if key not in self.own:
                self._mirror(trial, news)
            leading = leading and trial.state.is_finished()
            if leading:
                self.settled += 1
                self.own.discard(key)
        return news

    def _mirror(self, trial: FrozenTrial, news: News) -> None:
        """Show the copy a trial of another process."""
        storage, key = self.working._storage, trial._trial_id
        if trial.state == TrialState.RUNNING and key not in self.twins:
            self.twins[key] = storage.create_new_trial(self.working._study_id, lean(trial))
        if not trial.state.is_finished():
            return
        self.own.add(key)
        twin = self.twins.pop(key, None)
        if trial.state == TrialState.COMPLETE:
            news.told.append(trial)
        if twin is not None:
            for name, value in trial.system_attrs.items():
                storage.set_trial_system_attr(twin, name, value)
            storage.set_trial_state_values(twin, trial.state, trial.values)
        elif trial.state == TrialState.COMPLETE:
            storage.create_new_trial(self.working._study_id, lean(trial))

    def tag(self, number: int) -> str:
        """The signature of the trial of a number in the copy."""
        return f"{self.name}/{number}"

    def take(self, trial: FrozenTrial, number: int) -> bool:
        """Take a waiting trial for this process; False when another was faster."""
        storage, key = self.durable._storage, trial._trial_id
        try:
            mine = patiently(storage.set_trial_state_values, key, TrialState.RUNNING)
            if mine:
                patiently(storage.set_trial_user_attr, key, WORKER, self.tag(number))
        except UpdateFinishedTrialError:
            return False
        if mine:
            self.own.add(key)
            self.announced[key] = Stored(*map(frozenset, (trial.params, trial.user_attrs, trial.system_attrs)))
        return mine

    def add(self, trial: FrozenTrial, number: int) -> int:
        """A new trial in the durable study, signed; its id there. Never twice, even where an answer was lost."""
        trial.user_attrs = {**trial.user_attrs, WORKER: self.tag(number)}
        asked = False

        def action() -> int:
            nonlocal asked
            if asked and (found := self._signed(self.tag(number))) is not None:
                return found
            asked = True
            return self.durable._storage.create_new_trial(self.durable._study_id, trial)

        key = patiently(action)
        self.own.add(key)
        trial.number = patiently(self.durable._storage.get_trial_number_from_id, key)
        return key

    def _signed(self, tag: str) -> int | None:
        """The durable trial with this signature."""
        trials = self.durable.get_trials(deepcopy=False)
        return next((one._trial_id for one in reversed(trials) if one.user_attrs.get(WORKER) == tag), None)

    def claim(self, trial: FrozenTrial) -> int:
        """Announce a design that this process is about to evaluate; its id in the durable study."""
        key = self.add(trial_like(trial, Light, trial.user_attrs), trial.number)
        self.announced[key] = Stored(*map(frozenset, (trial.params, trial.user_attrs, trial.system_attrs)))
        return key

    def tell(self, key: int, trial: FrozenTrial) -> bool:
        """Tell a trial that this process announced; False when it was taken for dead and another has its design."""
        storage = self.durable._storage
        stored = self.announced.pop(key)
        try:
            for name in trial.params.keys() - stored.params:
                kind = trial.distributions[name]
                value = kind.to_internal_repr(trial.params[name])
                patiently(storage.set_trial_param, key, name, value, kind)
            for name in trial.system_attrs.keys() - stored.system_attrs:
                patiently(storage.set_trial_system_attr, key, name, trial.system_attrs[name])
            for name in trial.user_attrs.keys() - stored.user_attrs:
                patiently(storage.set_trial_user_attr, key, name, trial.user_attrs[name])
            patiently(storage.set_trial_state_values, key, TrialState.COMPLETE, trial.values)
        except UpdateFinishedTrialError:
            return storage.get_trial(key).state == TrialState.COMPLETE
        return True

    def give_back(self) -> None:
        """Fail what this process announced and will not finish, and queue it for others.

        Where the storage does not let it, they find out when this process beats no more.
        """
        with contextlib.suppress(Exception):
            trials = [self.durable._storage.get_trial(key) for key in self.announced]
            fail(self.durable, [trial for trial in trials if not trial.state.is_finished()])
        self.announced.clear()


class Light(FrozenTrial):
    """A trial whose copies share its distributions and the insides of its attributes, which nobody changes.

    Storages copy what they are given to the bottom, which takes longer than all else that they do in memory.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenTrial:
        """An ordinary trial."""
        return trial_like(self, FrozenTrial, self.user_attrs)


def trial_like(trial: FrozenTrial, kind: type[FrozenTrial], attributes: Mapping[str, Any]) -> FrozenTrial:
    """The same trial with these user attributes."""
    return kind(
        number=trial.number,
        trial_id=trial._trial_id,
        state=trial.state,
        value=None,
        values=trial.values,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=dict(trial.params),
        distributions=dict(trial.distributions),
        user_attrs=dict(attributes),
        system_attrs=dict(trial.system_attrs),
        intermediate_values={},
    )


def lean(trial: FrozenTrial) -> FrozenTrial:
    """A trial without its record, which no sampler reads."""
    return trial_like(trial, Light, {key: value for key, value in trial.user_attrs.items() if key != "result"})


def finish(working: optuna.Study, trial: Trial, values: Sequence[float], attributes: Mapping[str, Any]) -> FrozenTrial:
    """Tell a trial of the copy, and the same with these attributes beside its own.

    What `Study.tell` does, without the checks and the copy to the bottom that take a sixth of a study in memory.
    """
    storage, told = working._storage, working._storage.get_trial(trial._trial_id)
    working._thread_local.cached_all_trials = None
    working.sampler.after_trial(working, told, TrialState.COMPLETE, values)
    storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, values)
    return trial_like(storage.get_trial(trial._trial_id), Light, {**told.user_attrs, **attributes})
