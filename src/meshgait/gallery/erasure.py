"""Proof of an erasure: the gallery's files are searched for the bytes that were stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

PIECE = 16
"""Bytes of a piece that is looked for: four numbers of an embedding, which nothing else has by chance."""
BLOCK = 1 << 24
HEADS = (1 << 20) - 1
"""Mask of the bits by which nearly all places of a file are ruled out."""
SHORTEST_TEXT = 5
"""Bytes of a text that is looked for; a shorter one may come about by chance among the numbers of others."""


class Trace(NamedTuple):
    """What is looked for: pieces (n, 16) uint8 of stored bytes, and texts."""

    pieces: np.ndarray
    texts: tuple[bytes, ...]

    def __len__(self) -> int:
        """How many pieces and texts there are."""
        return len(self.pieces) + len(self.texts)


def trace_of(stored: Iterable[bytes], texts: Sequence[str], kept: Sequence[str]) -> Trace:
    """What to look for.

    Any 31 stored bytes in a row hold one of the pieces whole, wherever a page of the file begins.

    Args:
        stored: embeddings, digests and silhouettes of the person as they lie in the file.
        texts: the person's name and note.
        kept: names and notes of the others; a text that is part of one of them cannot be told from it.
    """
    pieces = []
    for blob in stored:
        whole = np.frombuffer(blob, np.uint8)[: len(blob) // PIECE * PIECE].reshape(-1, PIECE)
        # rows of one value, as the black around a silhouette, are everybody's
        pieces.append(whole[(whole != whole[:, :1]).sum(axis=1) > PIECE // 4])
    own = [text.encode() for text in texts]
    others = [text.encode() for text in kept]
    told = {text for text in own if len(text) >= SHORTEST_TEXT and not any(text in other for other in others)}
    found = np.concatenate(pieces) if pieces else np.empty((0, PIECE), np.uint8)
    return Trace(np.unique(found, axis=0), tuple(sorted(told)))


def search(trace: Trace, files: Iterable[Path]) -> dict[Path, set[bytes]]:
    """Pieces and texts that each file holds; it is read once, block by block.

    Raises:
        OSError: one cannot be read.
    """
    return {path: found for path in files if (found := _found_in(trace, path))}


def everybodys(found: set[bytes], stored: Iterable[bytes]) -> set[bytes]:
    """Those pieces that other people's stored bytes hold as well, as of a strip that is empty in all of them."""
    pieces = {piece for piece in found if len(piece) == PIECE}
    sought = _Sought(pieces)
    shared: set[bytes] = set()
    for blob in stored if pieces else ():
        shared |= sought.within(blob)
        if shared == pieces:
            break
    return shared


class _Sought:
    """Pieces, prepared to be looked for quickly."""

    def __init__(self, pieces: set[bytes]) -> None:
        self._pieces = pieces
        self._heads = np.frombuffer(b"".join(pieces), "<u8")[::2]  # the first eight bytes of each as one number
        self._known = np.zeros(HEADS + 1, bool)
        self._known[self._heads & HEADS] = True

    def within(self, content: bytes) -> set[bytes]:
        """Pieces that begin anywhere; most places are ruled out by 20 bits, nearly all others by eight."""
        found: set[bytes] = set()
        for shift in range(8):
            count = (len(content) - shift) // 8
            if count <= 0 or not self._pieces:
                continue
            values = np.frombuffer(content, "<u8", count, shift)
            places = np.flatnonzero(self._known[values & HEADS])
            starts = shift + 8 * places[np.isin(values[places], self._heads)]
            found |= self._pieces & {content[start : start + PIECE] for start in starts.tolist()}
        return found


def _found_in(trace: Trace, path: Path) -> set[bytes]:
    longest = max([PIECE, *map(len, trace.texts)])
    sought, found = _Sought({piece.tobytes() for piece in trace.pieces}), set()
    with path.open("rb") as file:
        tail = b""
        while block := file.read(BLOCK):
            content = tail + block
            found |= {text for text in trace.texts if text in content} | sought.within(content)
            tail = content[-(longest - 1) :]
    return found
