"""The edge-count rasteriser against a plain test of every pixel centre and triangle."""

import numpy as np
import pytest
import trimesh

from meshgait.body.raster import Topology, fill, hulls, outlines


def plain(points: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: is the pixel's centre inside any triangle? points (N, 2)."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    covered = np.zeros(size, bool)
    for a, b, c in points[faces]:
        sides = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        covered |= np.logical_or(np.all(np.array(sides) >= 0, axis=0), np.all(np.array(sides) <= 0, axis=0))
    return covered


def draw(frames: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`fill` for frames (T, N, 2)."""
    points = np.ascontiguousarray(np.moveaxis(frames, (0, 1, 2), (2, 1, 0)), np.float32)
    return fill(outlines(points, Topology.of(faces)), len(frames), size) > 0


def test_triangle_soup():
    """Faces of any winding, overlapping, sharing nothing."""
    rng = np.random.default_rng(0)
    frames, faces = rng.uniform(2, 46, (3, 30, 2)), np.arange(30).reshape(10, 3)
    for image, points in zip(draw(frames, faces, (40, 48)), frames, strict=True):
        assert (image != plain(points, faces, (40, 48))).sum() <= 1


@pytest.mark.slow
def test_body(default_model):
    """The body from the side and obliquely: equal but for centres that lie on an edge."""
    vertices = default_model.arrays["v_template"]
    views = [vertices[:, [2, 1]], vertices @ np.array([[0.8, 0], [0, 1], [0.6, 0]])]
    frames = np.stack([60 + view * [55, -55] for view in views])
    for image, points in zip(draw(frames, default_model.faces, (130, 120)), frames, strict=True):
        expected = plain(points, default_model.faces, (130, 120))
        assert (image & expected).sum() / (image | expected).sum() > 0.9995
        assert expected.sum() > 700


def test_area_and_centre_of_a_ball_are_unbiased():
    ball = trimesh.creation.icosphere(subdivisions=4)
    rng = np.random.default_rng(1)
    centres = 20 + rng.random((30, 2))
    images = draw(centres[:, None] + 12.3 * ball.vertices[None, :, :2], ball.faces, (40, 42))
    assert images.sum(axis=(1, 2)).mean() == pytest.approx(np.pi * 12.3**2, rel=0.005)
    y, x = np.mgrid[:40, :42] + 0.5
    found = np.array([[x[image].mean(), y[image].mean()] for image in images])
    assert np.abs((found - centres).mean(axis=0)).max() < 0.02


def test_open_mesh_covers_from_both_sides():
    square = np.array([[2, 2], [12, 2], [12, 9], [2, 9]], float)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    both = draw(np.stack([square, square[:, ::-1] + 1]), faces, (20, 20))
    assert both[0].sum() == 70
    assert both[1].sum() == 70


def test_what_leaves_the_image_is_cut():
    square = np.array([[[-5.0, -5.0], [8.0, -5.0], [8.0, 30.0], [-5.0, 30.0]]])
    image = draw(square, np.array([[0, 1, 2], [0, 2, 3]]), (20, 10))[0]
    assert image[:, :8].all()
    assert not image[:, 8:].any()


def test_hull_adds_to_a_mesh_whatever_its_winding():
    rng = np.random.default_rng(2)
    cloud = rng.uniform(5, 35, (2, 12, 3)).astype(np.float32)
    image = fill(hulls(cloud), 3, (40, 40)) > 0
    for frame in range(3):
        hull = trimesh.convex.hull_points(cloud[:, :, frame].T)
        fan = np.array([[0, i, i + 1] for i in range(1, len(hull) - 1)])
        order = np.argsort(np.arctan2(*(hull - hull.mean(axis=0)).T))
        assert (image[frame] != plain(hull[order], fan, (40, 40))).sum() <= 1
    triangle = np.array([[[10, 10], [30, 12], [14, 30]]], np.float32)
    for faces in (np.array([[0, 1, 2]]), np.array([[0, 2, 1]])):
        points = np.moveaxis(triangle, (0, 1, 2), (2, 1, 0))
        edges = np.concatenate([outlines(points, Topology.of(faces)), hulls(cloud[:, :, :1])], axis=1)
        both = fill(edges, 1, (40, 40))[0] > 0
        assert (both == (image[0] | draw(triangle, faces, (40, 40))[0])).all()


def test_joined_topology_equals_that_of_all_faces():
    rng = np.random.default_rng(3)
    ball, box = trimesh.creation.icosphere(subdivisions=1), trimesh.creation.box()
    joined = Topology.of(ball.faces).joined(Topology.of(box.faces), len(ball.vertices))
    points = (rng.uniform(8, 24, (2, len(ball.vertices) + len(box.vertices), 2))).astype(np.float32)
    whole = Topology.of(np.concatenate([ball.faces, box.faces + len(ball.vertices)]))
    assert (fill(outlines(points, joined), 2, (32, 32)) == fill(outlines(points, whole), 2, (32, 32))).all()
