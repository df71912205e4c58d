"""Files of a run folder, as they are written and read."""

import json
from pathlib import Path

import pytest

from meshgait.callbacks.checkpoints import last_path
from meshgait.callbacks.history import HistoryLines
from meshgait.errors import DataError
from meshgait.run_folder import RunFolder, measured, read_history, read_metrics, read_settings


def test_figures_that_could_not_be_measured_are_left_out(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"figures": {"a": 1, "b": null, "c": NaN}, "seconds": 3, "mine": [1]}')
    metrics = read_metrics(path)
    assert metrics.figures == {"a": 1.0, "b": None, "c": None}
    assert measured(metrics) == {"figures": {"a": 1.0}, "seconds": 3.0, "mine": [1]}


def test_history_is_read_as_it_was_written(tmp_path):
    lines = HistoryLines(tmp_path / "history.jsonl")
    lines.log_metrics({"loss": 0.5, "val/x": float("nan")}, 3)
    lines.log_metrics({"loss": 0.25}, 7)
    assert read_history(lines.path) == [(3, {"loss": 0.5, "val/x": None}), (7, {"loss": 0.25})]
    lines.rewind(7)
    assert read_history(lines.path) == [(3, {"loss": 0.5, "val/x": None})]


def test_figures_of_older_runs_have_the_names_of_now(tmp_path):
    (tmp_path / "history.jsonl").write_text('{"step": 3, "train/confidence": 0.5, "train/loss": 1.0}\n')
    assert read_history(tmp_path / "history.jsonl") == [
        (3, {"train/marginal_cross_entropy": 0.5, "train/loss": 1.0})
    ]
    (tmp_path / "metrics.json").write_text('{"figures": {"train/confidence": 0.5}, "step": 4}')
    found = measured(read_metrics(tmp_path / "metrics.json"))
    assert found == {"figures": {"train/marginal_cross_entropy": 0.5}, "step": 4}


@pytest.mark.parametrize("line", ["[" * 5000, '{"step": "3"}', '{"step": null}', "[]", "3", "\udcff"])
def test_a_damaged_line_is_dropped_by_a_fit_that_goes_on(tmp_path, line):
    lines = HistoryLines(tmp_path / "history.jsonl")
    lines.log_metrics({"loss": 0.5}, 3)
    with lines.path.open("ab") as file:
        file.write(line.encode("utf-8", "surrogateescape") + b"\n")
    lines.rewind(100)
    assert read_history(lines.path) == [(3, {"loss": 0.5})]


def test_settings_are_a_mapping(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({"a": {"b": 1}}))
    assert read_settings(path) == {"a": {"b": 1}}
    path.write_text("- a")
    with pytest.raises(DataError, match="mapping of names to values"):
        read_settings(path)


def test_figures_are_read_as_they_were_written(tmp_path):
    run = RunFolder(tmp_path / "run")
    assert not run.finished
    run.write_metrics({"figures": {"a": 1.5, "b": float("nan")}, "seed": 3}, "usf")
    assert not run.finished and run.tests == [run.metrics("usf")]
    run.write_metrics({"figures": {"a": 2.5}})
    assert run.finished and run.tests == [run.metrics("usf")]
    assert measured(read_metrics(run.metrics("usf"))) == {"figures": {"a": 1.5}, "seed": 3}
    assert sorted(path.name for path in run.path.iterdir()) == ["metrics-usf.json", "metrics.json"]


def test_settings_are_read_as_they_were_written(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.write_config("model:\n  lr: 0.1\n")
    assert read_settings(run.config) == {"model": {"lr": 0.1}}


def test_the_places_are_those_that_users_know():
    run = RunFolder(Path("runs/x"))
    places = (run.metrics(), run.metrics("usf"), run.evaluation(), run.evaluation("usf"), run.history, run.config)
    names = [
        "metrics.json",
        "metrics-usf.json",
        "evaluation.npz",
        "evaluation-usf.npz",
        "history.jsonl",
        "config.yaml",
    ]
    assert [str(path.relative_to("runs/x")) for path in places] == names
    places = (run.embeddings, run.meshes, run.pictures, run.last_checkpoint)
    assert [str(path.relative_to("runs/x")) for path in places] == [
        "embeddings.npz",
        "mesh.npz",
        "pictures",
        "checkpoints/last.ckpt",
    ]
    assert last_path(run.path) == run.last_checkpoint
