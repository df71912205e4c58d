"""Arrays on disk, mapped into memory: read in any order, while memory in use stays bounded."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from meshgait.arrays import map_npy

AROUND = 1 << 17  # bytes that the system maps at most around a place that is read
KEEP_BYTES = 1 << 28  # of the files that stay mapped; the page cache holds what was read anyhow


class MappedArrays:
    """The .npy files of a store, each with one row a frame.

    Args:
        folder: of the files.
        rows: by the arrays' names the shape of a row and its dtype, such as ((72,), "<f4").
        length: rows that each must have.

    Raises:
        OSError: a file is missing.
        ValueError: a file is damaged, holds objects, or has another length, dtype or shape.
    """

    def __init__(self, folder: Path, rows: Mapping[str, tuple[tuple[int, ...], str]], length: int) -> None:
        self._arrays: dict[str, np.ndarray] = {}
        self._mapped = 0
        for name, (row, dtype) in rows.items():
            array = map_npy(folder / f"{name}.npy")
            if array.shape[1:] != tuple(row) or array.dtype != dtype:
                raise ValueError(f"{name}.npy has rows {array.dtype} {array.shape[1:]}, not {dtype} {tuple(row)}")
            if len(array) != length:
                raise ValueError(f"{name}.npy holds {len(array)} frames, meta.json says {length}")
            self._arrays[name] = array

    def read(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Rows (N, ...) of an array, copied."""
        array = self._arrays[name]
        self._forget(array.strides[0], rows)
        return np.take(np.asarray(array), rows, axis=0)

    def _forget(self, step: int, rows: np.ndarray) -> None:
        """Hand mapped pages back from time to time: until then they count as this process's memory."""
        jumps = np.count_nonzero(np.abs(np.diff(rows)) * step > AROUND) + 1
        self._mapped += len(rows) * step + jumps * AROUND
        if self._mapped > KEEP_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            for array in self._arrays.values():
                if isinstance(array.base, mmap.mmap):
                    array.base.madvise(mmap.MADV_DONTNEED)
            self._mapped = 0
