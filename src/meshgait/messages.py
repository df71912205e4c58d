"""Messages for the user on standard error; control characters from files are escaped."""

from __future__ import annotations

import sys

from meshgait import terminal
from meshgait.text import shown

MOST = 2000
"""Characters of a message at most: a name in a file may be as long as the file."""


def say(text: object, kind: str = "") -> None:
    """Print a message on standard error, in the form of our errors.

    Args:
        text: the message.
        kind: "warning" or "note"; "" for an error.
    """
    terminal.say(f"meshgait: {kind}{': ' if kind else ''}{shown(' '.join(str(text).split()), MOST)}", sys.stderr)


def warn(text: object) -> None:
    """Print a warning: something may be wrong, the command continues."""
    say(text, "warning")


def note(text: object) -> None:
    """Print a note: something that is good to know."""
    say(text, "note")
