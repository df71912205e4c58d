"""What is written is read again."""

import numpy as np
import pytest
import torch

from meshgait.errors import DataError, OutputError
from meshgait.evaluation.embeddings import Embeddings
from meshgait.evaluation.submission import write_submission

GIVEN = Embeddings(
    torch.randn(3, 2, 5), np.array(["01", "01", "2"]), np.array(["nm-01"] * 3), np.array(["000", "090", "000"]),
    frozenset({"01-nm-01-090"}), np.array([True, False, False]),
)  # fmt: skip


def test_round_trip(tmp_path):
    path = tmp_path / "new" / "embeddings.npz"
    GIVEN.write(path)
    assert [file.name for file in path.parent.iterdir()] == ["embeddings.npz"]
    with np.load(path, allow_pickle=False) as content:
        assert content["embeddings"].shape == (3, 5, 2)  # dim, then strips
        assert content["split"].tolist() == ["train", "test", "test"]
    read = Embeddings.read(path)
    assert torch.equal(read.vectors, GIVEN.vectors)
    for name in ("labels", "types", "views", "training"):
        np.testing.assert_array_equal(getattr(read, name), getattr(GIVEN, name))
    assert read.probe_set == GIVEN.probe_set and not read.numbered


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        GIVEN.write(tmp_path / "file" / "embeddings.npz")


def test_names_as_they_are_spelled():
    assert GIVEN.spelled(frozenset({"01", "1", "2-nm-01-000", "9"})) == {"01", "2-nm-01-000"}
    numbers = Embeddings(GIVEN.vectors, np.array(["1", "1", "2"]), GIVEN.types, GIVEN.views, numbered=True)
    assert numbers.spelled(frozenset({"0001", "0002-nm-01-000"})) == {"1", "2-nm-01-000"}


@pytest.mark.parametrize("label", ["a\nb", "a\rb", "a\u2028b", "a\x1b[31m", "\ud800", b"\xd6\xd0"])
def test_names_that_break_rows_are_refused(tmp_path, label):
    path = tmp_path / "embeddings.npz"
    labels = np.array([label, label[:1], label[:1]])
    np.savez(path, embeddings=np.zeros((3, 4), np.float32), labels=labels, types=GIVEN.types, views=GIVEN.views)
    with pytest.raises(DataError, match=r"labels (hold|are bytes that are no UTF-8)") as error:
        Embeddings.read(path)
    assert len(str(error.value).splitlines()) == 1


def test_a_submission_keeps_names_as_they_are(tmp_path):
    found = np.array([["00012", "0", "00", "=1", "٣", "9" * 5000]])
    write_submission(tmp_path / "out.csv", np.array(["-v"]), found)
    line = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()[1]
    assert line == "-v,12,0,0,=1,٣," + "9" * 5000
    with pytest.raises(DataError, match="line break"):
        write_submission(tmp_path / "out.csv", np.array(["a\rb"]), found)
