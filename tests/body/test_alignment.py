"""SMPL fits in a made-up image camera must come back to the crop that the walkers' exact truth is in."""

import pickle

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from meshgait.body.alignment import Aligner
from meshgait.body.geometry import mirror_pose
from meshgait.body.outline import iou, outline_masks
from meshgait.body.targets import to_pixels
from meshgait.data.store import Store
from meshgait.errors import ConfigError, DataError

pytestmark = pytest.mark.slow

Y_DOWN = Rotation.from_euler("x", 180, degrees=True)


def as_fits(poses: np.ndarray, betas: np.ndarray, axes: Rotation = Y_DOWN) -> np.ndarray:
    """Rows (T, 85) with the global orientation in a camera frame of other axes, and a camera of some image."""
    turned = poses.copy()
    turned[:, :3] = (axes * Rotation.from_rotvec(poses[:, :3])).as_rotvec()
    camera = np.tile([0.63, -0.21, 0.34], (len(poses), 1))
    return np.concatenate([camera, turned, betas], axis=1)


@pytest.fixture(scope="module")
def aligner(default_model) -> Aligner:
    return Aligner(default_model)


@pytest.fixture(scope="module")
def sequences(tiny_store):
    """(condition, view) -> silhouettes and truth, of the first subject."""
    store = Store(tiny_store)
    return {
        (row.condition, row.view): (store.silhouettes(i), store.smpl(i))
        for i, row in enumerate(store.sequences)
        if row.subject == store.sequences[0].subject
    }


def overlap(body, truth, silhouettes) -> np.ndarray:
    """How well the mesh by the exact camera agrees with the silhouettes."""
    out = body(torch.tensor(truth["betas"]), torch.tensor(truth["poses"]))
    points = to_pixels(out.vertices - out.joints[:, :1], torch.tensor(truth["cameras"])).numpy()
    return iou(outline_masks(points, body.faces), silhouettes > 127)


@pytest.mark.parametrize(("axes", "name"), [(Y_DOWN, "down"), (Rotation.identity(), "up")])
def test_fits_come_back_to_the_crop(aligner, default_model, sequences, axes, name):
    for (condition, _), (silhouettes, truth) in sequences.items():
        found = aligner(as_fits(truth["poses"], truth["betas"], axes), silhouettes)
        assert found.axes == name and found.valid.all()
        exact, back = (Rotation.from_rotvec(p[:, :3]) for p in (truth["poses"], found.poses))
        assert (exact.inv() * back).magnitude().max() < 1e-5
        np.testing.assert_allclose(found.poses[:, 3:], truth["poses"][:, 3:], atol=1e-6)
        np.testing.assert_allclose(found.betas, truth["betas"], atol=1e-6)
        bag = condition.startswith("bg")
        size, tx, ty = np.abs(found.cameras - truth["cameras"]).T
        assert tx.max() < (1.5 if bag else 1.0) and ty.max() < 1.0
        assert (size / truth["cameras"][:, 0]).max() < 0.08  # hair and shoes add to the height, perspective too
        assert found.iou.mean() > overlap(default_model, truth, silhouettes).mean() - (0.08 if bag else 0.01)


@pytest.mark.parametrize(("column", "error", "least"), [(22.0, 1e-3, 0.99), (22.3, 0.35, 0.9)])
def test_the_naked_mesh_is_placed_exactly(aligner, default_model, sequences, column, error, least):
    """Where the silhouette is the mesh's own outline by the crop rule, the camera is that of the outline.

    Between pixels, where an outline's own edges are rounded otherwise, within a part of a pixel.
    """
    _, truth = sequences["nm-01", "072"]
    out = default_model(torch.tensor(truth["betas"]), torch.tensor(truth["poses"]))
    vertices = (out.vertices - out.joints[:, :1]).numpy()
    top, bottom = vertices[..., 1].max(1), vertices[..., 1].min(1)
    cameras = np.stack([64 / (top - bottom), np.full(len(top), column), 64 / (top - bottom) * top], axis=1)
    points = to_pixels(torch.tensor(vertices), torch.tensor(cameras)).float().numpy()
    masks = outline_masks(points, default_model.faces)
    found = aligner(as_fits(truth["poses"], truth["betas"]), masks.astype(np.uint8) * 255)
    np.testing.assert_allclose(found.cameras[:, [0, 2]], cameras[:, [0, 2]], rtol=1e-4)
    assert np.abs(found.cameras[:, 1] - column).max() < error
    assert found.iou.min() > least


@pytest.mark.parametrize("side", [slice(0, 8), slice(36, 44)])
def test_what_is_carried_does_not_pull_the_mesh_along(aligner, default_model, sequences, side):
    """A parcel on one side moves the middle of the silhouette by columns; the mesh stays on the figure."""
    _, truth = sequences["nm-01", "072"]
    out = default_model(torch.tensor(truth["betas"]), torch.tensor(truth["poses"]))
    points = to_pixels(out.vertices - out.joints[:, :1], torch.tensor(truth["cameras"])).numpy()
    figures = outline_masks(points, default_model.faces) * np.uint8(255)
    rows = as_fits(truth["poses"], truth["betas"])
    alone = aligner(rows, figures)
    figures[:, 16:38, side] = 255
    carrying = aligner(rows, figures)
    assert np.abs(carrying.cameras[:, 1] - alone.cameras[:, 1]).max() < 1.0


