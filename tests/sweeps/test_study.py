import threading
import time
from collections import Counter

import optuna
import pytest
from optuna.pruners import HyperbandPruner, NopPruner
from optuna.trial import TrialState

from meshgait.errors import ConfigError, MeshGaitError, OutputError
from meshgait.sweeps.study import (
    SLOT,
    WORKER,
    Queue,
    by_slot,
    known,
    open_storage,
    open_study,
    planned,
    pruner,
    queue,
    sampler,
    slot_of,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'sweep.db'}"


def states(study):
    return Counter(trial.state.name for trial in study.get_trials())


def test_all_trials_are_queued_once(url, read, content):
    sweep, storage = read(content), open_storage(url, 60)
    assert not known(storage, sweep)
    for _ in range(2):
        study = open_study(storage, sweep, 6, seed=0)
    assert known(storage, sweep)
    assert sorted(map(slot_of, study.get_trials())) == list(range(6))
    assert states(study) == {"WAITING": 6}
    assert states(open_study(storage, sweep, 8, seed=0)) == {"WAITING": 8}
    with pytest.raises(ConfigError, match="8 trials"):
        open_study(storage, sweep, 6, seed=0)


def test_a_sweep_that_was_changed_is_not_taken_up(url, read, content):
    storage = open_storage(url, 60)
    open_study(storage, read(content), 6, seed=0)
    with pytest.raises(ConfigError, match="another parameters, seed"):
        open_study(storage, read(content | {"parameters": {"x": {"values": [1, 2]}}}), 6, seed=1)
    open_study(storage, read(content | {"description": "of no matter"}), 6, seed=0)


def test_what_is_random_is_planned_by_the_seed(read, content):
    sweep = read(content)
    few, many, other = planned(sweep, 3, 0), planned(sweep, 9, 0), planned(sweep, 3, 1)
    assert many[:3] == few != other
    assert len({point["x"] for point in many}) == 9 and all(-1 <= point["x"] <= 1 for point in many)
    assert {point["k"] for point in many} == {"a", "b"}


def test_a_grid_is_planned_in_order(read, content):
    sweep = read(content | {"method": "grid", "parameters": {"x": {"values": [1, 2]}, "k": {"min": 3, "max": 4}}})
    assert planned(sweep, 4, 0) == [{"x": x, "k": k} for x in (1, 2) for k in (3, 4)]


def test_bayes_learns_from_results(read, content):
    sweep, found = read(content | {"method": "bayes", "parameters": {"x": {"min": -1.0, "max": 1.0}}}), []
    study = optuna.create_study()
    for slot in range(40):
        study.sampler = sampler(sweep, slot, 40, 0)
        trial = study.ask(sweep.searched)
        found.append(abs(trial.params["x"] - 0.5))
        study.tell(trial, found[-1] ** 2)
    assert len(set(found)) == 40  # a seed for each slot
    assert sum(found[-15:]) / 15 < 0.6 * sum(found[:10]) / 10


def test_workers_never_share_a_trial(url, read, content):
    sweep, taken = read(content | {"run_cap": 12}), []
    storages = [open_storage(url, 60) for _ in range(2)]
    open_study(storages[0], sweep, 12, seed=0)

    def work(storage):
        pending = Queue(storage, sweep, 12, 0)
        while not pending.finished():
            if trial := pending.take():
                taken.append(slot_of(trial))
                pending.study.tell(trial, 1.0)

    threads = [threading.Thread(target=work, args=(storage,)) for storage in storages for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(12))


def test_a_slot_that_was_queued_twice_runs_once(url, read, content):
    """Two machines that begin at once may both queue it."""
    sweep, storage = read(content), open_storage(url, 60)
    study = open_study(storage, sweep, 2, seed=0)
    queue(study, 1, {})
    pending, slots = Queue(storage, sweep, 2, 0), []
    while not pending.finished():
        if trial := pending.take():
            slots.append(slot_of(trial))
            pending.study.tell(trial, 1.0)
    assert slots == [0, 1]
    assert states(study) == {"COMPLETE": 2, "FAIL": 1}


