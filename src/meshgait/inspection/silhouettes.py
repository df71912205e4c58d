"""Findings in the silhouettes, read once, block by block, in the order in which they lie on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from meshgait.data.store import Store
from meshgait.inspection.findings import Findings
from meshgait.inspection.index import BLOCK, Block, Index, stored
from meshgait.inspection.silhouette_measures import CODES, SilhouetteMeasures, measure_silhouettes
from meshgait.progress import Progress

MOST_EXAMPLES = 12
"""Frames that are kept for a picture of what is wrong, per code."""

DIGEST_BYTES = 8
"""Of a sequence's hash: among a million sequences, two different ones are taken for equal once in 10^7 checks."""


class Example(NamedTuple):
    """A frame with a fault: where it lies, and its silhouette (H, W) uint8."""

    name: str
    frame: int
    silhouette: np.ndarray


@dataclass
class SilhouetteCounts:
    """Sizes of all figures, and examples of faults.

    Attributes:
        heights: (H + 1,) number of frames by the rows that their figure spans.
        widths: (W + 1,) the same of columns.
        masses: (101,) the same of hundredths of the crop.
        examples: per code a few frames.
    """

    heights: np.ndarray
    widths: np.ndarray
    masses: np.ndarray
    examples: dict[str, list[Example]] = field(default_factory=dict)

    def count(self, seen: SilhouetteMeasures, size: tuple[int, int]) -> None:
        """Take in a block of frames."""
        shares = 100 * seen.mass[seen.sound] // (size[0] * size[1])
        for counts, values in (
            (self.heights, seen.height[seen.sound]),
            (self.widths, seen.width[seen.sound]),
            (self.masses, shares),
        ):
            counts += np.bincount(values, minlength=len(counts))


def check_silhouettes(
    store: Store, index: Index, found: Findings, show: bool = True, most: int = BLOCK
) -> SilhouetteCounts:
    """Look at every frame.

    Args:
        store: the packed store.
        index: its sequences.
        found: takes what is found.
        show: whether progress is shown.
        most: frames read at once.

    Returns:
        Sizes of the figures, and examples of what is wrong.
    """
    height, width = store.size
    survey = SilhouetteCounts(np.zeros(height + 1, int), np.zeros(width + 1, int), np.zeros(101, int))
    copies = _Copies(len(index))
    total = int(index.lengths[index.inside].sum())
    with Progress("checking silhouettes", total, "frames", show=show) as progress:
        for block in index.blocks(most):
            rows = stored(store, "silhouettes", block.start, block.stop)
            seen = measure_silhouettes(rows, store.bits, store.size)
            survey.count(seen, store.size)
            first = np.cumsum(block.lengths) - block.lengths
            for code, flags in zip(CODES, seen.wrong.T, strict=True):
                if flags.any():
                    found.frames(code, index, block.numbers, np.add.reduceat(flags.astype(np.int64), first))
                    _remember(survey, code, flags, store, index, block)
            copies.take(rows, block, seen.mass > 0)
            progress.advance(len(rows))
    found.sequences("frozen", index, np.flatnonzero(copies.frozen & (index.lengths > 1)))
    for number, other in copies.pairs():
        same = store.sequences[number].subject == store.sequences[other].subject
        code = "duplicate" if same else "duplicate-subject"
        found.add(code, f"{index.name(number)} = {index.name(other)}")
    return survey


def _remember(
    survey: SilhouetteCounts, code: str, flags: np.ndarray, store: Store, index: Index, block: Block
) -> None:
    """Keep one frame a sequence and block, of the first sequences."""
    examples = survey.examples.setdefault(code, [])
    known = {example.name for example in examples}
    for row in np.flatnonzero(flags).tolist():
        if len(examples) == MOST_EXAMPLES:
            return
        place = int(np.searchsorted(np.cumsum(block.lengths), row, side="right"))
        number = int(block.numbers[place])
        if (name := index.name(number)) not in known:
            known.add(name)
            frame = block.start + row - int(index.starts[number])
            examples.append(Example(name, frame, store.silhouettes(number, np.array([frame]))[0]))


class _Copies:
    """Sequences that equal each other, and sequences of one frame over and over; 10 bytes a sequence."""

    def __init__(self, count: int) -> None:
        self.digests, self.known = np.zeros(count, np.uint64), np.zeros(count, bool)
        self.frozen = np.zeros(count, bool)
        self._restart()

    def _restart(self) -> None:
        self._hash, self._first, self._still, self._seen = (
            hashlib.blake2b(digest_size=DIGEST_BYTES),
            None,
            True,
            False,
        )

    def take(self, rows: np.ndarray, block: Block, visible: np.ndarray) -> None:
        """Take in the rows of a block; ``visible``: frames that show somebody."""
        changed = (rows[1:] != rows[:-1]).any(axis=(1, 2))
        changes = np.concatenate([[0, 0], np.cumsum(changed)])  # up to and with each row
        ends = np.cumsum(block.lengths)
        some = np.add.reduceat(visible.astype(np.int64), ends - block.lengths) > 0
        for place, number in enumerate(block.numbers.tolist()):
            end = int(ends[place])
            start = end - int(block.lengths[place])
            self._hash.update(rows[start:end].data)
            if self._first is None:
                self._first = rows[start].copy()
            still = changes[end] == changes[start + 1] and (rows[start] == self._first).all()
            self._still, self._seen = self._still and bool(still), self._seen or bool(some[place])
            if block.done[place]:
                # sequences that show nobody are equal, but that is not what is wrong with them
                self.digests[number] = int.from_bytes(self._hash.digest(), "little")
                self.known[number] = self._seen
                self.frozen[number] = self._still and self._seen
                self._restart()

    def pairs(self) -> list[tuple[int, int]]:
        """(sequence, the first one that it equals), in the order of the first numbers."""
        numbers = np.flatnonzero(self.known)
        _, first, group = np.unique(self.digests[numbers], return_index=True, return_inverse=True)
        original = numbers[first[group.reshape(-1)]]
        copy = original != numbers
        return list(zip(numbers[copy].tolist(), original[copy].tolist(), strict=True))