def test_wrong_fits_overlap_less(aligner, default_model, sequences):
    silhouettes, truth = sequences["nm-01", "072"]
    right = aligner(as_fits(truth["poses"], truth["betas"]), silhouettes)
    order = np.roll(np.arange(len(silhouettes)), 3)
    mirrored = mirror_pose(torch.tensor(truth["poses"])).numpy()
    about_face = Rotation.from_euler("y", 180, degrees=True)
    wrong = {
        "another frame": truth["poses"][order],
        "mirrored": mirrored,
        "from behind": as_fits(truth["poses"], truth["betas"], about_face)[:, 3:75],
    }
    for name, poses in wrong.items():
        found = aligner(as_fits(poses, truth["betas"]), silhouettes)
        assert found.iou.mean() < right.iou.mean() - 0.15, name
        strict = Aligner(default_model, threshold=float(right.iou.min()))
        assert strict(as_fits(truth["poses"], truth["betas"]), silhouettes).valid.all()
        assert not strict(as_fits(poses, truth["betas"]), silhouettes).valid.any(), name
    # which of the two axes it is shows in the mirror image
    assert right.iou.mean() > right.mirrored.mean() + 0.15
    turned = aligner(as_fits(mirrored, truth["betas"]), silhouettes)
    assert turned.mirrored.mean() > turned.iou.mean() + 0.15


def test_axes_can_be_told(default_model, sequences):
    silhouettes, truth = sequences["nm-01", "000"]
    upside_down = Aligner(default_model, axes="up")(as_fits(truth["poses"], truth["betas"]), silhouettes)
    told = Aligner(default_model, axes="down")(as_fits(truth["poses"], truth["betas"]), silhouettes)
    assert upside_down.axes == "up" and upside_down.iou.mean() < told.iou.mean() - 0.1


def test_frames_without_a_fit_are_masked_and_harmless(aligner, sequences):
    silhouettes, truth = sequences["nm-01", "072"]
    whole = as_fits(truth["poses"], truth["betas"])
    rows = whole.copy()
    rows[0, 40], rows[2], rows[3, 80] = np.nan, 0.0, np.inf
    dark = silhouettes.copy()
    dark[5] = 0
    found = aligner(rows, dark)
    assert found.valid.tolist() == [False, True, False, False, True, False]
    for name in ("poses", "betas", "cameras", "iou"):
        assert np.isfinite(getattr(found, name)).all()
    assert (found.cameras[:, 0] > 0).all() and (found.iou[[0, 2, 3, 5]] == 0).all()
    # the others do not depend on their neighbours
    np.testing.assert_allclose(found.cameras[[1, 4]], aligner(whole, silhouettes).cameras[[1, 4]], rtol=1e-5)

    nothing = aligner(np.zeros((6, 85)), silhouettes)
    assert not nothing.valid.any() and len(aligner(np.zeros((0, 85)), silhouettes[:0]).valid) == 0
    wild = aligner(np.full((6, 85), 1e6, np.float32), silhouettes)
    assert not wild.valid.any() and np.isfinite(wild.cameras).all()


def test_other_sizes_and_many_frames(default_model, sequences):
    """More frames than are posed at once, in a crop of twice the size."""
    silhouettes, truth = sequences["nm-01", "000"]
    large = np.repeat(np.repeat(silhouettes, 2, axis=1), 2, axis=2)
    rows = as_fits(truth["poses"], truth["betas"])
    many = Aligner(default_model, (128, 88))(np.tile(rows, (12, 1)), np.tile(large, (12, 1, 1)))
    once = Aligner(default_model)(rows, silhouettes)
    np.testing.assert_allclose(many.cameras, np.tile(2 * once.cameras, (12, 1)), atol=1.3)
    np.testing.assert_allclose(many.iou, np.tile(once.iou, 12), atol=0.03)


def test_travels_to_workers(aligner, sequences):
    silhouettes, truth = sequences["cl-01", "072"]
    rows = as_fits(truth["poses"], truth["betas"])
    copy = pickle.loads(pickle.dumps(aligner))
    np.testing.assert_array_equal(copy(rows, silhouettes).cameras, aligner(rows, silhouettes).cameras)


def test_errors_say_what_to_do(aligner, default_model):
    frames = np.zeros((3, 64, 44), np.uint8)
    for rows, silhouettes, text in (
        (np.zeros((3, 82)), frames, r"\(3, 82\).*\(T, 85\).*check which file"),
        (np.zeros((2, 85)), frames, "2 SMPL fits do not go with 3 silhouettes"),
        (np.zeros((3, 85)), frames[:, :, :40], "crop rule first"),
        (np.zeros((3, 85), dtype="U3"), frames, "not numbers"),
    ):
        with pytest.raises(DataError, match=text):
            aligner(rows, silhouettes)
    with pytest.raises(ConfigError, match=r"threshold is 1\.5"):
        Aligner(default_model, threshold=1.5)
    with pytest.raises(ConfigError, match="choose auto, down or up"):
        Aligner(default_model, axes="left")
