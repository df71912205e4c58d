import cv2
import numpy as np
import pytest
import torch

from meshgait.body.heatmaps import axis_cells
from meshgait.body.targets import TargetMaker
from meshgait.data.store import Store
from meshgait.viz.palette import PAPER, PREDICTED, TRUE
from meshgait.viz.panels import PanelRow, heatmap_panel
from meshgait.viz.sheets import GAP, HEAD

FRAME, VOLUME = (64, 44), (8, 16, 11)
HEIGHT, WIDTH = 128, 88
SCALE = HEIGHT / FRAME[0]


def true_row(store, body, markers, index):
    """A frame with its truth as what was predicted, all mass in the true voxels."""
    truth = {name: torch.from_numpy(array[2:3]) for name, array in store.smpl(index).items()}
    target = TargetMaker(body, markers)(truth["poses"], truth["betas"], truth["cameras"])
    points = torch.cat([target.joints, target.markers], 1)[0]
    volumes = np.zeros((88, *VOLUME), np.float32)
    for point, (u, v, d) in enumerate(axis_cells(points, VOLUME, FRAME)[0].tolist()):
        volumes[point, d, v, u] = 1
    return PanelRow(
        store.silhouettes(index)[2] / 255.0,
        volumes,
        points.numpy(),
        target.vertices[0].numpy(),
        target.joints[0].numpy(),
        target.vertices[0].numpy(),
    )


@pytest.fixture(scope="module")
def walker(tiny_store, default_model, default_markers):
    """Seen from the side."""
    return true_row(Store(tiny_store), default_model, default_markers, 1)


def pictures(rows, faces):
    """Each row's pictures by column, cut out of the sheet."""
    sheet = heatmap_panel(rows, faces, HEIGHT)
    assert sheet.dtype == np.uint8
    count = (sheet.shape[1] + GAP) // (WIDTH + GAP)
    assert sheet.shape == (HEAD + len(rows) * (HEIGHT + GAP) - GAP, count * (WIDTH + GAP) - GAP, 3)
    tops = [HEAD + line * (HEIGHT + GAP) for line in range(len(rows))]
    lefts = [column * (WIDTH + GAP) for column in range(count)]
    return [[sheet[top : top + HEIGHT, left : left + WIDTH] for left in lefts] for top in tops]


@pytest.fixture(scope="module")
def drawn(walker, default_model):
    names = ["silhouette", "front", "side", "skeleton", "skeleton side", "mesh", "true", "mesh side", "true side"]
    (row,) = pictures([walker], default_model.faces)
    return dict(zip(names, row, strict=True))


def overlap(one, two):
    return (one & two).sum() / (one | two).sum()


def painted(picture):
    return (np.abs(picture.astype(int) - np.array(PAPER)) > 25).any(-1)


def large(mask):
    return np.kron(mask, np.ones((int(SCALE), int(SCALE)), bool))


def test_the_silhouette_is_shown_as_it_is(walker, drawn):
    assert np.array_equal(drawn["silhouette"][..., 0] > 128, large(walker.silhouette > 0.5))


@pytest.mark.parametrize("name", ["mesh", "true"])
def test_the_mesh_from_the_front_covers_the_silhouette(walker, drawn, name):
    figure = large(walker.silhouette > 0.5)
    assert overlap(painted(drawn[name]), figure) > 0.75
    assert overlap(painted(drawn[name])[:, ::-1], figure) < 0.7  # the test can tell it from its mirror image


def test_the_mesh_from_the_side_shows_the_stride(tiny_store, default_model, default_markers):
    """Seen from the figure's right as the camera sees it, what is near is at the right of the picture."""
    facing = true_row(Store(tiny_store), default_model, default_markers, 0)
    (row,) = pictures([facing], default_model.faces)
    mask = painted(row[7])
    down = (facing.vertices[:, 1] * SCALE).astype(int).clip(0, HEIGHT - 1)
    across = (facing.vertices[:, 2] * SCALE + WIDTH / 2).astype(int).clip(0, WIDTH - 1)
    near = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert near[down, across].mean() > 0.97
    assert near[down, WIDTH - 1 - across].mean() < 0.9  # the test can tell it from its mirror image


def test_volumes_light_up_where_the_points_are(walker, drawn):
    front, side = drawn["front"].astype(int).sum(-1), drawn["side"].astype(int).sum(-1)
    for picture, across in ((front, walker.points[:, 0] * SCALE), (side, walker.points[:, 2] * SCALE + WIDTH / 2)):
        down = walker.points[:, 1] * SCALE
        at = picture[down.astype(int).clip(0, HEIGHT - 1), across.astype(int).clip(0, WIDTH - 1)]
        assert np.median(at) > 2 * np.median(picture)


def coloured(picture, colour):
    return (np.abs(picture.astype(int) - np.array(colour)) < 30).all(-1)


@pytest.mark.parametrize(("name", "axis", "middle"), [("skeleton", 0, 0.0), ("skeleton side", 2, WIDTH / 2)])
def test_skeletons_are_where_the_joints_are(walker, drawn, name, axis, middle):
    marks = coloured(drawn[name], PREDICTED)
    for joint in range(24):
        u = round(walker.points[joint, axis] * SCALE + middle)
        v = round(walker.points[joint, 1] * SCALE)
        assert marks[max(v - 3, 0) : v + 4, max(u - 3, 0) : u + 4].any()


def test_truth_and_prediction_are_told_apart(walker, default_model):
    from dataclasses import replace

    moved = replace(walker, points=walker.points + np.array([8, 0, 0], np.float32))
    (row,) = pictures([moved], default_model.faces)
    both = row[3]
    columns = [np.flatnonzero(coloured(both, colour).any(0)).mean() for colour in (TRUE, PREDICTED)]
    assert 10 < columns[1] - columns[0] < 22  # eight pixels of the crop to the right


def test_without_truth_its_columns_are_left_out(walker, default_model):
    from dataclasses import replace

    rows = [replace(walker, true_points=None, true_vertices=None)] * 2
    found = pictures(rows, default_model.faces)
    assert [len(row) for row in found] == [7, 7]
    assert not coloured(found[0][3], TRUE).any()
