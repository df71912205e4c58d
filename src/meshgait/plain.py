"""Settings of strangers' files: plain values, and no more of them than settings have."""

from __future__ import annotations

MOST_VALUES = 10_000
"""Names and values of a description, lists within lists counted; ours have some hundreds."""


def few_values(content: object) -> bool:
    """Whether settings have no more values than settings can have, each counted as often as it is there.

    A file may hold a list of ten times the same list, and so on: whoever prints it prints without end.

    Args:
        content: plain values.
    """
    left, open_ = MOST_VALUES, [content]
    while open_ and left:
        value = open_.pop()
        left -= 1
        if isinstance(value, dict):
            open_.extend(value.keys())
            open_.extend(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            open_.extend(value)
    return not open_
