import csv
import io
import json
import sys
import threading
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState
from rich.console import Console

from meshgait.errors import ConfigError, DataError, OutputError
from meshgait.sweeps.progress import Progress
from meshgait.sweeps.results import Results
from meshgait.sweeps.runner import History, Runner, claim
from meshgait.sweeps.study import WORKER, Queue, by_slot, open_storage, open_study, planned, queue, slot_of

pytestmark = pytest.mark.slow

PROGRAM = [sys.executable, str(Path(__file__).parent / "program.py")]


@pytest.fixture
def run(tmp_path, read):
    """Run a sweep in this process; returns its trials by slot and what was told."""

    def done(content, workers=2, count=None):
        sweep = read(content)
        count = count or sweep.trials(None)
        storage = open_storage(f"sqlite:///{tmp_path / 'sweep.db'}", 60)
        study = open_study(storage, sweep, count, seed=0)
        told = Console(file=io.StringIO(), width=200)
        Runner(
            sweep, storage, tmp_path / "out", Progress("val/x", count, 0, told), count, 0, workers, PROGRAM
        ).run()
        return by_slot(study.get_trials()), told.file.getvalue()

    return done


def finished(url, sweep, count):
    """Trials with a result, as anyone sees them who asks the storage."""
    study = open_study(open_storage(url, 60), sweep, count, seed=0)
    return [trial for trial in study.get_trials() if trial.state.name == "COMPLETE"]


def starts(folder):
    return {path.parent.name: len(path.read_text().splitlines()) for path in folder.glob("*/starts.txt")}


def test_each_trial_is_run_with_its_parameters_and_read(run, read, content, tmp_path):
    trials, told = run(content)
    assert [trial.params for trial in trials.values()] == planned(read(content), 6, 0)
    for slot, trial in trials.items():
        assert trial.value == pytest.approx(trial.params["x"] ** 2 + 0.25)
        words = json.loads((tmp_path / "out" / f"trial-{slot:03d}" / "arguments.json").read_text())
        assert f"--k={trial.params['k']}" in words and "--seconds=0" in words
    assert starts(tmp_path / "out") == {f"trial-{slot:03d}": 1 for slot in range(6)}
    assert (
        "6/6 done" in told
        and " left" in told
        and f"best val/x {min(t.value for t in trials.values()):.4g}" in told
    )
    again, _ = run(content)
    assert [trial.number for trial in again.values()] == [trial.number for trial in trials.values()]


def test_twelve_trials_of_two_workers_killed_in_the_middle_and_resumed(worker, read, write, content, tmp_path):
    """12 results, none twice, none lost; what was done is not done again."""
    content |= {"run_cap": 12, "parameters": content["parameters"] | {"seconds": {"value": 0.2}}}
    sweep, url, out = read(content), f"sqlite:///{tmp_path / 'shared.db'}", tmp_path / "out"
    first = [worker(write(content), url, out, 1, 2) for _ in range(2)]
    while len(finished(url, sweep, 12)) < 4:
        assert all(process.poll() is None for process in first), first[0].stdout.read().decode()
        time.sleep(0.1)
    for process in first:
        process.kill()
        process.wait()
    time.sleep(1)  # what was under way ends by itself
    before = {trial.user_attrs["slot"]: trial.user_attrs[WORKER] for trial in finished(url, sweep, 12)}
    assert 4 <= len(before) < 12 and len(set(before.values())) == 2  # both have taken part
    second = worker(write(content), url, out, 2, 2)
    assert second.wait(120) == 0, second.stdout.read().decode()
    results = finished(url, sweep, 12)
    assert sorted(trial.user_attrs["slot"] for trial in results) == list(range(12))
    parameters = {trial.user_attrs["slot"]: trial.params for trial in results}
    assert [parameters[slot] for slot in range(12)] == planned(sweep, 12, 0)
    assert all(trial.value == pytest.approx(trial.params["x"] ** 2 + 0.25) for trial in results)
    assert before.items() <= {trial.user_attrs["slot"]: trial.user_attrs[WORKER] for trial in results}.items()
    assert all(count == 1 for name, count in starts(out).items() if int(name.removeprefix("trial-")) in before)


