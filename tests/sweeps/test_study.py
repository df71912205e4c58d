import threading
import time
from collections import Counter

import optuna
import pytest
from optuna.pruners import HyperbandPruner, NopPruner
from optuna.trial import TrialState

from meshgait.errors import ConfigError, MeshGaitError, OutputError
from meshgait.sweeps.study import by_slot, free_trials, known, open_storage, open_study, suggest, target_reached

pytestmark = pytest.mark.slow


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'sweep.db'}"


def states(study):
    return Counter(trial.state.name for trial in study.get_trials())


def draws(study, sweep, count, seed=0):
    """Parameters of all waiting trials, which have a result then."""
    found = []
    while states(study)["WAITING"]:
        trial = study.ask()
        found.append(dict(suggest(trial, sweep, count, seed)))
        study.tell(trial, 1.0)
    return found


def test_all_trials_are_queued_once(url, read, content):
    sweep, storage = read(content), open_storage(url, 60)
    assert not known(storage, sweep)
    for _ in range(2):
        study = open_study(storage, sweep, 6, 0)
    assert known(storage, sweep) and list(by_slot(study)) == list(range(6))
    assert states(study) == {"WAITING": 6}
    assert states(open_study(storage, sweep, 8, 0)) == {"WAITING": 8}
    with pytest.raises(ConfigError, match="8 trials"):
        open_study(storage, sweep, 6, 0)


def test_a_sweep_that_was_changed_is_not_taken_up(url, read, content):
    storage = open_storage(url, 60)
    open_study(storage, read(content), 6, 0)
    with pytest.raises(ConfigError, match="another parameters, seed"):
        open_study(storage, read(content | {"parameters": {"x": {"values": [1, 2]}}}), 6, 1)
    open_study(storage, read(content | {"description": "of no matter", "run_cap": 9}), 6, 0)


def test_what_is_random_depends_on_the_seed(tmp_path, read, content):
    sweep, found = read(content), []
    for i, (count, seed) in enumerate([(3, 0), (9, 0), (3, 1)]):
        study = open_study(open_storage(f"sqlite:///{tmp_path / f'{i}.db'}", 60), sweep, count, seed)
        found.append(draws(study, sweep, count, seed))
    few, many, other = found
    assert many[:3] == few != other
    assert len({point["x"] for point in many}) == 9 and all(-1 <= point["x"] <= 1 for point in many)
    assert {point["k"] for point in many} == {"a", "b"}


def test_a_grid_is_gone_through_in_order(url, read, content):
    sweep = read(content | {"method": "grid", "parameters": {"x": {"values": [1, 2]}, "k": {"min": 3, "max": 4}}})
    study = open_study(open_storage(url, 60), sweep, 4, 0)
    assert draws(study, sweep, 4) == [{"x": x, "k": k} for x in (1, 2) for k in (3, 4)]


def test_bayes_learns_from_results(read, content):
    sweep, found = read(content | {"method": "bayes", "parameters": {"x": {"min": -1.0, "max": 1.0}}}), []
    study = optuna.create_study()
    for slot in range(40):
        study.enqueue_trial({}, user_attrs={"slot": slot})
        trial = study.ask()
        found.append(abs(suggest(trial, sweep, 40, 0)["x"] - 0.5))
        study.tell(trial, found[-1] ** 2)
    assert len(set(found)) == 40  # a seed for each slot
    assert sum(found[-15:]) / 15 < 0.6 * sum(found[:10]) / 10


def test_workers_never_share_a_trial(url, read, content):
    sweep, taken = read(content | {"run_cap": 12}), []
    storages = [open_storage(url, 60) for _ in range(2)]
    open_study(storages[0], sweep, 12, 0)

    def work(storage):
        study = open_study(storage, sweep, 12, 0)
        while states(study)["WAITING"]:
            trial = study.ask()
            taken.append(trial.user_attrs.get("slot"))
            study.tell(trial, 1.0)

    threads = [threading.Thread(target=work, args=(storage,)) for storage in storages for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slot for slot in taken if slot is not None) == list(range(12))


