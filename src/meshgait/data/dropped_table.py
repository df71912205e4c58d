"""What packing leaves out, as a table beside the store: ``dropped.csv``, and its counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from meshgait.data.journal import Journal
from meshgait.data.loaded_sequence import NO_FITS, Dropped

NAME = "dropped.csv"
FIELDS = ("number", "folder", "file", "reason", "detail")


class DroppedTable(Journal):
    """Append what is left out; rows of sequences that will be read again are cut off.

    Args:
        folder: where the table lies.
        number: the first sequence (counted from 0) that this run reads.
    """

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder / NAME, FIELDS, number)

    def add_drops(self, number: int, folder: str, drops: tuple[Dropped, ...]) -> None:
        """What sequence ``number`` lost."""
        if drops:
            self.add(number, ((folder, *drop) for drop in drops))

    def counts(self) -> dict[str, Counter[str]]:
        """Reasons and how often, of "sequences", "frames" and, if any, "fits"; an empty table is removed."""
        counted: dict[str, Counter[str]] = {"sequences": Counter(), "frames": Counter()}
        for row in self.rows():
            what = "fits" if row["reason"] == NO_FITS else "frames" if row["file"] else "sequences"
            counted.setdefault(what, Counter())[row["reason"]] += 1
        if not any(counted.values()):
            self.path.unlink()
        return counted