def test_two_workers_share_a_postgres_storage(postgres, worker, read, write, content, tmp_path):
    content |= {"run_cap": 6, "parameters": content["parameters"] | {"seconds": {"value": 0.3}}}
    sweep, file = read(content), write(content)
    processes = [worker(file, postgres, tmp_path / name) for name in ("one", "two")]
    for process in processes:
        assert process.wait(120) == 0, process.stdout.read().decode()
    results = finished(postgres, sweep, 6)
    assert sorted(trial.user_attrs["slot"] for trial in results) == list(range(6))
    by_worker = [len(list((tmp_path / name).glob("*/metrics.json"))) for name in ("one", "two")]
    assert sum(by_worker) == 6 and min(by_worker) >= 1
    assert len({trial.user_attrs[WORKER] for trial in results}) == 2


def test_a_worker_that_is_told_to_stop_gives_its_trial_back_at_once(worker, read, write, content, tmp_path):
    content |= {"run_cap": 2, "parameters": content["parameters"] | {"seconds": {"value": 60}}}
    sweep, url, out = read(content), f"sqlite:///{tmp_path / 'sweep.db'}", tmp_path / "out"
    process = worker(write(content), url, out)
    while not starts(out):
        assert process.poll() is None, process.stdout.read().decode()
        time.sleep(0.05)
    process.terminate()
    assert process.wait(60) != 0
    trials = Queue(open_storage(url, 60), sweep, 2, 0).study.get_trials()
    assert sorted(trial.state.name for trial in trials) == ["FAIL", "WAITING", "WAITING"]
    assert {slot_of(trial) for trial in trials if trial.state.name == "WAITING"} == {0, 1}


def test_a_trial_that_was_given_to_another_worker_is_left_alone(read, content, tmp_path):
    """As after a while without network: the other one has it now."""
    content |= {"run_cap": 1, "parameters": content["parameters"] | {"seconds": {"value": 2}}}
    sweep, url = read(content), f"sqlite:///{tmp_path / 'sweep.db'}"
    storage = open_storage(url, 4)
    study = open_study(storage, sweep, 1, seed=0)

    def give():
        while not starts(tmp_path / "out"):
            time.sleep(0.05)
        study.tell(0, state=TrialState.FAIL)
        queue(study, 0, study.get_trials()[0].params)

    thread = threading.Thread(target=give)
    thread.start()
    told = Console(file=io.StringIO(), width=200)
    Runner(sweep, storage, tmp_path / "out", Progress("val/x", 1, 0, told), 1, program=PROGRAM).run()
    thread.join()
    assert "trial 0 was given to another worker" in told.file.getvalue()
    assert [trial.state.name for trial in study.get_trials()] == ["FAIL", "COMPLETE"]
    assert starts(tmp_path / "out") == {"trial-000": 2}


def test_bad_trials_are_stopped_early(run, content):
    rule = {"type": "hyperband", "min_iter": 1, "max_iter": 4, "eta": 2}
    spread = {"x": {"values": [0, 1, 2, 3]}, "seconds": {"value": 1.6}}
    trials, told = run(content | {"method": "grid", "early_terminate": rule, "parameters": spread}, workers=1)
    states = [trial.state.name for trial in trials.values()]
    assert states[0] == "COMPLETE" and "PRUNED" in states[1:]
    stopped = [trial for trial in trials.values() if trial.state.name == "PRUNED"]
    assert all(trial.last_step < 4 and "stopped early" in trial.user_attrs["note"] for trial in stopped)
    assert "stopped early, val/x" in told and "4/4 done" in told


