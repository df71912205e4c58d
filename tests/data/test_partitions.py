"""Partition files."""

import json

import pytest

from meshgait.data.partitions import Partition
from meshgait.errors import DataError


def test_reads_the_json_form(tmp_path):
    path = tmp_path / "Gait3D.json"
    path.write_text(json.dumps({"TRAIN_SET": ["1"], "TEST_SET": ["2", "3"], "PROBE_SET": ["2-a-b"], "more": 1}))
    partition = Partition.read(path)
    assert (partition.train, partition.test, partition.probes) == ({"1"}, {"2", "3"}, {"2-a-b"})
    assert partition.source == str(path)


def test_overlap_is_refused():
    sets = {"TRAIN_SET": [str(n) for n in range(9)], "TEST_SET": [str(n) for n in range(1, 12)]}
    with pytest.raises(DataError, match=r"8 subjects .*\(1, 2, 3, 4, 5, \.\.\.\)"):
        Partition.of(sets)


@pytest.mark.parametrize(
    "content",
    [{"TRAIN_SET": ["1"]}, {"TRAIN_SET": [1], "TEST_SET": ["2"]}, {"TRAIN_SET": "12", "TEST_SET": []}, [1]],
)
def test_malformed_lists(content):
    with pytest.raises(DataError, match="must be a list of names in quotes"):
        Partition.of(content)


def test_unreadable(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        Partition.read(tmp_path / "none.json")
    path = tmp_path / "broken.json"
    path.write_text('{"TRAIN_SET": [')
    with pytest.raises(DataError, match=r"broken\.json, line 1, column 16: .*cannot be read as JSON"):
        Partition.read(path)
