"""The storage of a sweep: its trials are queued beforehand, one a slot, so that each has one result, never two.

Workers, on however many machines, take waiting trials out of the queue; the storage lets each go to one of them.
The trial of a worker that has not been heard of for a while is queued again with the same parameters.
"""

from __future__ import annotations

import itertools
import os
import platform
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from meshgait.errors import ConfigError, OutputError
from meshgait.sweeps.schema import Sweep
from meshgait.sweeps.space import Scalar, grid_values

SLOT, WORKER = "slot", "worker"
RESULTS = (TrialState.COMPLETE, TrialState.PRUNED)
RETRIES = 5
"""How often a trial whose worker died is taken up again before it counts as failed."""

DATABASE_ERRORS = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)


def open_storage(url: str, grace: int) -> RDBStorage:
    """Connect to a storage; its tables are made where there are none.

    Args:
        url: of SQLAlchemy, e.g. sqlite:///sweep.db or postgresql+psycopg://user:password@host/name.
        grace: seconds after which a worker that is not heard of is taken for dead.

    Raises:
        ConfigError: the URL makes no sense, or its driver is not installed.
        OutputError: the database cannot be reached or written.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")  # workers report by themselves
    try:
        shown = sqlalchemy.engine.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        raise ConfigError(
            "--storage is no database URL; give e.g. sqlite:///sweep.db"
        ) from None  # it may hold a password
    options = {"connect_args": {"timeout": 60}} if shown.startswith("sqlite") else {"pool_pre_ping": True}
    for attempt in range(5):
        try:
            storage = RDBStorage(
                url,
                engine_kwargs=options,
                heartbeat_interval=max(1, grace // 4),
                grace_period=grace,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=RETRIES),
            )
            return _one_at_a_time(storage) if shown.startswith("sqlite") else storage
        except (ImportError, sqlalchemy.exc.NoSuchModuleError) as error:
            raise ConfigError(
                f"--storage {shown} needs a driver that is not installed; "
                "for Postgres: pip install 'meshgait[postgres]' and postgresql+psycopg://..."
            ) from error
        except sqlalchemy.exc.DBAPIError as error:
            # two workers that begin at once may both try to make the tables
            if attempt == 4 or "connect" in str(error) or "unable to open" in str(error):
                reason = str(error.orig).splitlines()[0]
                raise OutputError(f"the storage {shown} cannot be used ({reason}); correct --storage") from error
            time.sleep(0.5 + attempt)
    raise AssertionError


def _one_at_a_time(storage: RDBStorage) -> RDBStorage:
    """Let each transaction of SQLite lock the database as it begins.

    SQLite knows no lock on a row: two workers could read that a trial waits, and both take it.
    """
    sqlalchemy.event.listen(storage.engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
    sqlalchemy.event.listen(storage.engine, "begin", lambda link: link.exec_driver_sql("BEGIN IMMEDIATE"))
    storage.engine.dispose()  # connections that were made without it
    return storage


def known(storage: RDBStorage, sweep: Sweep) -> bool:
    """Whether the storage holds the sweep already."""
    return sweep.name in optuna.get_all_study_names(storage)


def open_study(storage: RDBStorage, sweep: Sweep, count: int, seed: int) -> optuna.Study:
    """The sweep's study in the storage with all its trials queued; what is there is kept.

    Failed trials are queued again, since whatever made them fail may have been mended.

    Raises:
        ConfigError: the storage holds a sweep of this name with other settings, or with more trials.
    """
    study = optuna.create_study(
        storage=storage,
        study_name=sweep.name,
        direction="maximize" if sweep.maximize else "minimize",
        sampler=RandomSampler(seed),
        pruner=pruner(sweep),
        load_if_exists=True,
    )
    identity = sweep.identity | {"seed": seed}
    known = study.user_attrs.get("sweep", identity)
    if other := [key for key, value in identity.items() if known.get(key) != value]:
        raise ConfigError(
            f"sweep {sweep.name} was begun with another {', '.join(other)}; "
            "restore it, or give the sweep another name and --out"
        )
    study.set_user_attr("sweep", identity)
    study.set_metric_names([sweep.metric])
    trials = study.get_trials(deepcopy=False)
    if (there := 1 + max((slot_of(trial) for trial in trials), default=-1)) > count:
        raise ConfigError(f"sweep {sweep.name} has {there} trials already; give --trials {there} or more")
    live = {slot_of(trial) for trial in trials if trial.state != TrialState.FAIL}
    failed = {slot_of(trial): trial.params for trial in trials if trial.state == TrialState.FAIL}
    for slot, parameters in enumerate(planned(sweep, count, seed)):
        if slot not in live:
            queue(study, slot, failed.get(slot) or parameters)
    return study


def queue(study: optuna.Study, slot: int, parameters: dict[str, Any]) -> None:
    """Queue a trial; what ``parameters`` leaves open is sampled when a worker takes it."""
    study.enqueue_trial(parameters, user_attrs={SLOT: slot})


def slot_of(trial: FrozenTrial | optuna.Trial) -> int:
    """Slot of a trial; -1 for one that was not queued."""
    return trial.user_attrs.get(SLOT, -1)


def by_slot(trials: Sequence[FrozenTrial]) -> dict[int, FrozenTrial]:
    """The trial that counts of each slot: the first that has not failed, else the last one that has."""
    counts: dict[int, FrozenTrial] = {}
    for trial in trials:
        slot = slot_of(trial)
        if slot >= 0 and (slot not in counts or counts[slot].state == TrialState.FAIL):
            counts[slot] = trial
    return dict(sorted(counts.items()))


def planned(sweep: Sweep, count: int, seed: int) -> list[dict[str, Scalar]]:
    """Parameters of each slot as far as they are known beforehand: all of them but for a bayes search.

    A random search draws one after the other by ``seed``, so that more trials leave the first ones as they were.
    """
    if sweep.method == "grid":
        values = [grid_values(name, distribution) for name, distribution in sweep.searched.items()]
        grid = itertools.islice(itertools.product(*values), count)
        return [dict(zip(sweep.searched, point, strict=True)) for point in grid]
    if sweep.method == "random":
        draws = optuna.create_study(sampler=RandomSampler(seed))
        return [draws.ask(sweep.searched).params for _ in range(count)]
    return [{} for _ in range(count)]


def pruner(sweep: Sweep) -> BasePruner:
    """The rule that stops trials early."""
    if sweep.early is None:
        return NopPruner()
    return HyperbandPruner(sweep.early.min_iter, sweep.early.max_iter or "auto", sweep.early.eta)


def sampler(sweep: Sweep, slot: int, count: int, seed: int) -> BaseSampler:
    """Sampler of one slot; its draws depend on (seed, slot) and, for bayes, on the results so far."""
    own = int(np.random.SeedSequence((seed, slot)).generate_state(1)[0])
    if sweep.method != "bayes":
        return RandomSampler(own)  # asked for nothing: all is planned
    # a short sweep should not spend all of its trials on random ones
    return TPESampler(n_startup_trials=max(2, min(10, count // 4)), constant_liar=True, seed=own)


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> None:
    """Draw a parameter of a trial, unless it is drawn or given already."""
    if isinstance(distribution, CategoricalDistribution):
        trial.suggest_categorical(name, distribution.choices)
    elif isinstance(distribution, IntDistribution):
        trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
    elif isinstance(distribution, FloatDistribution):
        trial.suggest_float(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )


def _is_complete(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE


class Queue:
    """A worker's view of the study.

    Args:
        storage: of the sweep.
        sweep: what is searched.
        count: number of trials.
        seed: of the draws.
    """

    def __init__(self, storage: RDBStorage, sweep: Sweep, count: int, seed: int) -> None:
        self.storage, self.sweep, self.count, self.seed = storage, sweep, count, seed
        self.study = optuna.load_study(
            study_name=sweep.name, storage=storage, sampler=RandomSampler(seed), pruner=pruner(sweep)
        )
        self._study_id = storage.get_study_id_from_name(sweep.name)
        self._seen: set[int] = set()

    def take(self) -> optuna.Trial | None:
        """Next trial, with its parameters drawn; None if none waits at the moment."""
        optuna.storages.fail_stale_trials(self.study)
        trials = self.study.get_trials(deepcopy=False)
        self._watch_beginners(trials)
        if self.target_reached(trials) or all(trial.state != TrialState.WAITING for trial in trials):
            return None
        trial = self.study.ask()
        slot = slot_of(trial)
        # another worker was quicker and this one was made anew, or two queued the same slot at once
        if slot < 0 or by_slot(self.study.get_trials(deepcopy=False))[slot].number != trial.number:
            self.study.tell(trial, state=TrialState.FAIL)
            return None
        self.alive(trial)
        trial.set_user_attr(WORKER, f"{platform.node()}:{os.getpid()}")
        self.study.sampler = sampler(self.sweep, slot, self.count, self.seed)
        for name, distribution in self.sweep.searched.items():
            suggest(trial, name, distribution)
        return trial

    def finished(self) -> bool:
        """Whether no trial waits or runs anywhere."""
        trials = self.study.get_trials(deepcopy=False)
        states = {trial.state for trial in trials}
        return TrialState.RUNNING not in states and (
            TrialState.WAITING not in states or self.target_reached(trials)
        )

    def standing(self) -> tuple[int, tuple[int, float] | None]:
        """Number of results, and (slot, value) of the best one."""
        trials = by_slot(self.study.get_trials(deepcopy=False)).items()
        values = [(slot, trial.value) for slot, trial in trials if trial.value is not None and _is_complete(trial)]
        best = max if self.study.direction == StudyDirection.MAXIMIZE else min
        done = sum(trial.state in RESULTS for _, trial in trials)
        return done, best(values, key=lambda pair: pair[1]) if values else None

    def target_reached(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether a trial is as good as the file asks for."""
        if self.sweep.target is None:
            return False
        best = [trial.value for trial in trials if trial.value is not None and _is_complete(trial)]
        if self.study.direction == StudyDirection.MAXIMIZE:
            return any(value >= self.sweep.target for value in best)
        return any(value <= self.sweep.target for value in best)

    def alive(self, trial: optuna.Trial | FrozenTrial) -> bool:
        """Tell the storage that the trial's worker lives; false if the trial was given to another meanwhile."""
        identifier = self.storage.get_trial_id_from_study_id_trial_number(self._study_id, trial.number)
        if self.storage.get_trial(identifier).state != TrialState.RUNNING:
            return False
        self.storage.record_heartbeat(identifier)
        return True

    def _watch_beginners(self, trials: Sequence[FrozenTrial]) -> None:
        """Start the clock of trials whose worker may have died before it said anything: they would never end."""
        for trial in trials:
            beginner = trial.state == TrialState.RUNNING and WORKER not in trial.user_attrs
            if beginner and trial.number not in self._seen:
                self._seen.add(trial.number)
                self.alive(trial)
