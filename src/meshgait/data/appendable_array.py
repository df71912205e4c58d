"""Files of a store while it is being written: arrays that grow, a lock on their folder, a full disk."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from meshgait.atomic import atomic_file
from meshgait.errors import OutputError, StoreError
from meshgait.lock import lock_folder

HEADER_BYTES = 128  # of each .npy file; a multiple of 64 keeps the rows aligned
_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns errors of the disk into one that says what to do.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise OutputError(
                f"{folder}: the disk is full", "what was written so far is whole: make room and repeat the command"
            ) from error
        raise OutputError(f"cannot write {folder}: {error.strerror}", "choose a folder you own") from error


def write_all(file: FileIO, data: bytes | memoryview) -> None:
    """Write everything at once to an unbuffered file; a full disk shows here, not when the file is closed."""
    rest = memoryview(data).cast("B")
    while len(rest):
        rest = rest[file.write(rest) :]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def lock_writer(folder: Path) -> FileLock:
    """Keep other writers out of a folder.

    Raises:
        StoreError: another process is writing there.
    """
    message = f"{folder} is being written by another process; wait until it is done, or choose another folder"
    return lock_folder(folder, StoreError(message))


class AppendableArray:
    """A .npy file whose rows are appended; rows that a killed run left can be cut off.

    Args:
        path: the file.
        row: shape of a row.
        dtype: of its numbers, such as "<f4".
    """

    def __init__(self, path: Path, row: tuple[int, ...], dtype: str) -> None:
        self.path, self.row, self.dtype = path, row, dtype
        self.row_bytes = prod(row) * np.dtype(dtype).itemsize
        self._file: FileIO | None = None

    def create(self) -> None:
        """Make the file, without a row."""
        self.path.write_bytes(self._header(0))

    def rows(self) -> int:
        """Whole rows that the file holds."""
        return max(0, self.path.stat().st_size - HEADER_BYTES) // self.row_bytes

    def open(self, rows: int) -> None:
        """Keep this number of rows and append after them."""
        os.truncate(self.path, HEADER_BYTES + rows * self.row_bytes)
        self._file = self.path.open("r+b", buffering=0)
        self._file.seek(0, os.SEEK_END)

    def append(self, block: np.ndarray) -> None:
        """Append rows (n, *row) of the file's dtype."""
        write_all(self._opened(), block.data)

    def finish(self, rows: int) -> None:
        """Write the number of rows into the header."""
        file = self._opened()
        file.seek(0)
        write_all(file, self._header(rows))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _opened(self) -> FileIO:
        assert self._file is not None, "open() comes first"
        return self._file

    def _header(self, rows: int) -> bytes:
        """Header (format 1.0) of fixed length, so that it can be patched once the rows are counted."""
        text = repr({"descr": self.dtype, "fortran_order": False, "shape": (rows, *self.row)})
        length = HEADER_BYTES - 10
        return b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + text.ljust(length - 1).encode() + b"\n"
