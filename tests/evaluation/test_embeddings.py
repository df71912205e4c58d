"""What is written is read again."""

import numpy as np
import pytest
import torch

from meshgait.errors import OutputError
from meshgait.evaluation.embeddings import Embeddings

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
