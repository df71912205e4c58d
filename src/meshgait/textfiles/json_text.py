"""JSON in plain types, within limits; any other content is an error that says what is wrong."""

from __future__ import annotations

import json
import math
from typing import Any

DEEPEST = 64
"""Lists and objects within each other."""
MOST_DIGITS = 20
TOO_DEEP = f"lists or objects lie more than {DEEPEST} deep within each other"


def parse_json(text: str) -> Any:  # noqa: ANN401
    """Content of JSON.

    ``NaN`` and ``Infinity``, which some programs write for what they could not measure, are null.

    Raises:
        ValueError: it is no JSON (`json.JSONDecodeError`), a name comes twice in an object, a number is too large,
            or the content is nested too deeply.
    """
    try:
        content = json.loads(
            text,
            object_pairs_hook=_distinct,
            parse_constant=lambda _: None,
            parse_int=_whole,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    _check_depth(content)
    return content


def finite(content: Any) -> Any:  # noqa: ANN401
    """The same content with null for numbers that are not finite: JSON has none."""
    if isinstance(content, dict):
        return {name: finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _check_depth(content: object) -> None:
    level = [content]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _children(outer)]
    if any(isinstance(content, dict | list) for content in level):
        raise ValueError(TOO_DEEP)


def _children(content: object) -> list[Any]:
    return [*content.values()] if isinstance(content, dict) else content if isinstance(content, list) else []


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} comes twice in one object")
    return content


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS or not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"the number {text[:12]}... has {len(text)} digits, which is too large")
    return int(text)


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"the number {text[:24]} is too large")
    return value
