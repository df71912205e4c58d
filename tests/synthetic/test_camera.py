"""Where walkers are seen from, and which way they go in the image."""

import numpy as np
import pytest

from meshgait.synthetic.camera import following_camera

PATH = np.stack([np.zeros(11), np.full(11, 0.9), np.linspace(0, 1.2, 11)], axis=-1)


def in_camera(camera, frame: int, point) -> np.ndarray:
    return camera.rotation[frame] @ np.asarray(point, float)


@pytest.mark.parametrize(
    ("view", "forward", "left"),
    [
        (0, (0, 0, 1), (1, 0, 0)),  # walks towards the camera, its left hand at the image's right
        (90, (-1, 0, 0), (0, 0, 1)),  # walks to the image's left, left side to the camera (CASIA-B's 090)
        (180, (0, 0, -1), (-1, 0, 0)),
        (270, (1, 0, 0), (0, 0, -1)),
    ],
)
def test_view_convention(view, forward, left):
    camera = following_camera(PATH, view, 8.0, 0.9)  # level camera
    assert in_camera(camera, 5, (0, 0, 1)) == pytest.approx(forward, abs=1e-6)
    assert in_camera(camera, 5, (1, 0, 0)) == pytest.approx(left, abs=1e-6)
    assert in_camera(camera, 5, (0, 1, 0)) == pytest.approx((0, 1, 0), abs=1e-6)


def test_projection_is_that_of_a_pinhole():
    """Against a pinhole written from the camera's place and gaze in the world."""
    rng = np.random.default_rng(0)
    view, distance, height = 36.0, 6.0, 2.5
    camera = following_camera(PATH, view, distance, height)
    eye = np.array([distance * np.sin(np.deg2rad(view)), height, 0.6 + distance * np.cos(np.deg2rad(view))])
    points = rng.uniform(-0.8, 0.8, (3, 7, 11))
    pixels = camera.project(points)
    for frame in (0, 5, 10):
        gaze = PATH[frame] - eye
        gaze /= np.linalg.norm(gaze)
        right = np.cross(gaze, [0, 1, 0])
        right /= np.linalg.norm(right)
        down = np.cross(gaze, right)
        for i in range(7):
            ray = PATH[frame] + points[:, i, frame] - eye
            expected = camera.focal * np.array([ray @ right, ray @ down]) / (ray @ gaze)
            assert pixels[:, i, frame] == pytest.approx(expected, abs=1e-6)


def test_camera_stands_still_and_follows_the_pelvis():
    camera = following_camera(PATH, 90.0, 8.0, 1.2)
    eyes = PATH + camera.rotation[:, 2] * camera.distance[:, None]
    assert np.ptp(eyes, axis=0).max() < 1e-9
    assert eyes[0] == pytest.approx((8.0, 1.2, 0.6))
    # the gaze turns by the angle that the path subtends
    turned = np.rad2deg(np.arccos(camera.rotation[0, 2] @ camera.rotation[-1, 2]))
    assert turned == pytest.approx(np.rad2deg(2 * np.arctan(0.6 / 8)), abs=0.1)
    assert camera.scale == pytest.approx(camera.focal / camera.distance)
