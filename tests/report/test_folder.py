import json
import shutil

import numpy as np
import pytest

from meshgait.errors import ConfigError, DataError
from meshgait.report.folder import read_run, read_runs
from tests.report.runs import make_run, record


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with everything; tests copy it before they harm it."""
    return make_run(tmp_path_factory.mktemp("runs") / "finetune")


@pytest.fixture
def run(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "finetune")


def test_everything_is_read(run):
    found = read_run(run)
    assert (found.name, found.missing, found.recognises) == ("finetune", (), True)
    assert found.figures["val/rank1_nm"] == 80
    assert found.settings["model.optimizer.lr"] == "0.1"  # without jsonargparse's init_args
    assert found.settings["trainer.precision"] == "null"
    assert found.settings["data.views"] == "[0, 72]"
    steps, values = found.history["train/loss"]
    np.testing.assert_array_equal(steps, np.arange(0, 400, 50))
    np.testing.assert_allclose(values, 5 / (np.arange(0, 400, 50) + 50))
    assert "train/odd" not in found.history  # null where not finite
    np.testing.assert_array_equal(found.record.embeddings, record().embeddings)
    assert found.meshes.vertices.shape == found.meshes.true_vertices.shape == (3, 162, 3)
    # the latest of each kind; tables beside them are no pictures
    assert {kind: path.name for kind, path in found.pictures.items()} == {
        "heatmaps": "heatmaps-000400.png", "confusions": "confusions-000400.png", "walk": "walk-000400.gif",
    }  # fmt: skip


def test_what_cannot_be_there_is_not_missed(tmp_path):
    first = read_run(make_run(tmp_path / "pretrain", stage=1))
    assert first.missing == () and first.record is None and not first.recognises
    flat = read_run(make_run(tmp_path / "flat", uses_3d=False))
    assert flat.missing == () and flat.meshes is None


@pytest.mark.parametrize(
    ("file", "attribute", "says"),
    [
        ("config.yaml", "settings", "settings"),
        ("metrics.json", "metrics", "not finished"),
        ("history.jsonl", "history", "training curves"),
        ("evaluation.npz", "record", "CMC and DET"),
        ("mesh.npz", "meshes", "meshes"),
        ("pictures", "pictures", "pictures"),
    ],
)
def test_what_is_not_there_is_said(run, file, attribute, says):
    path = run / file
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    found = read_run(run)
    assert not getattr(found, attribute)
    assert [says in text and (file in text) for text in found.missing] == [True]


def test_a_diverged_model_has_no_curves(run):
    broken = record()
    broken.embeddings[0, 0, 0] = np.inf
    broken.write(run / "evaluation.npz")
    found = read_run(run)
    assert found.record is None and "diverged" in found.missing[0]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.yaml", b"model: [1,\n"),
        ("config.yaml", b"just words"),
        ("config.yaml", b"\xff\xfe\xfa"),
        ("metrics.json", b"{"),
        ("metrics.json", b"[]"),
        ("metrics.json", b'{"figures": {"val/rank1": "high"}}'),
        ("metrics.json", b'{"figures": {}, "data": "here"}'),
        (
            "metrics.json",
            b'{"figures": {}, "cells": {"nm": {"probe_views": [], "gallery_views": [], "rank1": [[1]]}}}',
        ),
        ("history.jsonl", b'{"step": 1}\nnothing\n{"step": 2}\n'),
        ("history.jsonl", b'{"step": 1}\n{"loss": 2}\n{"step": 2}\n'),
        ("history.jsonl", b"\xff\xfe"),
        ("evaluation.npz", b"PK\x03\x04 not quite"),
        ("evaluation.npz", b""),
        ("mesh.npz", b"PK\x03\x04 not quite"),
        ("mesh.npz", b""),
    ],
    ids=str,
)
def test_damaged_files_are_named(run, file, content):
    (run / file).write_bytes(content)
    with pytest.raises(DataError, match=file) as caught:
        read_run(run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"faces": np.array([[0, 1, 162]])},
        {"faces": np.array([[0, 1, -1]])},
        {"names": np.array(["one"])},
        {"true_vertices": np.zeros((3, 5, 3))},
        {"silhouettes": np.zeros((3, 9), np.uint8)},
        {"vertices": np.array(["x"])},
        {"vertices": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_meshes_that_do_not_fit_are_refused(run, change):
    with np.load(run / "mesh.npz") as file:
        arrays = {**file, **change}
    np.savez(run / "mesh.npz", **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(DataError, match=r"mesh\.npz"):
        read_run(run)


def test_no_code_is_run(run):
    np.savez(run / "mesh.npz", vertices=np.array([{}], dtype=object))
    with pytest.raises(DataError, match=r"mesh\.npz"):
        read_run(run)


def test_a_line_that_a_killed_training_left_unfinished_is_left_out(run):
    text = (run / "history.jsonl").read_text()
    (run / "history.jsonl").write_text(text + '{"step": 400, "train/lo')
    assert len(read_run(run).history["train/loss"].steps) == 8


def test_no_run(tmp_path):
    with pytest.raises(DataError, match="not there"):
        read_run(tmp_path / "gone")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match="is no run"):
        read_run(tmp_path)
    with pytest.raises(DataError, match=r"notes\.txt holds no metrics"):
        read_run(tmp_path / "notes.txt")


def test_runs_of_one_name_are_told_apart(tmp_path, monkeypatch):
    one, two = (make_run(tmp_path / part / "run", stage=1) for part in ("a", "b"))
    assert [run.name for run in read_runs([one, two])] == ["a/run", "b/run"]
    assert [run.name for run in read_runs([one])] == ["run"]
    with pytest.raises(ConfigError, match="more than once"):
        read_runs([one, tmp_path / "a" / ".." / "a" / "run"])
    monkeypatch.chdir(one)
    assert read_runs([one / ".." / "run"])[0].name == "run"


def test_a_test_on_other_data_is_a_run_too(run):
    """`meshgait test` leaves metrics-PROTOCOL.json, at times alone in its folder."""
    text = (run / "metrics.json").read_text()
    (run / "metrics-usf.json").write_text(json.dumps(json.loads(text) | {"protocol": "usf"}))
    assert read_run(run).metrics["protocol"] == "walkers"
    named = read_run(run / "metrics-usf.json")
    assert (named.name, named.metrics["protocol"]) == ("finetune/metrics-usf", "usf")
    assert [one.name for one in read_runs([run, run / "metrics-usf.json"])] == ["finetune", "metrics-usf"]
    for file in ("metrics.json", "config.yaml", "history.jsonl", "evaluation.npz"):
        (run / file).unlink()
    assert read_run(run).metrics["protocol"] == "usf"
