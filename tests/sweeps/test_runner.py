import csv
import io
import json
import sys
import threading
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from meshgait.errors import ConfigError, DataError, OutputError
from meshgait.run_folder import RunFolder
from meshgait.sweeps import results
from meshgait.sweeps.runner import Runner, claim, validations
from meshgait.sweeps.study import RETRY, by_slot, known, open_storage, open_study

pytestmark = pytest.mark.slow

PROGRAM = [sys.executable, str(Path(__file__).parent / "program.py")]


@pytest.fixture
def run(tmp_path, read, capsys):
    """Run a sweep in this process; returns its study and what was told."""

    def done(content, workers=2):
        sweep = read(content)
        count = sweep.trials(None)
        storage = open_storage(f"sqlite:///{tmp_path / 'sweep.db'}", 60)
        study = open_study(storage, sweep, count, 0)
        Runner(sweep, storage, study, tmp_path / "out", count, 0, workers, PROGRAM).run()
        return study, capsys.readouterr().out

    return done


def finished(url, sweep):
    """Trials with a result, as anyone sees them who asks the storage."""
    study = optuna.load_study(study_name=sweep.name, storage=open_storage(url, 60))
    return [trial for trial in study.get_trials() if trial.state.name == "COMPLETE"]


def starts(folder):
    return {path.parent.name: len(path.read_text().splitlines()) for path in folder.glob("*/starts.txt")}


def test_each_trial_is_run_with_its_parameters_and_read(run, content, tmp_path):
    study, told = run(content)
    trials = by_slot(study)
    assert list(trials) == list(range(6))
    for slot, trial in trials.items():
        assert (
            f"trial {slot} begins: x={trial.params['x']}" in told
            and f"trial {slot}: val/x {trial.value:.4g}" in told
        )
        assert trial.value == pytest.approx(trial.params["x"] ** 2 + 0.25)
        words = json.loads((tmp_path / "out" / f"trial-{slot:03d}" / "arguments.json").read_text())
        assert f"--k={trial.params['k']}" in words and "--seconds=0" in words
    assert starts(tmp_path / "out") == {f"trial-{slot:03d}": 1 for slot in range(6)}
    again, _ = run(content)
    assert len(again.get_trials()) == len(study.get_trials())


def test_twelve_trials_of_two_workers_killed_in_the_middle_and_resumed(worker, read, write, content, tmp_path):
    """12 results, none twice, none lost; what was done is not done again."""
    content |= {"run_cap": 12, "parameters": content["parameters"] | {"seconds": {"value": 0.2}}}
    sweep, url, out = read(content), f"sqlite:///{tmp_path / 'shared.db'}", tmp_path / "out"
    first = [worker(write(content), url, out, 1, 2) for _ in range(2)]
    while not known(open_storage(url, 60), sweep) or len(finished(url, sweep)) < 4:
        assert all(process.poll() is None for process in first), first[0].stdout.read().decode()
        time.sleep(0.1)
    for process in first:
        process.kill()
        process.wait()
    time.sleep(1)  # what was under way ends by itself
    before = {trial.user_attrs["slot"]: trial.user_attrs["worker"] for trial in finished(url, sweep)}
    assert 4 <= len(before) < 12 and len(set(before.values())) == 2  # both have taken part
    second = worker(write(content), url, out, 2, 2)
    assert second.wait(120) == 0, second.stdout.read().decode()
    results = finished(url, sweep)
    assert sorted(trial.user_attrs["slot"] for trial in results) == list(range(12))
    assert len({trial.params["x"] for trial in results}) == 12
    assert all(trial.value == pytest.approx(trial.params["x"] ** 2 + 0.25) for trial in results)
    assert before.items() <= {trial.user_attrs["slot"]: trial.user_attrs["worker"] for trial in results}.items()
    assert all(count == 1 for name, count in starts(out).items() if int(name.removeprefix("trial-")) in before)


