"""Text from data (names of people, runs, files) made fit to be shown: nothing in it is obeyed, nothing hidden."""

from __future__ import annotations

LONGEST = 80
"""Characters of a name in a picture or a table of one."""


def printable(text: str, keep: str = "") -> str:
    """The text with everything that is no visible character written as an escape, as Python writes it.

    Terminals obey control characters (they clear the screen, change the title, paste), some of Unicode's reorder
    what is read, line ends break rows, and a surrogate, of a name that is no UTF-8, cannot be written at all.

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
    """What an error or a file holds, as a message can show it: `printable`, with " ..." where it is cut.

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
