"""Segmenters by name."""

from __future__ import annotations

from meshgait.errors import ConfigError
from meshgait.video.figures import Segmenter
from meshgait.video.subtraction import Subtraction


def make_segmenter(name: str) -> Segmenter:
    """The segmenter of a name.

    Args:
        name: "subtract".

    Raises:
        ConfigError: there is none of that name.
    """
    if name == "subtract":
        return Subtraction()
    raise ConfigError(f"segmenter {name!r} is unknown", "give subtract")
