import numpy as np
import pytest
import torch

from meshgait.errors import DataError, OutputError
from meshgait.evaluation.record import EvaluationRecord
from meshgait.evaluation.scoring import evaluate

COLUMNS = ("embeddings", "labels", "views", "conditions", "sequences", "gallery")


@pytest.fixture
def record():
    rng = np.random.default_rng(0)
    gallery = np.arange(12) < 6
    return EvaluationRecord(
        embeddings=rng.normal(size=(12, 2, 3)).astype(np.float16), labels=np.arange(12) % 3,
        views=np.arange(12) % 2, conditions=np.where(gallery, "nm-01", "bg-01"), sequences=np.arange(12) + 40,
        gallery=gallery, probes={"bg": ~gallery}, subjects=("anna", "bö", "c"), view_names=("000", "090"),
        exclude="same_view", scoring="pooled", protocol="walkers", distance="cosine",
    )  # fmt: skip


def test_what_is_read_is_what_was_written(record, tmp_path):
    record.write(tmp_path / "new" / "evaluation.npz")
    again = EvaluationRecord.read(tmp_path / "new" / "evaluation.npz")
    for name in COLUMNS:
        one, two = getattr(record, name), getattr(again, name)
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)
    assert list(again.probes) == ["bg"]
    np.testing.assert_array_equal(again.probes["bg"], record.probes["bg"])
    for name in ("subjects", "view_names", "exclude", "scoring", "protocol", "distance"):
        assert getattr(again, name) == getattr(record, name)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["evaluation.npz"]


def test_it_can_be_scored(record):
    scores = evaluate(torch.from_numpy(record.embeddings).float(), record.task(), "cosine")
    assert scores["bg"].probes == 6


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-400]),
        lambda path: path.write_bytes(b"no archive at all"),
        lambda path: path.write_bytes(b""),
        lambda path: np.savez(path, embeddings=np.zeros((2, 1, 1))),
    ],
    ids=["gone", "cut", "foreign", "empty", "other"],
)
def test_damage_is_told(record, tmp_path, damage):
    path = tmp_path / "evaluation.npz"
    record.write(path)
    damage(path)
    with pytest.raises(DataError, match=r"evaluation\.npz"):
        EvaluationRecord.read(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("labels", np.full(12, 3)),
        ("views", np.full(12, -1)),
        ("labels", np.zeros(12)),
        ("gallery", np.ones(11, bool)),
        ("embeddings", np.zeros((12, 3))),
        ("probes", {}),
        ("probes", {"bg": np.ones(3, bool)}),
    ],
    ids=str,
)
def test_columns_that_do_not_belong_together_are_refused(record, tmp_path, name, value):
    from dataclasses import replace

    replace(record, **{name: value}).write(tmp_path / "evaluation.npz")
    with pytest.raises(DataError, match=r"do not belong together|not an array of"):
        EvaluationRecord.read(tmp_path / "evaluation.npz")


def test_code_in_a_file_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "boom"), "w"))

    np.savez(tmp_path / "evaluation.npz", embeddings=np.array([Bomb()], dtype=object))
    with pytest.raises(DataError):
        EvaluationRecord.read(tmp_path / "evaluation.npz")
    assert not (tmp_path / "boom").exists()


def test_a_place_that_cannot_be_written_is_told_and_the_old_file_stays(record, tmp_path):
    path = tmp_path / "evaluation.npz"
    record.write(path)
    before = path.read_bytes()
    (tmp_path / "evaluation.npz.partial").mkdir()
    with pytest.raises(OutputError, match=r"evaluation\.npz"):
        record.write(path)
    assert path.read_bytes() == before
