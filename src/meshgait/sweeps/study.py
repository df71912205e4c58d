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
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import HyperbandPruner, NopPruner
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from meshgait.errors import ConfigError, OutputError
from meshgait.sweeps.parameters import grid_values
from meshgait.sweeps.schema import Sweep

IDENTITY = ("method", "metric", "parameters", "early_terminate", "command", "seed")
"""What makes a sweep what it is: it may not change while it goes on."""

DATABASE_ERRORS = (SQLAlchemyError, optuna.exceptions.StorageInternalError)
RESULTS = (TrialState.COMPLETE, TrialState.PRUNED)

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
RETRY = RetryHeartbeatStaleTrialCallback()


def open_storage(url: str, grace: int, attempts: int = 3) -> RDBStorage:
    """Connect to a storage; its tables are made where there are none.

    Args:
        url: of SQLAlchemy, e.g. sqlite:///sweep.db or postgresql+psycopg://user:password@host/name.
        grace: seconds after which a worker that is not heard of is taken for dead.
        attempts: to make the tables, which another worker may be making at the same time.

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
        remedy = "give e.g. sqlite:///sweep.db, or `pip install 'meshgait[postgres]'` and postgresql+psycopg://..."
        raise ConfigError("--storage is no database URL, or its driver is not installed", remedy) from None
    except DBAPIError as error:
        if attempts > 1:
            time.sleep(0.5)
            return open_storage(url, grace, attempts - 1)
        reason = str(error.orig).splitlines()[0]
        raise OutputError(f"the storage cannot be used ({reason})", "correct --storage or --out") from error
    if sqlite:  # it has no locks on rows: two workers could take one trial, unless each transaction locks it all
        event.listen(storage.engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        event.listen(storage.engine, "begin", lambda link: link.exec_driver_sql("BEGIN IMMEDIATE"))
        storage.engine.dispose()  # connections that were made without it
    return storage


def open_study(storage: RDBStorage, sweep: Sweep, count: int, seed: int) -> optuna.Study:
    """The sweep's study in the storage, with a trial queued for each slot that has neither a result nor a worker.

    Failed trials wait again, since whatever made them fail may have been mended.

    Raises:
        ConfigError: the storage holds a sweep of this name with other settings, or with more trials.
    """
    rule = sweep.early_terminate
    pruner = HyperbandPruner(rule.first, rule.max_iter or "auto", rule.eta) if rule else NopPruner()
    study = optuna.create_study(
        storage=storage, study_name=sweep.name, direction=sweep.metric.goal, pruner=pruner, load_if_exists=True
    )
    content = {**sweep.content, "seed": seed}
    known = study.user_attrs.get("sweep", content)
    if other := [key for key in IDENTITY if known.get(key) != content.get(key)]:
        raise ConfigError(
            f"sweep {sweep.name} was begun with another {', '.join(other)}",
            "restore it, or give the sweep another name and --out",
        )
    there = by_slot(study)
    if count <= max(there, default=-1):
        raise ConfigError(
            f"sweep {sweep.name} has {len(there)} trials already", f"give --trials {len(there)} or more"
        )
    study.set_user_attr("sweep", content)
    study.set_metric_names([sweep.metric.name])
    values = [grid_values(found) for found in sweep.searched.values()] if sweep.method == "grid" else []
    for slot, point in zip(range(count), itertools.cycle(itertools.product(*values)), strict=False):
        if slot not in there:  # what is not given here is sampled when a worker takes the trial
            study.enqueue_trial(dict(zip(sweep.searched, point, strict=False)), user_attrs={"slot": slot})
        elif there[slot].state == TrialState.FAIL:
            RETRY(study, there[slot])
    return study


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
    sign = 1 if sweep.metric.goal == "maximize" else -1
    return best is not None and target is not None and sign * best.values[0] >= sign * target


def free_trials(storage: RDBStorage, study: optuna.Study, seen: set[int]) -> None:
    """Let the trials of dead workers wait again.

    Args:
        storage: of the study.
        study: with the trials.
        seen: trials whose worker had not yet said anything; it may have died before, and then they would never
            end, so that their time runs from when they are first seen here.
    """
    identifier = storage.get_study_id_from_name(study.study_name)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if "worker" not in trial.user_attrs and trial.number not in seen:
            seen.add(trial.number)
            storage.record_heartbeat(storage.get_trial_id_from_study_id_trial_number(identifier, trial.number))
    optuna.storages.fail_stale_trials(study)


def known(storage: RDBStorage, sweep: Sweep) -> bool:
    """Whether the storage holds the sweep already."""
    return sweep.name in optuna.get_all_study_names(storage)


def suggest(trial: optuna.Trial, sweep: Sweep, count: int, seed: int) -> dict[str, Any]:
    """Draw the parameters of a trial, but for those that it has already.

    Draws depend on (seed, slot) and, for bayes (TPE), on the results so far.
    """
    own = int(np.random.SeedSequence((seed, trial.user_attrs["slot"])).generate_state(1)[0])
    # a short sweep should not spend all of its trials on random ones
    startup = max(2, min(10, count // 4))
    tpe = TPESampler(n_startup_trials=startup, constant_liar=True, seed=own)
    trial.study.sampler = tpe if sweep.method == "bayes" else RandomSampler(own)
    for name, found in sweep.searched.items():
        if isinstance(found, CategoricalDistribution):
            trial.suggest_categorical(name, found.choices)
        elif isinstance(found, IntDistribution):
            trial.suggest_int(name, found.low, found.high, step=found.step, log=found.log)
        elif isinstance(found, FloatDistribution):
            trial.suggest_float(name, found.low, found.high, step=found.step, log=found.log)
    return trial.params
