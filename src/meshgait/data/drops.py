"""What packing leaves out, as a table beside the store: ``dropped.csv``, and its counts."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from pathlib import Path

from meshgait.data.growing import write_all, writing
from meshgait.data.takes import NO_FITS, Drop

NAME = "dropped.csv"
FIELDS = ("number", "folder", "file", "reason", "detail")


class DropTable:
    """Append what is left out; rows of sequences that will be read again are cut off.

    Args:
        folder: where the table lies.
        number: the first sequence (counted from 0) that this run reads.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.path = folder / NAME
        if not self.path.exists() or not number:
            self.path.write_text(",".join(FIELDS) + "\n")
        end = 0
        with self.path.open("rb") as file:
            for line in file:
                first = line.split(b",", 1)[0]
                if not line.endswith(b"\n") or (first.isdigit() and int(first) >= number):
                    break
                end += len(line)
        os.truncate(self.path, end)
        self._file = self.path.open("ab", buffering=0)

    def add(self, number: int, folder: str, drops: tuple[Drop, ...]) -> None:
        """What sequence ``number`` lost."""
        if not drops:
            return
        rows = io.StringIO()
        # a row is a line, whatever is in a name or in an error's text
        texts = ([" ".join(text.splitlines()) for text in (folder, *drop)] for drop in drops)
        csv.writer(rows, lineterminator="\n").writerows((number, *row) for row in texts)
        with writing(self.path.parent):
            write_all(self._file, rows.getvalue().encode("utf-8", "surrogateescape"))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def counts(self) -> dict[str, Counter[str]]:
        """Reasons and how often, of "sequences", "frames" and, if any, "fits"; the table goes if it is empty."""
        counted: dict[str, Counter[str]] = {"sequences": Counter(), "frames": Counter()}
        with self.path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            for row in csv.DictReader(file):
                what = "fits" if row["reason"] == NO_FITS else "frames" if row["file"] else "sequences"
                counted.setdefault(what, Counter())[row["reason"]] += 1
        if not any(counted.values()):
            self.path.unlink()
        return counted
