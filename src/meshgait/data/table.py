"""The table of a store's sequences, by columns: a million rows open in a fraction of a second.

Reading ``sequences.csv`` finds only the places of the fields and their numbers. Names become text when a row is
read; a column of names comes as its sorted names and, for each row, a number into them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Rows
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol, overload

import numpy as np

from meshgait.textfiles.words import LONGEST_NAME

CSV_FIELDS = ("subject", "condition", "view", "start", "frames")
COMMA, NEWLINE, ZERO = b",\n0"
BLOCK = 4096  # rows that become text at once where all are gone through
WORD = 8  # bytes of a name that are compared at once
MOST_DIGITS = 18  # of a number that int64 holds


class Sequence(NamedTuple):
    """One walk: who, how (condition), seen from where (view), and its frames in the store."""

    subject: str
    condition: str
    view: str
    start: int
    frames: int


class NamedSequence(Protocol):
    """Anything that knows who walks, how, and seen from where."""

    @property
    def subject(self) -> str:
        """Who walks."""

    @property
    def condition(self) -> str:
        """How, such as with a bag."""

    @property
    def view(self) -> str:
        """Seen from where."""


class Coded(NamedTuple):
    """A column of names.

    Attributes:
        names: (K,) str, each name once, sorted.
        codes: (N,) int64, the place of each row's name among them.
    """

    names: np.ndarray
    codes: np.ndarray

    @classmethod
    def of(cls, values: Iterable[str]) -> Coded:
        """Of names one by one."""
        return cls(*np.unique(np.array(list(values), str), return_inverse=True))


class SequenceTable(Rows[Sequence]):
    """N sequences, read like a list of `Sequence`, or by column.

    Args:
        text: bytes of all fields.
        begins: (N, 5) where each field begins in it.
        ends: (N, 5) where it ends.

    Attributes:
        start: (N,) int64 first frame of each sequence in the store.
        frames: (N,) int64 number of frames.

    Raises:
        ValueError: start or frames are no numbers, or a name is longer than a folder's can be.
    """

    def __init__(self, text: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> None:
        # a column of names takes the memory of its longest for each
        if (longest := int((ends - begins)[:, :3].max(initial=0))) > LONGEST_NAME:
            raise ValueError(f"a name in sequences.csv has {longest} bytes, more than {LONGEST_NAME}")
        self._text, self._begins, self._ends = text, begins, ends
        self.start, self.frames = (_numbers(text, begins[:, field], ends[:, field]) for field in (3, 4))
        self.coded = lru_cache(None)(self._coded)

    @classmethod
    def read(cls, path: Path) -> SequenceTable:
        """The table in a csv file with its header line.

        Raises:
            ValueError: it is no UTF-8, its first line is another, a row has not five fields, or start and
                frames are no numbers.
        """
        head, _, data = path.read_bytes().partition(b"\n")
        if head.decode("utf-8-sig").rstrip("\r") != ",".join(CSV_FIELDS):
            raise ValueError(f"the first line of sequences.csv must be {','.join(CSV_FIELDS)}")
        words = data.decode()  # names must be text, wherever they are asked for
        if b'"' in data or b"\r" in data:  # written by hand, or with names that hold commas
            return cls._quoted(words)
        text = np.frombuffer(data if not data or data.endswith(b"\n") else data + b"\n", np.uint8)
        ends = np.flatnonzero((text == COMMA) | (text == NEWLINE))
        if len(ends) % len(CSV_FIELDS) or (text[ends[len(CSV_FIELDS) - 1 :: len(CSV_FIELDS)]] != NEWLINE).any():
            raise ValueError("a row of sequences.csv has not five fields")
        if np.count_nonzero(text == NEWLINE) != len(ends) // len(CSV_FIELDS):
            raise ValueError("a row of sequences.csv has not five fields")
        begins = np.empty_like(ends)
        begins[:1], begins[1:] = 0, ends[:-1] + 1
        return cls(text, begins.reshape(-1, len(CSV_FIELDS)), ends.reshape(-1, len(CSV_FIELDS)))

    @classmethod
    def _quoted(cls, data: str) -> SequenceTable:
        """By Python's own reader, row by row."""
        try:
            rows = list(csv.reader(io.StringIO(data, newline="")))  # lines end where csv says so
        except csv.Error as error:
            raise ValueError(f"sequences.csv is no csv ({error})") from None
        if any(len(row) != len(CSV_FIELDS) for row in rows):
            raise ValueError("a row of sequences.csv has not five fields")
        fields = [field.encode() for row in rows for field in row]
        ends = np.cumsum([len(field) for field in fields]).reshape(-1, len(CSV_FIELDS))
        begins = np.concatenate([[0], ends.reshape(-1)[:-1]]).reshape(ends.shape)
        return cls(np.frombuffer(b"".join(fields), np.uint8), begins, ends)

    def __len__(self) -> int:
        return len(self.start)

    @overload
    def __getitem__(self, index: int) -> Sequence: ...

    @overload
    def __getitem__(self, index: slice) -> list[Sequence]: ...

    def __getitem__(self, index: int | slice) -> Sequence | list[Sequence]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        subject, condition, view = (
            self._text[self._begins[index, k] : self._ends[index, k]].tobytes().decode() for k in range(3)
        )
        return Sequence(subject, condition, view, int(self.start[index]), int(self.frames[index]))

    def __iter__(self) -> Iterator[Sequence]:
        for first in range(0, len(self), BLOCK):
            part = slice(first, first + BLOCK)
            lowest = self._begins[first, 0]
            data = self._text[lowest : self._ends[part][-1, -1]].tobytes()
            places = (x[part, :3] - lowest for x in (self._begins, self._ends))
            rows = zip(
                *(x.tolist() for x in places), self.start[part].tolist(), self.frames[part].tolist(), strict=True
            )
            for begins, ends, start, frames in rows:
                subject, condition, view = (data[a:b].decode() for a, b in zip(begins, ends, strict=True))
                yield Sequence(subject, condition, view, start, frames)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and list(self) == list(other)

    def __reduce__(self) -> tuple:
        return SequenceTable, (self._text, self._begins, self._ends)

    def _coded(self, field: str) -> Coded:
        """A column of names: "subject", "condition" or "view"; cached."""
        place = CSV_FIELDS.index(field)
        begins, ends = self._begins[:, place], self._ends[:, place]
        longest = int((ends - begins).max(initial=0))
        ranks = np.zeros(len(self), np.int64)
        for offset in range(0, longest, WORD):
            # bytes sort as their characters do in UTF-8; the ranks so far come first, the next word decides
            values, word = _ranks(_words(self._text, begins + offset, ends))
            if offset:
                _, word = _ranks(ranks * len(values) + word)
            ranks = word
        first = np.zeros(ranks.max(initial=-1) + 1, np.int64)
        first[ranks[::-1]] = np.arange(len(ranks))[::-1]
        names = [self._text[begins[i] : ends[i]].tobytes().decode() for i in first.tolist()]
        return Coded(np.array(names, str), ranks)


