"""Text from data (names of people, runs, files) for output: control characters escaped, long text shortened."""

from __future__ import annotations

LONGEST = 80
"""Characters of a name in a picture at most."""


def printable(text: str, keep: str = "") -> str:
    """The text with all invisible characters as Python escapes.

    Control characters can clear a terminal or change its title, some Unicode characters reorder text, line ends
    break rows, and surrogates (of a name that is not UTF-8) cannot be written at all.

    Args:
        text: from anywhere.
        keep: characters that stay as they are, such as a line end.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode() for char in text
    )


def shown(content: object, longest: int = 300) -> str:
    """Text of an error or a file for a message: `printable`, with " ..." if it is cut.

    Args:
        content: its text is shown.
        longest: characters at most.
    """
    text = str(content)
    return printable(text[:longest]) + (" ..." if len(text) > longest else "")


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text, or its beginning and end with dots between where it is longer."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[: longest - 1 - half]}…{text[len(text) - half :]}"
