"""What was taken for the figure in each sequence, noted while a store is packed and counted in its meta.json."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from meshgait.data.journal import Journal

NAME = "figures.csv"
FIELDS = ("number", "folder", "figure")


class FigureCount(TypedDict):
    """How many sequences have a kind of figure, and the folder of the first."""

    sequences: int
    first: str


class FigureTable(Journal):
    """Append what was taken for the figure; rows of sequences that will be read again are cut off.

    Args:
        folder: where the table lies until the store is whole.
        number: the first sequence (counted from 0) that this run reads.
    """

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder / NAME, FIELDS, number)

    def counts(self) -> dict[str, FigureCount]:
        """Kinds of figures, the commonest first; removes the table."""
        kinds: dict[str, FigureCount] = {}
        for row in self.rows():
            kind = kinds.setdefault(row["figure"], {"sequences": 0, "first": row["folder"]})
            kind["sequences"] += 1
        self.path.unlink()
        return dict(sorted(kinds.items(), key=lambda item: -item[1]["sequences"]))
