"""Files of a run folder, as they are written and read."""

import json

import pytest

from meshgait.callbacks.history import HistoryLines
from meshgait.errors import DataError
from meshgait.textfiles.runs import measured, read_history, read_metrics, read_settings


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
