import numpy as np
import pytest

from meshgait.viz.volumes import project_volumes, volume_views

FRAME = (64, 44)


def volume(*cells, shape=(16, 32, 22)):
    """One volume for each cell (d, v, u) that holds all of it."""
    volumes = np.zeros((len(cells), *shape), np.float32)
    for single, cell in zip(volumes, cells, strict=True):
        single[cell] = 1
    return volumes


def place(view):
    """Mean column of what is seen, in crop pixels from the middle."""
    columns = np.arange(view.shape[1]) + 0.5 - view.shape[1] / 2
    return float((view.sum(0) * columns).sum() / view.sum())


@pytest.mark.parametrize("azimuth", [0, 30, 90, 145, 180, 270, -60])
def test_a_voxel_is_seen_where_the_camera_sees_its_place(azimuth):
    d, v, u = 10, 7, 15  # from the middle: 2.5 voxels of 4 px towards the camera, 4.5 of 2 px to the right
    view = project_volumes(volume((d, v, u)), FRAME, azimuth)
    assert view.sum(1).argmax() == v
    angle = np.radians(azimuth)
    assert place(view) == pytest.approx(9 * np.cos(angle) - 10 * np.sin(angle), abs=0.15)


def test_from_the_front_it_is_the_sum_over_depth():
    volumes = np.random.default_rng(0).random((3, 8, 16, 44)).astype(np.float32)  # a voxel a pixel wide
    view = project_volumes(volumes, FRAME, 0)
    # a voxel of 64 / 8 pixels is summed at that many places of the line of sight
    np.testing.assert_allclose(view, 8 * volumes.sum((0, 1)), rtol=1e-6)


def test_from_behind_it_is_mirrored():
    volumes = np.random.default_rng(1).random((2, 8, 16, 11))
    front, behind = (project_volumes(volumes, FRAME, azimuth) for azimuth in (0, 180))
    np.testing.assert_allclose(front, behind[:, ::-1], rtol=1e-6)


def test_views_stand_side_by_side_at_one_brightness():
    picture = volume_views(volume((8, 16, 11), (8, 16, 11)), FRAME, (0, 45, 90), height=128)
    assert picture.shape == (22 + 128, 3 * 88 + 2 * 4, 3) and picture.dtype == np.uint8
    views = [picture[22:, left : left + 88].astype(int).sum(-1).max() for left in (0, 92, 184)]
    # the voxel is 2 x 4 px: from the side its 2 px lie behind one another, and the brightest view fills the scale
    assert max(views) == views[0] > views[2] > 200


@pytest.mark.parametrize("azimuth", [0, 60, 90, 200])
def test_a_skeleton_lies_where_the_volumes_of_its_joints_do(azimuth):
    cell, stride = (10, 7, 15), np.array([2, 2, 4])
    where = (np.array(cell[::-1]) + 0.5) * stride - np.array([0, 0, 32])
    volumes = volume(cell)
    joints = np.tile(where, (24, 1)) + np.where(np.arange(24) % 2, 1, -1)[:, None] * np.array([0, 1, 0])
    picture = volume_views(volumes, FRAME, (azimuth,), 320, joints)[22:]
    plain = volume_views(volumes, FRAME, (azimuth,), 320)[22:]
    drawn = np.argwhere((picture != plain).any(-1)).mean(0)
    bright = plain.astype(float).sum(-1) - plain.sum(-1).min()
    rows, columns = np.mgrid[:320, : plain.shape[1]]
    seen = [(bright * axis).sum() / bright.sum() for axis in (rows, columns)]
    np.testing.assert_allclose(drawn, seen, atol=4)


def test_empty_volumes_are_black():
    picture = volume_views(np.zeros((2, 8, 16, 11)), FRAME, (0,), height=64)
    assert picture[22:].max() <= 4