def test_two_workers_share_a_postgres_storage(postgres, worker, read, write, content, tmp_path):
    content |= {"run_cap": 6, "parameters": content["parameters"] | {"seconds": {"value": 0.3}}}
    sweep, file = read(content), write(content)
    processes = [worker(file, postgres, tmp_path / name) for name in ("one", "two")]
    for process in processes:
        assert process.wait(120) == 0, process.stdout.read().decode()
    results = finished(postgres, sweep)
    assert sorted(trial.user_attrs["slot"] for trial in results) == list(range(6))
    by_worker = [len(list((tmp_path / name).glob("*/metrics.json"))) for name in ("one", "two")]
    assert sum(by_worker) == 6 and min(by_worker) >= 1
    assert len({trial.user_attrs["worker"] for trial in results}) == 2


def test_a_worker_that_is_told_to_stop_gives_its_trial_back_at_once(worker, read, write, content, tmp_path):
    content |= {"run_cap": 2, "parameters": content["parameters"] | {"seconds": {"value": 60}}}
    sweep, url, out = read(content), f"sqlite:///{tmp_path / 'sweep.db'}", tmp_path / "out"
    process = worker(write(content), url, out)
    while not starts(out):
        assert process.poll() is None, process.stdout.read().decode()
        time.sleep(0.05)
    process.terminate()
    assert process.wait(60) != 0
    study = optuna.load_study(study_name=sweep.name, storage=open_storage(url, 60))
    assert sorted(trial.state.name for trial in study.get_trials()) == ["FAIL", "WAITING", "WAITING"]
    assert [trial.state.name for trial in by_slot(study).values()] == ["WAITING", "WAITING"]


def test_a_trial_that_was_given_to_another_worker_has_the_result_of_that_one(read, content, tmp_path, capsys):
    """As after a while without network: the other one has it now."""
    content |= {"run_cap": 1, "parameters": content["parameters"] | {"seconds": {"value": 1}}}
    sweep, url = read(content), f"sqlite:///{tmp_path / 'sweep.db'}"
    storage = open_storage(url, 4)
    study = open_study(storage, sweep, 1, 0)

    def give():
        while not starts(tmp_path / "out"):
            time.sleep(0.05)
        study.tell(0, state=TrialState.FAIL)
        RETRY(study, study.get_trials()[0])

    thread = threading.Thread(target=give)
    thread.start()
    Runner(sweep, storage, study, tmp_path / "out", 1, program=PROGRAM).run()
    thread.join()
    assert "was given to another worker" in capsys.readouterr().out
    assert [trial.state.name for trial in study.get_trials()] == ["FAIL", "COMPLETE"]
    assert starts(tmp_path / "out") == {"trial-000": 2}


def test_a_slot_that_was_queued_twice_runs_once(run, read, content, tmp_path):
    """Two machines that begin at once may both queue it."""
    study = open_study(open_storage(f"sqlite:///{tmp_path / 'sweep.db'}", 60), read(content), 2, 0)
    study.enqueue_trial({}, user_attrs={"slot": 1})
    study, _ = run(content | {"run_cap": 2}, workers=1)
    assert [trial.state.name for trial in study.get_trials()] == ["COMPLETE", "COMPLETE", "FAIL"]
    assert starts(tmp_path / "out") == {"trial-000": 1, "trial-001": 1}


def test_no_trial_is_begun_once_the_target_is_reached(run, content, tmp_path):
    content |= {"method": "grid", "parameters": {"x": {"values": [2, 0, 1]}, "seconds": {"value": 0}}}
    run(content | {"metric": {"name": "val/x", "target": 0.5}}, workers=1)
    assert list(starts(tmp_path / "out")) == ["trial-000", "trial-001"]


def test_bad_trials_are_stopped_early(run, content):
    rule = {"type": "hyperband", "min_iter": 1, "max_iter": 4, "eta": 2}
    spread = {"x": {"values": [0, 1, 2, 3]}, "seconds": {"value": 1.6}}
    study, told = run(content | {"method": "grid", "early_terminate": rule, "parameters": spread}, workers=1)
    trials = by_slot(study)
    states = [trial.state.name for trial in trials.values()]
    assert states[0] == "COMPLETE" and "PRUNED" in states[1:]
    stopped = [trial for trial in trials.values() if trial.state.name == "PRUNED"]
    assert all(trial.last_step < 4 and "stopped early" in trial.user_attrs["note"] for trial in stopped)
    assert "stopped early, val/x" in told


