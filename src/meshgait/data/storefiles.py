"""Files of a store: shapes of the arrays, what meta.json must say, rows of sequences.csv."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from meshgait.data.table import CSV_FIELDS
from meshgait.errors import DataError, StoreError
from meshgait.text import shown
from meshgait.textfiles.reading import Line, Schema, TextFile
from meshgait.textfiles.words import name_fault

VERSION = 1
SMPL_WIDTHS = {"poses": 72, "betas": 10, "cameras": 3}
GREY_BITS = 8
REMEDY = "the store is damaged, make it again by `meshgait walkers` or `meshgait pack`"

Count = Annotated[int, Field(ge=0)]
FileName = Annotated[str, Field(pattern=r"^[\w-]{1,100}\.(npy|csv)$")]  # in the store's folder, nowhere else
Pixels = Annotated[int, Field(ge=1, le=1 << 14)]


class Version(Schema):
    """The part of meta.json that all versions have."""

    version: Count


class Meta(Version):
    """``meta.json`` of this version."""

    size: Annotated[list[Pixels], Field(min_length=2, max_length=2)]
    bits: Literal[1, 8]
    frames: Count
    sequences: Count = 0
    source: dict[str, Any] = Field(default={})
    sha256: dict[FileName, Line]
    protocol: Line | None = None
    packing: dict[str, Any] = Field(default={})
    subjects: dict[str, dict[str, int]] = Field(default={})


def array_rows(size: tuple[int, int], bits: int, smpl: bool) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape of a row and dtype of each array of a store."""
    width = -(-size[1] // 8) if bits == 1 else size[1]
    rows: dict[str, tuple[tuple[int, ...], str]] = {"silhouettes": ((size[0], width), "|u1")}
    if smpl:
        for name, columns in SMPL_WIDTHS.items():
            rows[name] = (columns,), "<f4"
        rows["valid"] = (), "|b1"
    return rows


def read_meta(path: Path) -> Meta:
    """Read meta.json.

    Raises:
        StoreError: it is of a newer version, or damaged.
    """
    file = TextFile(path, REMEDY, error=StoreError)
    if (version := file.json(Version).version) > VERSION:
        raise StoreError(
            f"{path.parent} is of version {version}, this program reads up to {VERSION}", "update the program"
        )
    return file.json(Meta)


def check_names(*names: str) -> None:
    """Refuse names of a subject, condition and view that would break tables, pages or folders.

    Raises:
        DataError: a name is too long, no UTF-8, or holds line breaks or control characters.
    """
    for kind, name in zip(CSV_FIELDS, names, strict=False):
        if fault := name_fault(name):
            raise DataError(f"the {kind} {shown(name)!r} {fault}")


def index_row(*cells: str | int) -> bytes:
    """A row of sequences.csv."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def written_rows(path: Path, whole: int) -> tuple[int, int, tuple[str, str, str] | None, int]:
    """Rows of a sequences.csv that is being written, as far as their frames are there.

    Args:
        path: of the file; its last row may not be whole.
        whole: frames in the arrays.

    Returns:
        Their number, their frames, names of the last of them, and the byte of the file at which they end.

    Raises:
        ValueError: a row is malformed.
    """
    # lines end at \n alone: a name may hold what else counts as an end of line
    stream = io.BytesIO(path.read_bytes())
    stream.readline()
    lines = (line.decode() for line in iter(stream.readline, b"") if line.endswith(b"\n"))
    last: tuple[str, str, str] | None = None
    done, frames, end = 0, 0, stream.tell()
    try:
        for row in csv.reader(lines):
            if len(row) != len(CSV_FIELDS) or len(row[3]) + len(row[4]) > 36:
                raise ValueError(f"row {done + 1} is no sequence")
            if (stop := int(row[3]) + int(row[4])) > whole:
                break
            done, frames, last, end = done + 1, stop, (row[0], row[1], row[2]), stream.tell()
    except csv.Error as error:
        raise ValueError(f"row {done + 1}: {error}") from None
    return done, frames, last, end
