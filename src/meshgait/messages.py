"""Lines for the user on standard error; what strangers' files put into them cannot control the terminal."""

from __future__ import annotations

import sys

from meshgait import terminal
from meshgait.text import shown

MOST = 2000
"""Letters of a line: a name in a stranger's file may be as long as the file."""


def say(text: object, kind: str = "") -> None:
    """Print a line in the words and on the channel of our errors.

    Args:
        text: what is to be said.
        kind: "warning" or "note"; "" for an error.
    """
    terminal.say(f"meshgait: {kind}{': ' if kind else ''}{shown(' '.join(str(text).split()), MOST)}", sys.stderr)


def warn(text: object) -> None:
    """Say what may be wrong though the command goes on."""
    say(text, "warning")


def note(text: object) -> None:
    """Say what is good to know."""
    say(text, "note")
