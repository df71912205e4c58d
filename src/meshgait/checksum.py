"""Checksums of files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

CHUNK = 2**20


def sha256_of(path: Path, tell: Callable[[int], object] = lambda count: None) -> str:
    """SHA-256 of a file, in hexadecimal digits.

    Args:
        path: of the file, which is read a piece at a time.
        tell: called with the number of bytes of each piece that was read.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
            tell(len(piece))
    return digest.hexdigest()
