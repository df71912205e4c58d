import numpy as np
import pytest

from meshgait.synthetic.film import backdrop, shoot, walking_actor
from meshgait.video.motion import camera_motion


@pytest.fixture(scope="module")
def actor():
    return walking_actor(2, 30, (80, 215), 190)


def pairs(film):
    return [(film.frames[k], film.frames[k + 1]) for k in range(0, len(film.frames) - 1, 3)]


@pytest.mark.parametrize("contrast", [0.2, 1.0])
def test_a_large_walker_does_not_move_a_still_camera(actor, contrast):
    motion = camera_motion(pairs(shoot([actor], backdrop((240, 320), 150, contrast=contrast), 30)))
    assert motion.still and motion.pixels < 0.3


@pytest.mark.parametrize("speed", [(1, 0), (2, 0), (3, -1), (0, 2)])
def test_motion_is_measured_in_pixels_a_frame(actor, background, speed):
    shift = np.arange(30)[:, None] * np.array(speed)
    motion = camera_motion(pairs(shoot([actor], background, 30, shift=shift)))
    assert not motion.still
    assert motion.pixels == pytest.approx(np.hypot(*speed), rel=0.05)


def test_panning_to_and_fro_is_moving(actor, background):
    steps = np.where(np.arange(30) // 5 % 2, 5, -5)
    shift = np.stack([np.cumsum(steps), np.zeros(30, int)], axis=1)
    assert not camera_motion(pairs(shoot([actor], background, 30, shift=shift))).still


def test_nothing_to_see_does_not_move():
    grey = np.full((60, 80, 3), 100, np.uint8)
    assert camera_motion([(grey, grey)]).pixels == 0
    assert camera_motion([]).still
    assert str(camera_motion([])) == "still (0.00 px a frame)"
