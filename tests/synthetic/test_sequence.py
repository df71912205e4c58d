"""Silhouettes, poses and cameras of a sequence must belong together."""

import numpy as np
import pytest
import torch

from meshgait.synthetic.camera import film
from meshgait.synthetic.dress import Dressed
from meshgait.synthetic.gait import Gait
from meshgait.synthetic.sequence import Job, Studio, record
from meshgait.synthetic.style import Style
from tests.body.test_raster import plain


def body_in_crop(body, take) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and joints (T, ., 2) in the silhouette frame: smplx and the weak-perspective camera only."""
    out = body(torch.tensor(take.betas), torch.tensor(take.poses))
    root, (s, tx, ty) = out.joints[:, :1], take.cameras.T[..., None]
    vertices, joints = ((points - root).numpy() for points in out)
    return tuple(
        np.stack([s * points[..., 0] + tx, ty - s * points[..., 1]], axis=-1) for points in (vertices, joints)
    )


def centre(mask: np.ndarray) -> np.ndarray:
    v, u = np.nonzero(mask)
    return np.array([u.mean() + 0.5, v.mean() + 0.5])


@pytest.fixture(scope="module")
def naked_takes(studio, naked):
    takes = []
    for view in (0, 45, 90, 150, 180, 270):
        skin = studio.skin(view % 4)
        motion = Gait(Style(), skin.figure).frames(np.arange(6) / 7.0)
        takes.append(record(Dressed(skin, naked), motion, film(motion.path, view, 8.0, 1.2)))
    return takes


def test_truth_projects_onto_the_silhouette(body, naked_takes):
    """An exact rasteriser draws the smplx body by the stored camera where the silhouette is, without a bias.

    A target that is half a pixel off, or mirrored, would fail.
    """
    offsets, overlaps, mirrored = [], [], []
    for take in naked_takes:
        vertices, _ = body_in_crop(body, take)
        for points, silhouette in zip(vertices[::3], take.silhouettes[::3], strict=True):
            expected, found = plain(points, body.faces, (64, 44)), silhouette > 127
            offsets.append(centre(found) - centre(expected))
            overlaps.append((found & expected).sum() / (found | expected).sum())
            flipped = expected[:, ::-1]
            mirrored.append((found & flipped).sum() / (found | flipped).sum())
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.25
    assert np.abs(offsets).max() < 0.9
    assert np.mean(overlaps) > 0.88
    assert np.mean(overlaps) > np.mean(mirrored) + 0.1


def test_weak_camera_is_near_the_true_perspective(studio, naked):
    """Joints by the stored camera against a pinhole: equal at the pelvis, within a pixel on average elsewhere."""
    skin = studio.skin(1)
    motion = Gait(Style(), skin.figure).frames(np.arange(5) / 6.0)
    for view in (0, 60, 90):
        shot = film(motion.path, view, 8.0, 1.2)
        take = record(Dressed(skin, naked), motion, shot)
        pixels = np.moveaxis(shot.project(np.moveaxis(motion.joints, 2, 0).swapaxes(1, 2)), (0, 1, 2), (2, 1, 0))
        zoom = take.cameras[:, 0] / shot.scale
        exact = take.cameras[:, None, 1:] + zoom[:, None, None] * pixels
        camera_frame = np.einsum("tij,tkj->tki", shot.rotation, motion.joints)
        s, tx, ty = take.cameras.T[..., None]
        weak = np.stack([s * camera_frame[..., 0] + tx, ty - s * camera_frame[..., 1]], axis=-1)
        error = np.linalg.norm(weak - exact, axis=-1)
        assert error[:, 0].max() < 1e-4
        assert error.mean() < 1.0


def test_joints_lie_in_the_silhouettes_of_dressed_walkers(body, studio, small):
    inside = []
    for view in small.views:
        take = studio.take(Job(small.subjects()[2], "nm-01", view))
        _, joints = body_in_crop(body, take)
        for points, silhouette in zip(joints, take.silhouettes, strict=True):
            u, v = np.floor(points).astype(int).T
            keep = np.ones(24, bool)
            keep[[10, 11, 22, 23]] = False  # toes and fingers may just stick out
            inside.append((silhouette[np.clip(v, 0, 63), np.clip(u, 0, 43)] > 0)[keep])
    assert np.mean(inside) > 0.97


def test_silhouettes_fill_the_height_and_are_centred(studio, small):
    take = studio.take(Job(small.subjects()[0], "cl-01", 90))
    assert take.silhouettes.shape == (small.frames, 64, 44)
    for silhouette in take.silhouettes:
        rows = np.flatnonzero((silhouette > 127).any(axis=1))
        assert rows[0] <= 1
        assert rows[-1] >= 62
        mass = np.cumsum(silhouette.sum(axis=0, dtype=int))
        assert 20 <= np.argmax(mass > mass[-1] / 2) <= 23


def test_sequences_differ_where_they_should_and_repeat(rig, small, studio):
    first, second = small.subjects()[:2]
    again = Studio(small, rig)
    job = Job(first, "nm-01", 0)
    assert np.array_equal(studio.take(job).silhouettes, again.take(job).silhouettes)
    # same body, another style; another condition; the betas are the body's alone
    other, coat = studio.take(Job(second, "nm-01", 0)), studio.take(Job(first, "cl-01", 0))
    assert np.array_equal(other.betas, studio.take(job).betas)
    assert not np.allclose(other.poses, studio.take(job).poses)
    assert not np.array_equal(coat.silhouettes, studio.take(job).silhouettes)


def test_walker_seen_from_its_left_moves_to_the_left(studio, small, body):
    """View 090: the nose is left of the back of the head in the image."""
    take = studio.take(Job(small.subjects()[0], "nm-01", 90))
    vertices, joints = body_in_crop(body, take)
    front = np.argmax(body.arrays["v_template"][:, 2] * (body.arrays["weights"][:, 15] > 0.9))
    assert (vertices[:, front, 0] < joints[:, 15, 0]).all()
