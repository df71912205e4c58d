"""Frames in file order, whatever the order and the lengths of the sequences."""

import csv

import numpy as np
import pytest

from meshgait.data.store import Store, StoreWriter
from meshgait.inspection.index import Index, stored

LENGTHS = (3, 1, 12, 5, 7)


@pytest.fixture
def folder(tmp_path):
    writer = StoreWriter(tmp_path / "s", size=(8, 5), bits=8)
    for number, frames in enumerate(LENGTHS):
        walk = np.random.default_rng(number).integers(0, 256, (frames, 8, 5), dtype=np.uint8)
        writer.add(f"s{number}", "nm-01", "000", walk)
    writer.finish()
    return tmp_path / "s"


def rewrite(folder, change):
    """Let `change` alter the list of rows of sequences.csv."""
    with (folder / "sequences.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    rows = change(rows) or rows
    with (folder / "sequences.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return Store(folder, check_rows=False)


@pytest.mark.parametrize("most", [1, 2, 4, 6, 100])
@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (3, 0, 4, 2, 1)])
def test_blocks_hold_each_frame_once_in_file_order(folder, most, order):
    store = rewrite(folder, lambda rows: [rows[number] for number in order])
    rows = []
    for block in Index(store).blocks(most):
        assert 0 < block.stop - block.start <= most
        assert block.lengths.sum() == block.stop - block.start
        rows += list(range(block.start, block.stop))
    assert rows == list(range(sum(LENGTHS)))


@pytest.mark.parametrize("most", [1, 4, 100])
def test_blocks_put_sequences_together(folder, most):
    store = rewrite(folder, lambda rows: rows[::-1])
    index, found = Index(store), {}
    for block in index.blocks(most):
        parts = np.split(stored(store, "silhouettes", block.start, block.stop), np.cumsum(block.lengths)[:-1])
        for number, part, done in zip(block.numbers.tolist(), parts, block.done, strict=True):
            open_, _ = found.setdefault(number, ([], False))
            open_.append(part)
            found[number] = (open_, bool(done))
    assert sorted(found) == list(range(len(LENGTHS)))
    for number, (parts, done) in found.items():
        assert done
        np.testing.assert_array_equal(np.concatenate(parts), store.silhouettes(number))


def test_names_and_lengths(folder):
    index = Index(Store(folder))
    assert len(index) == 5
    assert index.name(2) == "s2/nm-01/000" and index.length(2) == 12


def test_sequences_outside_are_not_read(folder):
    def shift(rows):
        rows[4][3] = "25"  # 7 frames from 25 of 28 on

    index = Index(rewrite(folder, shift))
    assert index.inside.tolist() == [True, True, True, True, False]
    assert max(block.stop for block in index.blocks(4)) == 21
