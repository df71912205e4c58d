import re
from pathlib import Path

import numpy as np
import pytest

from meshgait.data import memory_map
from meshgait.data.memory_map import MappedArrays


def test_rows_come_in_the_order_asked_for_and_are_copies(tmp_path):
    values = np.random.default_rng(0).normal(size=(50, 3))
    np.save(tmp_path / "a.npy", values)
    arrays, rows = MappedArrays(tmp_path, {"a": ((3,), "<f8")}, 50), np.array([7, 49, 0, 7])
    read = arrays.read("a", rows)
    np.testing.assert_array_equal(read, values[rows])
    assert type(read) is np.ndarray and read.base is None
    assert arrays.read("a", rows[:0]).shape == (0, 3)


def test_another_length_and_objects_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(5))
    with pytest.raises(ValueError, match="holds 5 frames"):
        MappedArrays(tmp_path, {"a": ((), "<f8")}, 6)
    for row in (((3,), "<f8"), ((), "<f4"), ((), "|u1")):
        with pytest.raises(ValueError, match="has rows float64"):
            MappedArrays(tmp_path, {"a": row}, 5)
    np.save(tmp_path / "b.npy", np.array([{}] * 5), allow_pickle=True)
    with pytest.raises(ValueError):
        MappedArrays(tmp_path, {"b": ((), "<f8")}, 5)


def resident():
    """Bytes of this process that files are mapped to."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("memory in use is read from Linux' /proc")
    return 1024 * int(re.search(r"RssFile:\s+(\d+)", status.read_text()).group(1))


@pytest.mark.slow
@pytest.mark.parametrize("order", ["random", "in a row"])
def test_memory_in_use_does_not_grow_with_what_was_read(tmp_path, monkeypatch, order):
    """What is kept is bounded, in whatever order; what is read again after it was handed back is the same."""
    monkeypatch.setattr(memory_map, "KEEP_BYTES", 16 << 20)
    length, width = 60000, 4096
    array = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (length, width))
    array[::97, 0] = np.arange(0, length, 97) % 251  # the rest of the file stays empty
    del array
    arrays = MappedArrays(tmp_path, {"a": ((width,), "|u1")}, length)
    before, most = resident(), 0
    rows_of = np.random.default_rng(0).permutation(length) if order == "random" else np.arange(length)
    for rows in np.split(rows_of, length // 100):
        np.testing.assert_array_equal(arrays.read("a", rows)[:, 0], rows % 251 * (rows % 97 == 0))
        most = max(most, resident() - before)
    assert most < 96 << 20 < length * width