def coded(sequences: Rows[NamedSequence], field: str) -> Coded:
    """A column of names of any list of sequences: "subject", "condition" or "view"."""
    if isinstance(sequences, SequenceTable):
        return sequences.coded(field)
    return Coded.of(getattr(sequence, field) for sequence in sequences)


def _numbers(text: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Decimal numbers (N,) int64 that stand in the text."""
    widths, values = ends - begins, np.zeros(len(begins), np.int64)
    if len(widths) and not 0 < widths.min() <= widths.max() <= MOST_DIGITS:
        raise ValueError("start and frames of sequences.csv must be numbers")
    for place in range(int(widths.max(initial=0))):
        inside = widths > place
        digits = text[np.maximum(ends - 1 - place, 0)] - np.uint8(ZERO)  # what comes before 0 wraps round
        if (digits[inside] > 9).any():
            raise ValueError("start and frames of sequences.csv must be numbers")
        values += np.where(inside, digits.astype(np.int64) * 10**place, 0)
    return values


def _words(text: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The next eight bytes of each name as a number that sorts as they do; zeros after its end."""
    words = np.zeros(len(begins), np.uint64)
    for place in range(WORD):
        at = begins + place
        inside = at < ends
        if inside.any():
            byte = np.where(inside, text[np.minimum(at, len(text) - 1)], 0).astype(np.uint64)
            words |= byte << np.uint64(8 * (WORD - 1 - place))
    return words


def _ranks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct values, and the rank of each; fast because equal rows mostly follow each other."""
    heads = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    distinct, ranks = np.unique(values[heads], return_inverse=True)
    return distinct, np.repeat(ranks, np.diff(np.append(heads, len(values))))
