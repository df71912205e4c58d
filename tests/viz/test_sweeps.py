import io

import numpy as np
import pytest
from PIL import Image

from meshgait.viz.plots import to_png
from meshgait.viz.sweeps import importance_figure, parallel_figure

SETTINGS = {"model.lr": [1e-4, 1e-3, 1e-2], "model.fusion": ["a", "b", "a"], "data.batches": [1, 5, 5]}


def texts(figure):
    (axes,) = figure.axes
    labels = [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels()]
    return {text.get_text() for text in labels} | {axes.get_title(loc="left")}


def heights(figure):
    (axes,) = figure.axes
    return {tuple(np.round(line.get_ydata(), 3)) for line in axes.lines if len(line.get_ydata()) == 4}


def test_lines_go_through_the_settings_to_the_result():
    figure = parallel_figure([3.0, 1.0, 2.0], SETTINGS, "val/x", maximize=False, logarithmic=["model.lr"])
    assert heights(figure) == {(0, 0, 0, 1), (0.5, 1, 1, 0), (1, 0, 1, 0.5)}
    assert {"model.\nlr", "0.001", "a", "b", "5", "val/x"} <= texts(figure)


@pytest.mark.parametrize(("maximize", "best"), [(False, (0.5, 1, 1, 0)), (True, (0, 0, 0, 1))])
def test_the_best_trial_stands_out(maximize, best):
    figure = parallel_figure([3.0, 1.0, 2.0], SETTINGS, "val/x", maximize, ["model.lr"])
    widest = max(figure.axes[0].lines, key=lambda line: line.get_linewidth())
    assert tuple(np.round(widest.get_ydata(), 3)) == best
    assert any(f"val/x {3 if maximize else 1}" in text for text in texts(figure))


def test_labels_that_would_overlap_are_left_away():
    figure = parallel_figure([1.0, 1.01, 9.0], {"a": [1, 2, 3]}, "val/x", maximize=False)
    assert "1" in texts(figure) and "1.01" not in texts(figure)


def test_bars_are_shares_in_percent_greatest_first():
    figure = importance_figure({"model.lr": 0.75, "model.fusion": 0.25}, "val/x", 12)
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [25, 75]
    assert {"75", "25", "model.lr", "What matters, from 12 trials"} <= texts(figure)


def test_they_can_be_saved():
    picture = Image.open(io.BytesIO(to_png(importance_figure({"a": 1.0}, "val/x", 2))))
    assert picture.width > 600 and len(set(picture.convert("L").getdata())) > 10