def test_a_trial_that_diverges_has_a_result_without_a_figure(run, content):
    study, _ = run(content | {"method": "grid", "parameters": {
        "x": {"values": [1]}, "k": {"values": ["nan", "a"]}, "seconds": {"value": 0}}})  # fmt: skip
    trials = by_slot(study)
    assert [trial.state.name for trial in trials.values()] == ["PRUNED", "COMPLETE"]
    assert "val/x is not finite" in trials[0].user_attrs["note"]


def test_a_trial_that_fails_says_why_and_is_tried_again_by_the_next_command(run, content, tmp_path):
    content |= {"method": "grid", "parameters": {
        "x": {"values": [1]}, "k": {"values": ["a", "broken"]}, "seconds": {"value": 0}}}  # fmt: skip
    study, told = run(content)
    trials = by_slot(study)
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
    with pytest.raises(OutputError, match="cannot be written"):
        claim(tmp_path / "file" / "trial-000", ["--x=1"])


def test_a_line_of_the_history_that_is_being_written_is_left_for_later(tmp_path):
    run = RunFolder(tmp_path)
    run.history.write_text('{"step": 1, "val/x": 2.0}\n{"step": 1, "train/loss": 3.0}\n{"step": 2, "val')
    assert validations(run, "val/x") == [2.0]
    run.history.write_text('{"step": 1, "val/x": 2.0}\n{"step": 2, "val/x": null}\n{"step": 3, "val/x": 1.5}\n')
    assert validations(run, "val/x")[::2] == [2.0, 1.5] and len(validations(run, "val/x")) == 3
    run.history.write_text("no history\n")
    with pytest.raises(DataError, match="no history"):
        validations(run, "val/x")


def test_results_are_a_csv_pictures_and_the_best_experiment(run, read, content, tmp_path, monkeypatch, capsys):
    study, _ = run(content)
    monkeypatch.setattr(
        results, "experiments", lambda _, values, root: {"": f"x: {values['x']!r}\nroot: {root}\n"}
    )
    results.write_results(read(content), study, tmp_path / "out")
    told, best = capsys.readouterr().out, study.best_trial
    assert f"best of sweep small: trial {best.user_attrs['slot']}, val/x {best.value:.6g}" in told
    assert f"--x={best.params['x']}" in told and "meshgait fit --config" in told
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "trials.csv").read_text())))
    assert [int(row["trial"]) for row in rows] == list(range(6))
    assert {row["state"] for row in rows} == {"complete"} and all(row["seconds"] for row in rows)
    trials = by_slot(study).values()
    assert [float(row["val/x"]) for row in rows] == [trial.value for trial in trials]
    assert [float(row["x"]) for row in rows] == [trial.params["x"] for trial in trials]
    text = (tmp_path / "out" / "best.yaml").read_text()
    assert f"x: {best.params['x']!r}\nroot: runs/small-best" in text
    for name in ("importance.png", "parallel.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")


def test_a_value_that_is_no_formula_leaves_the_other_files(read, content, tmp_path, monkeypatch, capsys):
    sweep = read(content | {"parameters": {"k": {"values": ["$^$", "b"]}}})
    monkeypatch.setattr(results, "experiments", lambda *_: {"one": "", "two": ""})
    study = optuna.create_study()
    for slot, choice in enumerate(["$^$", "b"]):
        study.enqueue_trial({"k": choice}, user_attrs={"slot": slot})
        study.tell(study.ask(sweep.searched), slot)
    results.write_results(sweep, study, tmp_path / "out")
    assert "parallel.png cannot be drawn" in capsys.readouterr().out
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"trials.csv", "importance.png", "best-one.yaml", "best-two.yaml"}
