"""A limit on the number of values in settings that come from a file."""

from __future__ import annotations

MOST_VALUES = 10_000
"""Names and values of settings at most, nested ones included; ours have some hundreds."""


def few_values(content: object) -> bool:
    """Whether settings have at most `MOST_VALUES` values, each counted as often as it occurs.

    A file may hold a list of ten times the same list, nested many times: printing it would never end.

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
