import numpy as np
import pytest

from meshgait.viz.mesh import Mesh, render
from meshgait.viz.paint import paint

SIZE, SCALE = (160, 110), 85.0


@pytest.fixture(scope="module")
def body(default_model):
    return Mesh.of(default_model.arrays["v_template"].astype(float), default_model.faces, (200, 120, 60))


@pytest.mark.parametrize("split", [False, True])
def test_it_looks_like_what_the_exact_renderer_draws(body, split):
    centre = (body.vertices.min(0) + body.vertices.max(0)) / 2
    fast = paint(body, SIZE, SCALE, centre, (0, 0, 0), split).astype(int)
    exact = render(body, SIZE, scale=SCALE, centre=centre, background=(0, 0, 0)).astype(int)
    seen = (fast.sum(-1) > 60, exact.sum(-1) > 60)
    assert (seen[0] & seen[1]).sum() / (seen[0] | seen[1]).sum() > 0.95
    assert np.abs(fast - exact)[seen[0] & seen[1]].mean() < 12


def test_the_nearer_surface_hides_the_farther_one():
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    red, green = (
        Mesh.of(np.c_[size * square, np.full(4, z)], faces, colour)
        for size, z, colour in ((1, -0.5, (255, 0, 0)), (0.5, 0.5, (0, 255, 0)))
    )
    for mesh in (red + green, green + red):
        picture = paint(mesh, (40, 40), 15.0, np.zeros(3), (0, 0, 0))
        assert picture[20, 20, 1] > 100 > picture[20, 20, 0]
        assert picture[20, 8, 0] > 100 > picture[20, 8, 1]
        assert picture[20, 2].sum() == 0  # beside the square, which is 15 pixels to each side


def test_what_faces_away_is_not_drawn():
    back = Mesh.of(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float), np.array([[0, 2, 1]]))
    assert (paint(back, (20, 20), 8.0, np.zeros(3), (7, 8, 9)) == (7, 8, 9)).all()
