"""Where sequences lie in a store, and the order in which their frames are read from disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from meshgait.arrays import map_npy
from meshgait.data.store import Store

BLOCK = 2048
"""Frames read at once: 0.8 MB of packed bits, 6 MB of grey values; more does not stay in the processor's cache."""


class Block(NamedTuple):
    """Consecutive frames of the arrays.

    Attributes:
        start: first frame.
        stop: frame after the last.
        numbers: (n,) sequences that lie there, in order.
        lengths: (n,) frames of each within the block.
        done: (n,) bool, whether the sequence ends in the block.
    """

    start: int
    stop: int
    numbers: np.ndarray
    lengths: np.ndarray
    done: np.ndarray


class Index:
    """Columns of a store's table of sequences: 17 bytes a sequence.

    Args:
        store: the packed store.

    Attributes:
        starts: (S,) first frame of each sequence.
        lengths: (S,) frames of each.
        inside: (S,) bool, whether all its frames are in the arrays.
    """

    def __init__(self, store: Store) -> None:
        self.store, count = store, len(store.sequences)
        self.starts, self.lengths = np.empty(count, np.int64), np.empty(count, np.int64)
        for number, sequence in enumerate(store.sequences):
            self.starts[number], self.lengths[number] = sequence.start, sequence.frames
        last = store.meta["frames"]
        self.inside = (self.starts >= 0) & (self.lengths > 0) & (self.starts + self.lengths <= last)

    def __len__(self) -> int:
        return len(self.starts)

    def name(self, number: int) -> str:
        """subject/condition/view of a sequence."""
        return "/".join(self.store.sequences[number][:3])

    def length(self, number: int) -> int:
        """Frames of a sequence."""
        return int(self.lengths[number])

    @property
    def order(self) -> np.ndarray:
        """Numbers of the sequences inside the arrays, as they lie on disk."""
        order = np.argsort(self.starts, kind="stable")
        return order[self.inside[order]]

    def blocks(self, most: int = BLOCK) -> Iterator[Block]:
        """All frames in file order, at most ``most`` at a time; long sequences come in parts."""
        pieces: list[tuple[int, int, bool]] = []
        start = stop = 0
        for number in self.order.tolist():
            at, end = int(self.starts[number]), int(self.starts[number] + self.lengths[number])
            if pieces and (at != stop or end - start > most):
                yield _block(start, stop, pieces)
                pieces = []
            if not pieces:
                start = at
            while end - at > most:
                yield _block(at, at + most, [(number, most, False)])
                start = at = at + most
            pieces.append((number, end - at, True))
            stop = end
        if pieces:
            yield _block(start, stop, pieces)


def stored(store: Store, name: str, start: int, stop: int) -> np.ndarray:
    """Rows start .. stop of an array of the store, as they lie there, whatever sequences they belong to.

    The file is mapped again each time, so that what was read does not count as memory of the process.

    Args:
        store: the packed store.
        name: silhouettes, poses, betas, cameras or valid.
        start: first row.
        stop: row after the last.
    """
    return np.array(map_npy(store.path / f"{name}.npy")[start:stop])


def _block(start: int, stop: int, pieces: list[tuple[int, int, bool]]) -> Block:
    numbers, lengths, done = zip(*pieces, strict=True)
    return Block(start, stop, np.array(numbers), np.array(lengths), np.array(done))
