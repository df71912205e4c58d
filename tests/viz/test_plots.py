import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb as colour_of
from scipy.stats import norm

from meshgait.viz.plots import (
    INK,
    PAPER,
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

RATES = SimpleNamespace(fmr=np.array([0, 1, 20, 100]), fnmr=np.array([100, 30, 5, 0]), eer=12.3)
MAKERS = {
    "cmc": lambda theme: cmc_figure(
        {"nm": np.array([50.0, 75, 100]), "bg": np.array([20.0, 30, 40])}, None, theme
    ),
    "det": lambda theme: det_figure({"nm": RATES}, {"nm": (RATES.fnmr - 1, RATES.fnmr + 1)}, theme),
    "histogram": lambda theme: histogram_figure(np.array([3, 0, 5]), "IoU", "frames", (0.5, "0.5"), theme),
    "views": lambda theme: view_matrix_figure(np.eye(3) * 90, "abc", "abc", "nm", theme),
    "map": lambda theme: embedding_figure(
        np.linspace(0, 1, 18).reshape(9, 2), list("aabbccddd"), list("xyxyxyxyx"), theme
    ),
    "history": lambda theme: history_figure({"a": (np.arange(3), np.arange(3.0))}, "loss", theme),
}


def texts(figure):
    return {text.get_text() for text in figure.findobj(lambda x: hasattr(x, "get_text")) if text.get_text()}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", MAKERS)
def test_each_plot_is_drawn_on_its_paper(kind, theme):
    picture = to_rgb(MAKERS[kind](theme))
    paper = np.round(np.array(colour_of(PAPER[theme])) * 255)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    corners = picture[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_array_equal(corners, np.tile(paper, (4, 1)))
    ink = np.round(np.array(colour_of(INK[theme])) * 255)
    assert (np.abs(picture - ink).max(-1) < 40).any()  # its letters can be read on it


@pytest.mark.parametrize("kind", MAKERS)
def test_svg_and_png_are_whole_and_pyplot_is_left_alone(kind):
    assert to_png(MAKERS[kind]("light")).startswith(b"\x89PNG")
    root = ET.fromstring(to_svg(MAKERS[kind]("light")))
    assert root.tag.endswith("svg") and "http" not in str([e.attrib for e in root.iter("image")])
    assert pyplot.get_fignums() == []


def test_figures_made_alike_give_the_same_svg():
    assert to_svg(MAKERS["cmc"]("light")) == to_svg(MAKERS["cmc"]("light"))


def test_cmc_shows_its_curves_and_bands():
    curve, ends = np.array([50.0, 75, 100]), (np.array([40.0, 65, 90]), np.array([60.0, 85, 100]))
    (axes,) = cmc_figure({"nm": curve}, {"nm": ends}).axes
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_xydata(), np.stack([[1, 2, 3], curve], 1))
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 40 and axes.get_ylim()[0] < 40
    assert "nm (50.0)" in texts(axes.figure)


def test_det_axes_are_normal_deviates_with_percents_on_them():
    figure = det_figure({"nm": RATES})
    (axes,) = figure.axes
    line = axes.lines[-1].get_xydata()
    np.testing.assert_allclose(line[1], norm.ppf([0.01, 0.30]))
    assert np.isfinite(line).all()  # also where a rate is 0 or 100
    assert [axes.xaxis.get_major_formatter()(place) for place in axes.get_xticks()][:3] == ["0.01", "0.1", "1"]
    assert "nm (EER 12.3)" in texts(figure)


def test_each_cell_of_the_view_matrix_is_written_where_it_belongs():
    cells = np.array([[12.4, 99.6], [np.nan, 50.0]])
    (axes,) = view_matrix_figure(cells, ("000", "090"), ("018", "108")).axes
    assert {t.get_position(): t.get_text() for t in axes.texts} == {(0, 0): "12", (1, 0): "100", (1, 1): "50"}
    assert [t.get_text() for t in axes.get_xticklabels()] == ["018", "108"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["000", "090"]


def test_persons_are_colours_and_conditions_markers():
    points = np.arange(12.0).reshape(6, 2)
    (axes,) = embedding_figure(points, list("aabbcc"), ["nm", "bg"] * 3).axes
    drawn = [c for c in axes.collections if isinstance(c, PathCollection) and len(c.get_offsets()) == 3]
    assert len(drawn) == 2  # one a condition
    bg, nm = (c.get_facecolors() for c in drawn)
    np.testing.assert_array_equal(bg, nm)  # the same three persons
    assert len({tuple(colour) for colour in nm}) == 3
    np.testing.assert_array_equal(drawn[1].get_offsets(), points[::2])


def test_a_course_is_drawn_for_each_run():
    figure = history_figure({"a": (np.arange(3), np.ones(3)), "b": (np.arange(50), np.zeros(50))}, "val/rank1")
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [3, 50]
    assert {"a", "b", "val/rank1", "step"} <= texts(figure)


def test_bins_below_the_limit_stand_out():
    counts = np.array([1, 0, 2, 5, 9])
    (axes,) = histogram_figure(counts, "IoU", "frames", (0.4, "0.4: 6 % below")).axes
    assert [bar.get_height() for bar in axes.patches] == counts.tolist()
    assert [bar.get_x() for bar in axes.patches] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    low, high = axes.patches[0].get_facecolor(), axes.patches[2].get_facecolor()
    assert [bar.get_facecolor() == low for bar in axes.patches] == [True, True, False, False, False]
    assert low != high
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["0.4: 6 % below"]