def test_a_trial_that_diverges_has_a_result_without_a_figure(run, content):
    trials, _ = run(content | {"method": "grid", "parameters": {
        "x": {"values": [1]}, "k": {"values": ["nan", "a"]}, "seconds": {"value": 0}}})  # fmt: skip
    assert [trial.state.name for trial in trials.values()] == ["PRUNED", "COMPLETE"]
    assert "nan" in trials[0].user_attrs["note"]


def test_a_trial_that_fails_says_why_and_is_tried_again_by_the_next_command(run, content, tmp_path):
    content |= {"method": "grid", "parameters": {
        "x": {"values": [1]}, "k": {"values": ["a", "broken"]}, "seconds": {"value": 0}}}  # fmt: skip
    trials, told = run(content)
    assert [trial.state.name for trial in trials.values()] == ["COMPLETE", "FAIL"]
    assert "it is broken (status 1" in trials[1].user_attrs["note"] and "it is broken" in told
    run(content)
    assert starts(tmp_path / "out") == {"trial-000": 1, "trial-001": 2}


def test_a_sweep_of_nothing_but_failures_ends_soon(run, content, tmp_path):
    content["parameters"]["k"] = {"value": "broken"}
    with pytest.raises(ConfigError, match="3 trials failed and none had a result; the last one: it is broken"):
        run(content, workers=1)
    assert len(starts(tmp_path / "out")) == 3


def test_a_metric_that_is_no_figure_is_named(run, content):
    with pytest.raises(ConfigError, match=r"val/y is no figure of .* it has val/x, val/other"):
        run(content | {"metric": {"name": "val/y"}})


def test_a_folder_of_another_trial_is_not_taken_for_this_one(tmp_path):
    claim(tmp_path / "trial-000", ["--x=1"])
    claim(tmp_path / "trial-000", ["--x=1"])
    with pytest.raises(ConfigError, match="other settings"):
        claim(tmp_path / "trial-000", ["--x=2"])
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--out"):
        claim(tmp_path / "file" / "trial-000", ["--x=1"])


def test_history_leaves_a_line_that_is_being_written_for_later(tmp_path):
    path = tmp_path / "history.jsonl"
    history = History(path, "val/x")
    assert history.read() == []
    path.write_text('{"step": 1, "val/x": 2.0}\n{"step": 1, "train/loss": 3.0}\n{"step": 2, "val')
    assert history.read() == [2.0]
    path.write_text('{"step": 1, "val/x": 2.0}\n{"step": 2, "val/x": null}\n{"step": 3, "val/x": 1.5}\n')
    assert history.read()[::2] == [2.0, 1.5] and len(history.read()) == 3
    path.write_text("no history\n")
    with pytest.raises(DataError, match="no history"):
        history.read()


def test_results_are_a_table_a_csv_pictures_and_the_best_experiment(run, read, content, tmp_path):
    run(content)
    sweep = read(content)
    study = open_study(open_storage(f"sqlite:///{tmp_path / 'sweep.db'}", 60), sweep, 6, seed=0)
    told = Console(file=io.StringIO(), width=120)
    results = Results(sweep, study)
    results.write(tmp_path / "out", study, told)
    best = min(results.trials.values(), key=lambda trial: trial.value)
    assert results.trials[results.best].number == best.number
    text = told.file.getvalue()
    assert "val/x, least first" in text and "meshgait fit --config" in text
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "trials.csv").read_text())))
    assert [int(row["trial"]) for row in rows] == list(range(6))
    assert {row["state"] for row in rows} == {"done"} and all(row["seconds"] for row in rows)
    assert [float(row["val/x"]) for row in rows] == [trial.value for trial in results.trials.values()]
    assert [float(row["x"]) for row in rows] == [point["x"] for point in planned(sweep, 6, 0)]
    yaml_text = (tmp_path / "out" / "best.yaml").read_text()
    assert f"x: {best.params['x']!r}" in yaml_text and "max_epochs: 3" in yaml_text
    for name in ("importance.png", "parallel.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
