import itertools
import json

import numpy as np
import plotly.colors
import pytest

from meshgait.errors import DataError
from meshgait.viz import interactive
from meshgait.viz.interactive import compare_meshes, error_colours, error_limit, mesh_figure, vertex_errors

FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
BODY = np.array([[0, 0, 0], [0.4, 0, 0], [0, 0, 0.5], [0, 1.7, 0]])


def volume(vertices):
    """Signed volume that the faces enclose."""
    return np.linalg.det(vertices[FACES]).sum() / 6


def points(trace):
    return np.stack([np.asarray(trace[axis], float) for axis in "xyz"], axis=1)


def test_errors_are_distances_in_millimetres():
    moved = BODY + np.array([[0, 0, 0], [0.003, 0, 0.004], [0, -0.02, 0], [0, 0, 0.1]])
    np.testing.assert_allclose(vertex_errors(moved.astype(np.float16), BODY), [0, 5, 20, 100], atol=0.5)
    np.testing.assert_allclose(vertex_errors(moved, BODY), [0, 5, 20, 100], atol=1e-9)


@pytest.mark.parametrize("errors, limit", [([0.0], 10), ([3, 11], 20), ([40] * 99 + [500], 40)])
def test_a_scale_ends_at_a_round_number_above_nearly_all(errors, limit):
    assert error_limit(np.array(errors, float)) == limit


def test_pictures_and_figures_colour_errors_alike():
    errors = np.array([0.0, 30.0, 60.0, 90.0])
    expected = [
        [float(part) for part in colour[4:-1].split(",")]
        for colour in plotly.colors.sample_colorscale(interactive.SCALE, [0, 0.5, 1, 1])
    ]
    np.testing.assert_allclose(error_colours(errors, 60.0), expected, atol=3)


def test_the_mesh_keeps_its_shape_and_stands_upright():
    (trace,) = mesh_figure(BODY + 5, FACES).data
    placed = points(trace)
    assert np.ptp(placed[:, 2]) == pytest.approx(1.7)  # plotly's z is up
    assert placed[2, 1] - placed[0, 1] == pytest.approx(-0.5)  # towards the viewer, who looks along +y
    between = np.linalg.norm(placed[:, None] - placed, axis=-1)
    np.testing.assert_allclose(between, np.linalg.norm(BODY[:, None] - BODY, axis=-1), atol=1e-5)
    assert volume(placed) == pytest.approx(volume(BODY))  # of the same sign: the outside stays outside


def test_a_metre_is_a_metre_in_every_direction():
    scene = mesh_figure(BODY, FACES, others={"true": BODY}).layout.scene
    scales = [
        scene.aspectratio[axis] / np.ptp(np.array(scene[f"{axis}axis"].range, dtype=float)) for axis in "xyz"
    ]
    assert scales == pytest.approx([scales[0]] * 3)


def test_meshes_stand_apart_and_within_the_scene():
    figure = mesh_figure(BODY, FACES, others={"true": BODY, "other": BODY - 3})
    assert [trace.name for trace in figure.data] == ["predicted", "true", "other"]
    clouds = [points(trace) for trace in figure.data]
    for left, right in itertools.pairwise(clouds):
        assert left[:, 0].max() < right[:, 0].min()
    for index, axis in enumerate("xyz"):
        low, high = figure.layout.scene[f"{axis}axis"].range
        assert low < min(cloud[:, index].min() for cloud in clouds)
        assert high > max(cloud[:, index].max() for cloud in clouds)
    assert [label.text for label in figure.layout.scene.annotations] == ["predicted", "true", "other"]


def test_comparing_colours_the_predicted_mesh_by_its_errors():
    moved = BODY + np.array([[0, 0, 0], [0.03, 0, 0.04], [0, 0, 0], [0, 0, 0]])
    predicted, true = compare_meshes(moved, BODY, FACES, limit=80.0).data
    np.testing.assert_allclose(predicted.intensity, [0, 50, 0, 0], atol=1e-4)
    assert (predicted.cmin, predicted.cmax) == (0, 80)
    assert true.intensity is None
    np.testing.assert_array_equal(np.stack([predicted.i, predicted.j, predicted.k], axis=1), FACES)


def test_it_is_small_and_complete_in_a_page():
    """Arrays travel in binary, and nothing points at the network."""
    size = 4000
    rng = np.random.default_rng(0)
    vertices, faces = rng.random((size, 3)), rng.integers(0, size, (2 * size, 3))
    figure = compare_meshes(vertices, vertices + 0.01, faces)
    assert len(figure.to_json()) < 2 * (size * 4 * 4 + 2 * size * 3 * 2) * 1.4 + 20_000
    page = figure.to_html(include_plotlyjs=False, include_mathjax=False, full_html=False)
    assert "src=" not in page
    json.loads(figure.to_json())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_stand_out_from_the_page(theme):
    layout = mesh_figure(BODY, FACES, theme=theme).layout
    brightness = np.mean([int(part) for part in layout.font.color[4:-1].split(",")])
    assert brightness < 80 if theme == "light" else brightness > 200
    assert layout.paper_bgcolor == "rgba(0,0,0,0)"


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: compare_meshes(BODY, BODY[:3], FACES), "one body model"),
        (lambda: mesh_figure(BODY, FACES, intensity=np.zeros(3)), "one for each"),
        (lambda: mesh_figure(BODY, FACES + 1), "vertex 4 of 4"),
        (lambda: mesh_figure(BODY, FACES, others={"true": BODY[:3]}), "true: faces name vertex 3 of 3"),
        (lambda: mesh_figure(BODY[:, :2], FACES), "give"),
    ],
)
def test_what_does_not_fit_is_refused(make, words):
    with pytest.raises(DataError, match=words):
        make()


def test_names_are_no_html_and_no_template():
    """Plotly takes tags in texts, links among them, and braces in what it shows beside the mouse."""
    name = '<a href="https://example.org">x</a>%{x}'
    points, faces = np.eye(3), np.array([[0, 1, 2]])
    figure = mesh_figure(points, faces, np.arange(3.0), {name: points}, name=f"{name}2", label=name)
    shown = [
        *(note.text for note in figure.layout.scene.annotations),
        *(trace.name for trace in figure.data),
        figure.data[0].colorbar.title.text,
        figure.data[0].meta,
    ]
    assert all("<" not in text and "&lt;a href" in text for text in shown) and len(shown) == 6
    assert figure.data[0].hovertemplate == "%{meta}: %{intensity:.0f}<extra></extra>"