def test_the_trials_of_dead_workers_are_taken_up_with_the_same_parameters(url, read, content):
    sweep = read(content | {"method": "bayes"})
    storage = open_storage(url, 1)
    study = open_study(storage, sweep, 2, seed=0)
    first, second = Queue(storage, sweep, 2, 0), Queue(storage, sweep, 2, 0)
    lost = first.take()
    assert lost.params and first.alive(lost)
    assert WORKER not in study.ask().user_attrs  # a worker that dies before its first word
    assert second.take() is None and not second.finished()
    time.sleep(2.1)
    again = {slot_of(trial): trial for trial in (second.take(), second.take())}
    assert set(again) == {0, 1}
    assert again[0].params == lost.params and again[0].number != lost.number
    assert not first.alive(lost)
    for trial in again.values():
        second.study.tell(trial, 1.0)
    assert second.finished()
    assert {slot: trial.number for slot, trial in by_slot(study.get_trials()).items()} == {
        slot: trial.number for slot, trial in again.items()
    }


def test_failed_trials_are_queued_again_by_the_next_command(url, read, content):
    storage, sweep = open_storage(url, 60), read(content | {"method": "bayes"})
    open_study(storage, sweep, 1, seed=0)
    pending = Queue(storage, sweep, 1, 0)
    trial = pending.take()
    pending.study.tell(trial, state=TrialState.FAIL)
    assert pending.finished()
    study = open_study(storage, sweep, 1, seed=0)
    assert states(study) == {"FAIL": 1, "WAITING": 1}
    assert pending.take().params == trial.params


@pytest.mark.parametrize(("goal", "values"), [("minimize", [3.0, 0.5]), ("maximize", [0.2, 2.0])])
def test_no_trial_is_begun_once_the_target_is_reached(url, read, content, goal, values):
    sweep = read(content | {"metric": {"name": "val/x", "goal": goal, "target": 1.0}})
    storage = open_storage(url, 60)
    open_study(storage, sweep, 6, seed=0)
    pending = Queue(storage, sweep, 6, 0)
    for value in values:
        pending.study.tell(pending.take(), value)
    assert pending.take() is None and pending.finished()
    assert pending.standing() == (2, (1, values[1]))


def test_early_terminate_is_hyperband(read, content):
    assert isinstance(pruner(read(content)), NopPruner)
    rule = {"type": "hyperband", "min_iter": 1, "max_iter": 4, "eta": 2}
    assert isinstance(pruner(read(content | {"early_terminate": rule})), HyperbandPruner)


def test_storages_that_cannot_be_used_are_named_without_their_password(tmp_path):
    with pytest.raises(ConfigError, match="no database URL"):
        open_storage("nowhere", 60)
    with pytest.raises(ConfigError, match="driver"):
        open_storage("postgresql+asyncpg://u:secret@h/x", 60)
    with pytest.raises(OutputError, match="cannot be used"):
        open_storage(f"sqlite:///{tmp_path / 'absent' / 'x.db'}", 60)
    pytest.importorskip("psycopg")
    with pytest.raises(OutputError, match=r"u:\*\*\*@localhost:1/x cannot be used") as error:
        open_storage("postgresql+psycopg://u:secret@localhost:1/x", 60)
    assert "secret" not in str(error.value)


def test_slots_count_the_trial_that_has_not_failed():
    def trial(number, slot, state):
        value = 1.0 if state == TrialState.COMPLETE else None
        frozen = optuna.trial.create_trial(state=state, value=value, user_attrs={SLOT: slot} if slot >= 0 else {})
        frozen.number = number
        return frozen

    failed, done = TrialState.FAIL, TrialState.COMPLETE
    trials = [trial(0, 1, failed), trial(1, 0, done), trial(2, 1, done), trial(3, 0, failed), trial(4, -1, failed),
              trial(5, 2, failed), trial(6, 2, failed)]  # fmt: skip
    assert {slot: found.number for slot, found in by_slot(trials).items()} == {0: 1, 1: 2, 2: 6}


@pytest.mark.parametrize("start", ["postgresql//", "nodriver://", "postgresql+psycopg://", "mysql+nodriver://"])
def test_passwords_of_storages_are_never_told(start):
    with pytest.raises(MeshGaitError) as found:
        open_storage(f"{start}me:secret@127.0.0.1:1/x", 60)
    assert "secret" not in str(found.value) and "--storage" in str(found.value)
