import cv2
import numpy as np
import pytest

from meshgait.errors import OutputError
from meshgait.synthetic.film import Actor, backdrop, shoot, walking_actor, write_video


def block(value, left, first=0, frames=4):
    masks = np.ones((frames, 20, 10), bool)
    colours = np.full((frames, 20, 10, 3), value, np.uint8)
    return Actor(masks, colours, np.array([[left, 30]] * frames), first)


def test_the_nearer_actor_hides_the_farther_one_and_borders_cut():
    film = shoot([block(200, 20), block(50, 25), block(90, 75, 2)], np.full((60, 80, 3), 128.0), 5, 0, 1)
    assert film.frames.shape == (5, 60, 80, 3) and film.masks.shape == (3, 5, 60, 80)
    far, near, late = film.masks
    assert not (far & near).any()
    assert far[0].sum() == 20 * 5 and near[0].sum() == 20 * 10 and near[4].sum() == 0
    assert late[1].sum() == 0 and late[2].sum() == 20 * 5
    assert abs(int(film.frames[0, 40, 30, 0]) - 50) < 3 and abs(int(film.frames[0, 40, 22, 0]) - 200) < 3


def test_shadows_darken_the_ground_and_belong_to_nobody():
    plain, shady = (shoot([block(200, 20)], np.full((60, 80, 3), 128.0), 1, 0, light) for light in (1.0, 0.5))
    darker = plain.frames[0].astype(int) - shady.frames[0] > 20
    assert darker.any() and not darker[..., 0][shady.masks[0, 0]].any()
    np.testing.assert_array_equal(plain.masks, shady.masks)


def test_a_walker_walks_with_feet_on_the_ground():
    actor = walking_actor(0, 40, (20, 200), 120)
    lowest = actor.corners[:, 1] + [np.flatnonzero(mask.any(1))[-1] for mask in actor.masks]
    assert np.abs(lowest - 200).max() <= 6
    assert actor.corners[-1, 0] - actor.corners[0, 0] > 60
    left = walking_actor(0, 40, (300, 200), 120, view=90)
    assert left.corners[-1, 0] < left.corners[0, 0] - 60


def test_the_camera_moves_the_background_and_the_actors():
    shift = np.array([[0, 0], [6, 0]])
    film = shoot([block(200, 40, frames=2)], backdrop((60, 80), 40, seed=2), 2, 0, 1, shift)
    np.testing.assert_array_equal(film.masks[0, 0][:, 6:], film.masks[0, 1][:, :-6])
    difference = film.frames[0, :, 10:76].astype(int) - film.frames[1, :, 4:70]
    assert np.abs(difference).max() <= 1


def test_videos_are_encoded_or_refused(tmp_path):
    frames = np.full((3, 48, 64, 3), 99, np.uint8)
    write_video(tmp_path / "a.avi", frames, codec="MJPG")
    assert cv2.VideoCapture(str(tmp_path / "a.avi")).read()[1].shape == (48, 64, 3)
    with pytest.raises(OutputError, match="cannot be written"):
        write_video(tmp_path / "none" / "a.avi", frames)
