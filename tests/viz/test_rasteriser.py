import numpy as np
import pytest

from meshgait.viz.rasteriser import rasterise


def test_rasteriser_agrees_with_a_loop_over_pixels():
    rng = np.random.default_rng(0)
    points = rng.uniform(-2, 14, (30, 3))
    faces = np.array([rng.choice(30, 3, replace=False) for _ in range(25)])
    seen = rasterise(points, faces, (11, 13))
    assert (np.diff(seen.pixel) > 0).all()
    at = {pixel: number for number, pixel in enumerate(seen.pixel.tolist())}
    for row in range(11):
        for column in range(13):
            best, nearest = -1, -np.inf
            for index, triangle in enumerate(faces):
                corners = points[triangle]
                system = np.vstack([corners[:, :2].T, np.ones(3)])
                weights = np.linalg.solve(system, [column + 0.5, row + 0.5, 1])
                if weights.min() >= 0 and weights @ corners[:, 2] > nearest:
                    best, nearest = index, weights @ corners[:, 2]
            number = at.get(13 * row + column)
            assert (-1 if number is None else seen.face[number]) == best
            if number is not None:
                assert seen.depth[number] == pytest.approx(nearest)
                place = seen.weights[number] @ points[faces[best]]
                np.testing.assert_allclose(place[:2], [column + 0.5, row + 0.5])


def test_triangles_outside_the_picture_are_harmless():
    points = np.array([[-50.0, -50, 0], [-40, -50, 0], [-45, -40, 0], [500, 3, 0], [510, 3, 0], [505, 9, 0]])
    seen = rasterise(points, np.array([[0, 1, 2], [3, 4, 5], [0, 0, 0]]), (8, 8))
    assert [len(part) for part in seen] == [0, 0, 0, 0]
    assert len(rasterise(points, np.zeros((0, 3), int), (8, 8)).pixel) == 0


def test_pixels_on_a_shared_edge_and_on_corners_are_drawn_once():
    square = np.array([[0.5, 0.5, 0], [4.5, 0.5, 0], [4.5, 4.5, 0], [0.5, 4.5, 0]])
    seen = rasterise(square, np.array([[0, 1, 2], [0, 2, 3]]), (6, 6))
    assert seen.pixel.tolist() == [6 * row + column for row in range(5) for column in range(5)]
    assert seen.weights.min() >= -1e-9 and np.allclose(seen.weights.sum(1), 1)


def test_a_triangle_around_the_whole_picture_covers_it():
    points = np.array([[-1e4, -1e4, 1.0], [3e4, -1e4, 2.0], [-1e4, 3e4, 3.0]])
    for faces in ([[0, 1, 2]], [[0, 2, 1]]):
        assert rasterise(points, np.array(faces), (7, 9)).pixel.tolist() == list(range(63))
