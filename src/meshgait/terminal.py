"""Printing of the commands; names from data are never taken for markup or control codes."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from meshgait.text import printable


def say(text: str, stream: TextIO | None = None) -> None:
    """Print one line at once; to ``stream``, by default standard output."""
    stream = stream or sys.stdout
    _encodable(stream)
    print(printable(text), file=stream, flush=True)


def console(width: int = 120, **options: Any) -> Console:  # noqa: ANN401
    """Standard output for tables and styled lines.

    Args:
        width: used if the output is not a terminal.
        options: of rich's `Console`.
    """
    _encodable(sys.stdout)
    return _PlainConsole(width=None if Console().is_terminal else width, **options)


class PlainTable(Table):
    """A table whose headers and cells are plain text, also in notebooks."""

    def __init__(self, *headers: str, title: str | None = None, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*headers, title=None if title is None else _text(title), **options)

    def add_column(self, header: RenderableType = "", *args: Any, **options: Any) -> None:  # noqa: ANN401
        """As rich's, without markup."""
        super().add_column(_text(header) if isinstance(header, str) else header, *args, **options)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:  # noqa: ANN401
        """As rich's, without markup."""
        super().add_row(*(_text(cell) if isinstance(cell, str) else cell for cell in cells), **options)


class _PlainConsole(Console):
    """A console that shows strings without markup, in tables as well."""

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401
        """Rich turns all strings into text here: those printed, and those within tables."""
        return super().render_str(printable(text, keep="\n"), **(options | {"markup": False, "emoji": False}))


def _text(text: str) -> Text:
    return Text(printable(text, keep="\n"))


def _encodable(stream: TextIO) -> None:
    """Make the stream escape characters that its encoding lacks, as standard error does."""
    if hasattr(stream, "reconfigure"):  # its replacements in tests and notebooks lack it
        stream.reconfigure(errors="backslashreplace")
