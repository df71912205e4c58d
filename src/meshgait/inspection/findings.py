"""What was found: counted, with the first few places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meshgait.errors import MeshGaitError
from meshgait.inspection.finding_kinds import KINDS, Severity
from meshgait.inspection.index import Index

MOST_PLACES = 5
"""Places that a finding names; the others are counted."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        code: its name, a key of `KINDS`.
        severity: "error" or "warning".
        what: in words, with the number.
        count: of the frames, sequences, subjects, ...
        where: the first few places.
        remedy: what to do.
    """

    code: str
    severity: Severity
    what: str
    count: int
    where: tuple[str, ...]
    remedy: str


@dataclass
class _Tally:
    count: int
    sequences: int
    last: int
    places: list[tuple[str, int, int]]
    detail: str
    remedy: str


class Findings:
    """Counts what is found, and remembers the first few places: memory does not grow with their number.

    Args:
        ignored: codes that are left out.
    """

    def __init__(self, ignored: tuple[str, ...] = ()) -> None:
        self.ignored = frozenset(ignored)
        self._tallies: dict[str, _Tally] = {}

    def add(self, code: str, place: str, count: int = 1, detail: str = "", remedy: str = "") -> None:
        """One place where something is wrong.

        Args:
            code: what is wrong.
            place: where.
            count: how often, there.
            detail: follows in brackets.
            remedy: given in place of the usual one.
        """
        tally = self._tally(code, detail, remedy)
        tally.count += count
        if len(tally.places) < MOST_PLACES:
            tally.places.append((place, 0, 0))

    def sequences(self, code: str, index: Index, numbers: np.ndarray, detail: str = "") -> None:
        """Whole sequences (n,), of which the first few are named with their numbers of frames."""
        if len(numbers):
            tally = self._tally(code, detail)
            tally.count += len(numbers)
            for number in numbers[: MOST_PLACES - len(tally.places)].tolist():
                frames = _counted(index.length(number), "frames")
                tally.places.append((f"{index.name(number)} ({frames})", 0, 0))

    def error(self, code: str, error: MeshGaitError) -> None:
        """An error as a finding, with its own remedy."""
        self.add(code, error.what, remedy=error.remedy)

    def named(self, code: str, names: list[str]) -> None:
        """Subjects, views or files by their names."""
        for name in names[:MOST_PLACES]:
            self.add(code, name)
        if len(names) > MOST_PLACES:
            self.add(code, "", count=len(names) - MOST_PLACES)

    def frames(self, code: str, index: Index, numbers: np.ndarray, counts: np.ndarray, detail: str = "") -> None:
        """Frames of sequences, in the order they are read; a long sequence may come in several parts.

        Args:
            code: what is wrong.
            index: of the store.
            numbers: (n,) of the sequences.
            counts: (n,) frames of each that are wrong.
            detail: follows in brackets.
        """
        numbers, counts = numbers[counts > 0], counts[counts > 0]
        if not len(numbers):
            return
        tally = self._tally(code, detail)
        tally.count += int(counts.sum())
        if numbers[0] == tally.last:  # goes on
            if tally.sequences == len(tally.places):
                name, before, whole = tally.places[-1]
                tally.places[-1] = (name, before + int(counts[0]), whole)
            numbers, counts = numbers[1:], counts[1:]
        room = MOST_PLACES - len(tally.places)
        for number, count in zip(numbers[:room].tolist(), counts[:room].tolist(), strict=True):
            tally.places.append((index.name(number), count, index.length(number)))
        tally.sequences += len(numbers)
        tally.last = int(numbers[-1]) if len(numbers) else tally.last

    def _tally(self, code: str, detail: str = "", remedy: str = "") -> _Tally:
        return self._tallies.setdefault(code, _Tally(0, 0, -1, [], detail, remedy or KINDS[code].remedy))

    def listed(self) -> tuple[Finding, ...]:
        """Errors first, in the order of `KINDS`."""
        found = [self._finding(code) for code in KINDS if code in self._tallies and code not in self.ignored]
        return tuple(sorted(found, key=lambda finding: finding.severity != "error"))

    def _finding(self, code: str) -> Finding:
        tally, kind = self._tallies[code], KINDS[code]
        within = f" in {_counted(tally.sequences, 'sequences')}" if tally.sequences else ""
        detail = f" ({tally.detail})" if tally.detail else ""
        what = f"{_counted(tally.count, kind.unit)}{within} {kind.what}{detail}"
        where = [f"{name} ({count} of {whole})" if whole else name for name, count, whole in tally.places]
        return Finding(code, kind.severity, what, tally.count, tuple(where), tally.remedy)


def _counted(count: int, units: str) -> str:
    return f"{count:,} {units if count != 1 else units.removesuffix('s')}"