def test_failed_trials_are_queued_again_by_the_next_command(url, read, content):
    storage, sweep = open_storage(url, 60), read(content | {"method": "bayes"})
    study = open_study(storage, sweep, 1, 0)
    trial = study.ask()
    values = suggest(trial, sweep, 1, 0)
    study.tell(trial, state=TrialState.FAIL)
    assert states(study) == {"FAIL": 1}
    assert states(open_study(storage, sweep, 1, 0)) == {"FAIL": 1, "WAITING": 1}
    again = study.ask()
    assert again.user_attrs["slot"] == 0 and suggest(again, sweep, 1, 0) == values


@pytest.mark.parametrize(("goal", "values"), [("minimize", [3.0, 0.5]), ("maximize", [0.2, 2.0])])
def test_the_target_is_reached_by_one_trial(url, read, content, goal, values):
    sweep = read(content | {"metric": {"name": "val/x", "goal": goal, "target": 1.0}})
    study = open_study(open_storage(url, 60), sweep, 6, 0)
    reached = [target_reached(study, sweep)]
    for value in values:
        study.tell(study.ask(), value)
        reached.append(target_reached(study, sweep))
    assert reached == [False, False, True]
    assert not target_reached(study, read(content))


def test_early_terminate_is_hyperband(url, tmp_path, read, content):
    assert isinstance(open_study(open_storage(url, 60), read(content), 6, 0).pruner, NopPruner)
    sweep = read(content | {"early_terminate": {"type": "hyperband", "min_iter": 1, "max_iter": 4, "eta": 2}})
    other = open_storage(f"sqlite:///{tmp_path / 'other.db'}", 60)
    assert isinstance(open_study(other, sweep, 6, 0).pruner, HyperbandPruner)


def test_storages_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(ConfigError, match="no database URL"):
        open_storage("nowhere", 60)
    with pytest.raises(ConfigError, match="driver"):
        open_storage("postgresql+asyncpg://u:secret@h/x", 60)
    with pytest.raises(OutputError, match="cannot be used"):
        open_storage(f"sqlite:///{tmp_path / 'absent' / 'x.db'}", 60)
    (tmp_path / "text.db").write_text("no database\n" * 100)
    with pytest.raises(OutputError, match=r"cannot be used.*not a database"):
        open_storage(f"sqlite:///{tmp_path / 'text.db'}", 60)


@pytest.mark.parametrize("start", ["postgresql//", "nodriver://", "postgresql+psycopg://", "mysql+nodriver://"])
def test_passwords_of_storages_are_never_told(start):
    with pytest.raises(MeshGaitError) as found:
        open_storage(f"{start}me:secret@127.0.0.1:1/x", 60)
    assert "secret" not in str(found.value) and "--storage" in str(found.value)


def test_slots_count_the_trial_that_has_not_failed():
    failed, done = TrialState.FAIL, TrialState.COMPLETE
    slots = [(1, failed), (0, done), (1, done), (0, failed), (None, failed), (2, failed), (2, failed)]
    study = optuna.create_study()
    for slot, state in slots:
        study.add_trial(optuna.trial.create_trial(
            state=state, value=1.0 if state == done else None, user_attrs={} if slot is None else {"slot": slot}
        ))  # fmt: skip
    assert {slot: found.number for slot, found in by_slot(study).items()} == {0: 1, 1: 2, 2: 6}


def test_the_trials_of_dead_workers_wait_again_with_the_same_parameters(url, read, content):
    sweep = read(content | {"method": "bayes"})
    storage = open_storage(url, 1)
    study, lost, seen = open_study(storage, sweep, 2, 0), [], set()

    def die(trial):
        lost.append((trial.number, suggest(trial, sweep, 2, 0)))
        raise SystemExit  # which Optuna does not take for a failure: the trial is under way for ever

    with pytest.raises(SystemExit):
        study.optimize(die, n_trials=1)
    study.ask()  # a worker that dies before its first word
    free_trials(storage, study, seen)
    assert states(study) == {"RUNNING": 2}
    time.sleep(2.1)
    free_trials(storage, study, seen)
    again = by_slot(study)
    assert [trial.state.name for trial in again.values()] == ["WAITING", "WAITING"]
    assert again[0].params == lost[0][1] and again[0].number != lost[0][0]
