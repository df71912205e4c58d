"""The storage of a sweep: Optuna's, with one trial queued for each slot, so that each slot has one result.

Workers, on however many machines, take waiting trials out of the queue. Optuna lets the trial of a worker that has
not been heard of for a while wait again with the same slot and parameters, and so does `RETRY`.
"""

from __future__ import annotations

import itertools
import time
import warnings
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import HyperbandPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from meshgait.errors import ConfigError, OutputError
from meshgait.sweeps.parameters import grid_values
from meshgait.sweeps.schema import IDENTITY, Sweep

DATABASE_ERRORS = (SQLAlchemyError, optuna.exceptions.StorageInternalError)
RESULTS = (TrialState.COMPLETE, TrialState.PRUNED)

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
RETRY = RetryHeartbeatStaleTrialCallback()


def open_storage(url: str, grace: int, attempts: int = 5) -> RDBStorage:
    """Connect to a storage; its tables are made where there are none.

    Args:
        url: of SQLAlchemy, e.g. sqlite:///sweep.db or postgresql+psycopg://user:password@host/name.
        grace: seconds after which a worker that is not heard of is taken for dead.
        attempts: to make the tables, which other workers may be making at the same time.

    Raises:
        ConfigError: the URL makes no sense, or its driver is not installed.
        OutputError: the database cannot be reached or written.
    """
    sqlite = url.startswith("sqlite")
    try:
        storage = RDBStorage(
            url,
            engine_kwargs={"connect_args": {"timeout": 60}} if sqlite else {"pool_pre_ping": True},
            heartbeat_interval=max(1, grace // 4),
            grace_period=grace,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=5),
        )
    except (ArgumentError, ImportError):  # which may show the password
        raise ConfigError(
            "--storage is no database URL, or needs a driver that is not installed",
            "give e.g. sqlite:///sweep.db, or `pip install 'meshgait[postgres]'` and postgresql+psycopg://...",
        ) from None
    except DBAPIError as error:
        if attempts > 1 and "connect" not in str(error) and "unable to open" not in str(error):
            time.sleep(1)
            return open_storage(url, grace, attempts - 1)
        reason = str(error.orig).splitlines()[0]
        raise OutputError(f"the storage cannot be used ({reason})", "correct --storage or --out") from error
    if sqlite:  # it has no locks on rows: two workers could take one trial, unless each transaction locks it all
        event.listen(storage.engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        event.listen(storage.engine, "begin", lambda link: link.exec_driver_sql("BEGIN IMMEDIATE"))
        storage.engine.dispose()  # connections that were made without it
    return storage


def open_study(storage: RDBStorage, sweep: Sweep, seed: int) -> optuna.Study:
    """The sweep's study in the storage, made where there is none.

    Raises:
        ConfigError: the storage holds a sweep of this name with other settings.
    """
    rule = sweep.early_terminate
    study = optuna.create_study(
        storage=storage,
        study_name=sweep.name,
        direction=f"{sweep.metric.goal}",
        sampler=RandomSampler(),  # `suggest` has one for each slot
        pruner=HyperbandPruner(rule.first, rule.max_iter or "auto", rule.eta) if rule else NopPruner(),
        load_if_exists=True,
    )
    content = {**sweep.content, "seed": seed}
    known = study.user_attrs.get("sweep", content)
    if other := [key for key in (*IDENTITY, "seed") if known.get(key) != content.get(key)]:
        raise ConfigError(
            f"sweep {sweep.name} was begun with another {', '.join(other)}",
            "restore it, or give the sweep another name and --out",
        )
    return study


def queue_trials(study: optuna.Study, sweep: Sweep, count: int, seed: int) -> None:
    """Queue the trials of a sweep that are neither done nor under way.

    Failed trials wait again, since whatever made them fail may have been mended.

    Raises:
        ConfigError: there are more than ``count`` already.
    """
    study.set_user_attr("sweep", {**sweep.content, "seed": seed})
    study.set_metric_names([sweep.metric.name])
    there = by_slot(study)
    if count <= max(there, default=-1):
        raise ConfigError(
            f"sweep {sweep.name} has {len(there)} trials already", f"give --trials {len(there)} or more"
        )
    values = [grid_values(found) for found in sweep.searched.values()] if sweep.method == "grid" else []
    for slot, point in zip(range(count), itertools.cycle(itertools.product(*values)), strict=False):
        if slot not in there:  # what is not given here is sampled when a worker takes the trial
            study.enqueue_trial(dict(zip(sweep.searched, point, strict=False)), user_attrs={"slot": slot})
        elif there[slot].state == TrialState.FAIL:
            RETRY(study, there[slot])


def by_slot(study: optuna.Study) -> dict[int, FrozenTrial]:
    """The trial that counts of each slot: the first that has not failed, else the last one that has."""
    counts: dict[int, FrozenTrial] = {}
    for trial in study.get_trials(deepcopy=False):
        slot = trial.user_attrs.get("slot", -1)
        if slot >= 0 and (slot not in counts or counts[slot].state == TrialState.FAIL):
            counts[slot] = trial
    return dict(sorted(counts.items()))


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The best trial that came to its end, if any did."""
    return study.best_trial if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) else None


def target_reached(study: optuna.Study, sweep: Sweep) -> bool:
    """Whether a trial is as good as the file asks for."""
    best, target = best_trial(study), sweep.metric.target
    if best is None or best.value is None or target is None:
        return False
    return best.value >= target if sweep.metric.goal == "maximize" else best.value <= target


def suggest(trial: optuna.Trial, sweep: Sweep, count: int, seed: int) -> dict[str, Any]:
    """Draw the parameters of a trial, but for those that it has already.

    Draws depend on (seed, slot) and, for bayes (TPE), on the results so far.
    """
    own = int(np.random.SeedSequence((seed, trial.user_attrs["slot"])).generate_state(1)[0])
    sampler: BaseSampler = RandomSampler(own)
    if sweep.method == "bayes":  # a short sweep should not spend all of its trials on random ones
        sampler = TPESampler(n_startup_trials=max(2, min(10, count // 4)), constant_liar=True, seed=own)
    trial.study.sampler = sampler
    for name, found in sweep.searched.items():
        _suggest(trial, name, found)
    return trial.params


def _suggest(trial: optuna.Trial, name: str, found: BaseDistribution) -> None:
    if isinstance(found, CategoricalDistribution):
        trial.suggest_categorical(name, found.choices)
    elif isinstance(found, IntDistribution):
        trial.suggest_int(name, found.low, found.high, step=found.step, log=found.log)
    elif isinstance(found, FloatDistribution):
        trial.suggest_float(name, found.low, found.high, step=found.step, log=found.log)
