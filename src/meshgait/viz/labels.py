"""Names in plots: drawn as they are, but shortened where they would push the plot away."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.figure import Figure
from matplotlib.text import Text

from meshgait.text import printable, shortened

LONGEST = 30
"""Characters of a name that have room beside a plot."""


def label(name: str, longest: int = LONGEST) -> str:
    """A name as it can be drawn; matplotlib leaves out of legends what begins with an underscore."""
    text = shortened(printable(name), longest)
    return f" {text}" if text.startswith("_") else text


@contextmanager
def drawing(figure: Figure) -> Iterator[None]:
    """Settings while a figure is drawn: dollar signs start no formulas, and equal figures give the same SVG.

    Formulas would change names of people, or end in an error where they are none.
    """
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    # labels of ticks are made while drawing
    settings = matplotlib.rc_context({"svg.hashsalt": "meshgait", "text.parse_math": False})
    with settings, warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing")  # a letter without a shape is drawn as a box
        yield
