"""Rows written while sequences are packed, one after the other, that outlive a stopped run."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from meshgait.data.appendable_array import write_all, writing
from meshgait.textfiles.words import spreadsheet_cell


class Journal:
    """A csv file whose rows begin with the number of the sequence that they are about.

    Args:
        path: of the file.
        fields: names of the columns, the first of which is "number".
        number: the first sequence (counted from 0) that this run reads; rows from it on are cut off.
    """

    def __init__(self, path: Path, fields: tuple[str, ...], number: int) -> None:
        self.path = path
        if not path.exists() or not number:
            path.write_text(",".join(fields) + "\n")
        end = 0
        with path.open("rb") as file:
            for line in file:
                first = line.split(b",", 1)[0]
                if not line.endswith(b"\n") or (first.isdigit() and int(first) >= number):
                    break
                end += len(line)
        os.truncate(path, end)
        self._file = path.open("ab", buffering=0)

    def add(self, number: int, rows: Iterable[tuple[str, ...]]) -> None:
        """Rows about a sequence."""
        text = io.StringIO()
        # a row is a line, whatever is in a name or in an error's text, and never a formula
        plain = ([spreadsheet_cell(" ".join(cell.splitlines())) for cell in row] for row in rows)
        csv.writer(text, lineterminator="\n").writerows((number, *row) for row in plain)
        with writing(self.path.parent):
            write_all(self._file, text.getvalue().encode("utf-8", "surrogateescape"))

    def rows(self) -> Iterator[dict[str, str]]:
        """All rows so far."""
        with self.path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            yield from csv.DictReader(file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
