"""Every plot is drawn whatever people, runs and settings are called, and shows the names as they are."""

import warnings
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from meshgait.viz.confusions import ConfusionRow, confusion_sheet
from meshgait.viz.labels import LONGEST
from meshgait.viz.plots import (
    cmc_figure,
    det_figure,
    embedding_figure,
    histogram_figure,
    history_figure,
    to_png,
    to_rgb,
    to_svg,
    view_matrix_figure,
)
from meshgait.viz.silhouettes import montage
from meshgait.viz.suspicious_frames import SuspiciousFrame, suspicious_frames_sheet

NAMES = {
    "no formula": r"$\frac$",
    "empty formula": "$$",
    "formula": "$x^2$",
    "dollar": "a_$b",
    "hidden": "_p",
    "escape": "\x1b[2J\0",
    "line end": "a\nb\r",
    "no UTF-8": "a\udc80b",
    "reordering": "\u202eabc",
    "no glyph": "人😀",
    "tags": "<b>&amp;</b>",
    "long": "x" * 3000,
    "none": "",
}
RATES = SimpleNamespace(fmr=np.array([0, 1, 20, 100]), fnmr=np.array([100, 30, 5, 0]), eer=12.3)
FIGURES = {
    "cmc": lambda name: cmc_figure({name: np.array([50.0, 75])}),
    "det": lambda name: det_figure({name: RATES}),
    "views": lambda name: view_matrix_figure(np.eye(2) * 90, [name, "b"], ["a", name], name),
    "map": lambda name: embedding_figure(np.eye(4)[:, :2], [name, name, "b", "b"], [name, "x", name, "x"]),
    "history": lambda name: history_figure({name: (np.arange(3),) * 2, "b": (np.arange(3),) * 2}, name),
    "histogram": lambda name: histogram_figure(np.array([3, 0]), name, name, (0.5, name)),
}
FRAMES = np.zeros((4, 16, 11), np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("kind", FIGURES)
def test_any_name_is_drawn(kind, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        root = ET.fromstring(to_svg(FIGURES[kind](name)))
        assert root.tag.endswith("svg")
    assert "script" not in {element.tag.rsplit("}")[-1] for element in root.iter()}


@pytest.mark.slow
def test_dollars_are_seen():
    """A formula would be the slanted letter alone."""
    drawn = [to_rgb(FIGURES["views"](name)).astype(int) for name in ("$x$", "x")]
    assert (drawn[0] != drawn[1]).sum() > 100
    assert all("$x$" in to_svg(FIGURES[kind]("$x$")) for kind in FIGURES)  # as the comment above its letters
    assert to_png(FIGURES["views"]("$$")).startswith(b"\x89PNG")


def test_a_name_with_an_underscore_in_front_is_in_the_legend():
    (axes,) = cmc_figure({"_p": np.array([50.0]), "q": np.array([60.0])}).axes
    assert [text.get_text().strip() for text in axes.get_legend().get_texts()] == ["_p (50.0)", "q (60.0)"]


def test_long_names_leave_room_for_the_curve():
    (axes,) = cmc_figure({"a" * 500 + "z": np.array([50.0])}).axes
    (text,) = axes.get_legend().get_texts()
    assert len(text.get_text()) == LONGEST + len(" (50.0)") and text.get_text().startswith("aaa")
    assert "z (" in text.get_text()


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_sheets_of_pictures_take_any_name(name):
    sheets = [
        confusion_sheet([ConfusionRow((name, name), FRAMES, FRAMES, FRAMES)]),
        suspicious_frames_sheet([SuspiciousFrame((name, name), FRAMES[0])], name),
        montage([FRAMES], [name]),
    ]
    for sheet in sheets:
        picture = sheet if isinstance(sheet, Image.Image) else Image.fromarray(sheet)
        assert max(picture.size) < 1200  # a name of 3,000 letters makes no picture of 20,000 pixels
