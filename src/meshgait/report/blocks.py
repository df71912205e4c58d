"""What a page is made of. The template knows each by its ``kind``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class Table:
    """A table; the first cell of each row names the row.

    Attributes:
        caption: what it shows.
        columns: heads, one a cell.
        rows: cells as text.
        groups: heads above the heads, as (text, columns spanned); none where empty.
        words: whether cells are words (aligned left) rather than figures.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    groups: Sequence[tuple[str, int]] = ()
    words: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Picture:
    """A picture, in one or in two colour themes.

    Attributes:
        light: data URI.
        alt: what it shows, for those who do not see it.
        caption: printed below it.
        dark: data URI for dark pages; None: the same as for light ones.
        least: pixels that it is at least wide; it scrolls in its own box where there are fewer. 0: it shrinks.
    """

    light: str
    alt: str
    caption: str = ""
    dark: str | None = None
    least: int = 0
    kind: ClassVar[str] = "picture"


@dataclass(frozen=True)
class Turnable:
    """Meshes to turn, one shown at a time.

    Attributes:
        key: identifies it in the page.
        caption: printed above it.
        figures: plotly figures as JSON, one a frame.
        names: of the frames.
    """

    key: str
    caption: str
    figures: Sequence[str]
    names: Sequence[str]
    kind: ClassVar[str] = "turnable"


@dataclass(frozen=True)
class Grid:
    """Blocks side by side where there is room; ``fold`` hides them behind their title until asked for."""

    title: str
    blocks: Sequence[Picture | Turnable | Table]
    fold: bool = False
    kind: ClassVar[str] = "grid"


Block = Table | Picture | Turnable | Grid
"""What a section holds."""


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own; one without blocks says so by its ``text``."""

    key: str
    title: str
    text: Sequence[str] = ()
    blocks: Sequence[Block] = field(default_factory=tuple)
