"""Shards of equal build read as one store without end: sequence i is sequence i % N of shard i // N."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from meshgait.data.store import Store
from meshgait.data.table import Sequence

MOST_SHARDS = 10**9
"""Shards whose numbers a folder's name can hold."""
KEPT_OPEN = 2
"""Shards that stay open besides those that a batch reads."""


class ShardedStore:
    """Reads what `meshgait.data.dataset` asks of a store; shards are opened when they are read.

    Args:
        path_of: folder of the shard of a number.
        sequences: N of each shard.
        frames: of each sequence.

    Attributes:
        bits: of a pixel, as `Store.bits`.
        has_smpl: walkers have SMPL truth.
    """

    bits, has_smpl = 1, True

    def __init__(self, path_of: Callable[[int], Path], sequences: int, frames: int) -> None:
        self.path_of, self.count, self.frames = path_of, sequences, frames
        self._open: dict[int, Store] = {}

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_open": {}}

    def shard(self, number: int) -> Store:
        """The store of a shard.

        Raises:
            StoreError: it is missing or damaged.
        """
        if number not in self._open:
            self._open[number] = Store(self.path_of(number))
        return self._open[number]

    @property
    def sequences(self) -> ShardedStore:
        """Itself, indexed by the number of a sequence."""
        return self

    def __len__(self) -> int:
        return MOST_SHARDS * self.count

    def __getitem__(self, index: int) -> Sequence:
        """Who walks in a sequence; the subject's name begins with the shard's number."""
        number, place = divmod(index, self.count)
        walk = self.shard(number).sequences[place]
        return walk._replace(subject=f"{number}-{walk.subject}", start=index * self.frames)

    def spans(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First rows and numbers of frames of sequences (B,)."""
        return indices * self.frames, np.full(len(indices), self.frames)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Silhouettes of rows (N,), as `Store.read`."""
        return self._gather(rows, lambda store, inside: {"": store.read(inside)})[""]

    def truth(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """SMPL truth of rows (N,), as `Store.truth`."""
        return self._gather(rows, lambda store, inside: store.truth(inside))

    def _gather(
        self, rows: np.ndarray, read: Callable[[Store, np.ndarray], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """What is read of each shard, in the order of the rows."""
        shards, inside = np.divmod(rows, self.count * self.frames)
        numbers = np.unique(shards).tolist()
        gathered: dict[str, np.ndarray] = {}
        for number in numbers:
            chosen = shards == number
            for name, values in read(self.shard(number), inside[chosen]).items():
                if name not in gathered:
                    gathered[name] = np.empty((len(rows), *values.shape[1:]), values.dtype)
                gathered[name][chosen] = values
        for number in sorted(self._open.keys() - set(numbers))[:-KEPT_OPEN]:
            del self._open[number]
        return gathered
