"""Silhouettes, poses and cameras of a sequence must belong together."""

import numpy as np
import pytest
import torch

from meshgait.synthetic.camera import following_camera
from meshgait.synthetic.dress import Dressed
from meshgait.synthetic.gait import Gait
from meshgait.synthetic.sequence import SequenceJob, SequenceRenderer, render_sequence
from meshgait.synthetic.style import Style
from tests.body.test_raster import plain


def body_in_crop(body, sequence) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and joints (T, ., 2) in the silhouette frame: smplx and the weak-perspective camera only."""
    out = body(torch.tensor(sequence.betas), torch.tensor(sequence.poses))
    root, (s, tx, ty) = out.joints[:, :1], sequence.cameras.T[..., None]
    vertices, joints = ((points - root).numpy() for points in out)
    return tuple(
        np.stack([s * points[..., 0] + tx, ty - s * points[..., 1]], axis=-1) for points in (vertices, joints)
    )


def centre(mask: np.ndarray) -> np.ndarray:
    v, u = np.nonzero(mask)
    return np.array([u.mean() + 0.5, v.mean() + 0.5])


@pytest.fixture(scope="module")
def naked_sequences(renderer, naked):
    sequences = []
    for view in (0, 45, 90, 150, 180, 270):
        skin = renderer.skin(view % 4)
        motion = Gait(Style(), skin.figure).frames(np.arange(6) / 7.0)
        sequences.append(
            render_sequence(Dressed(skin, naked), motion, following_camera(motion.path, view, 8.0, 1.2))
        )
    return sequences


def test_truth_projects_onto_the_silhouette(body, naked_sequences):
    """An exact rasteriser draws the smplx body by the stored camera where the silhouette is, without a bias.

    A target that is half a pixel off, or mirrored, would fail.
    """
    offsets, overlaps, mirrored = [], [], []
    for sequence in naked_sequences:
        vertices, _ = body_in_crop(body, sequence)
        for points, silhouette in zip(vertices[::3], sequence.silhouettes[::3], strict=True):
            expected, found = plain(points, body.faces, (64, 44)), silhouette > 127
            offsets.append(centre(found) - centre(expected))
            overlaps.append((found & expected).sum() / (found | expected).sum())
            flipped = expected[:, ::-1]
            mirrored.append((found & flipped).sum() / (found | flipped).sum())
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.25
    assert np.abs(offsets).max() < 0.9
    assert np.mean(overlaps) > 0.88
    assert np.mean(overlaps) > np.mean(mirrored) + 0.1


def test_weak_camera_is_near_the_true_perspective(renderer, naked):
    """Joints by the stored camera against a pinhole: equal at the pelvis, within a pixel on average elsewhere."""
    skin = renderer.skin(1)
    motion = Gait(Style(), skin.figure).frames(np.arange(5) / 6.0)
    for view in (0, 60, 90):
        camera = following_camera(motion.path, view, 8.0, 1.2)
        sequence = render_sequence(Dressed(skin, naked), motion, camera)
        pixels = np.moveaxis(camera.project(np.moveaxis(motion.joints, 2, 0).swapaxes(1, 2)), (0, 1, 2), (2, 1, 0))
        zoom = sequence.cameras[:, 0] / camera.scale
        exact = sequence.cameras[:, None, 1:] + zoom[:, None, None] * pixels
        camera_frame = np.einsum("tij,tkj->tki", camera.rotation, motion.joints)
        s, tx, ty = sequence.cameras.T[..., None]
        weak = np.stack([s * camera_frame[..., 0] + tx, ty - s * camera_frame[..., 1]], axis=-1)
        error = np.linalg.norm(weak - exact, axis=-1)
        assert error[:, 0].max() < 1e-4
        assert error.mean() < 1.0


def test_joints_lie_in_the_silhouettes_of_dressed_walkers(body, renderer, small):
    inside = []
    for view in small.views:
        sequence = renderer.render(SequenceJob(small.subjects()[2], "nm-01", view))
        _, joints = body_in_crop(body, sequence)
        for points, silhouette in zip(joints, sequence.silhouettes, strict=True):
            u, v = np.floor(points).astype(int).T
            keep = np.ones(24, bool)
            keep[[10, 11, 22, 23]] = False  # toes and fingers may just stick out
            inside.append((silhouette[np.clip(v, 0, 63), np.clip(u, 0, 43)] > 0)[keep])
    assert np.mean(inside) > 0.97


def test_silhouettes_fill_the_height_and_are_centred(renderer, small):
    sequence = renderer.render(SequenceJob(small.subjects()[0], "cl-01", 90))
    assert sequence.silhouettes.shape == (small.frames, 64, 44)
    for silhouette in sequence.silhouettes:
        rows = np.flatnonzero((silhouette > 127).any(axis=1))
        assert rows[0] <= 1
        assert rows[-1] >= 62
        mass = np.cumsum(silhouette.sum(axis=0, dtype=int))
        assert 20 <= np.argmax(mass > mass[-1] / 2) <= 23


def test_sequences_differ_where_they_should_and_repeat(rig, small, renderer):
    first, second = small.subjects()[:2]
    again = SequenceRenderer(small, rig)
    job = SequenceJob(first, "nm-01", 0)
    assert np.array_equal(renderer.render(job).silhouettes, again.render(job).silhouettes)
    # same body, another style; another condition; the betas are the body's alone
    other, coat = renderer.render(SequenceJob(second, "nm-01", 0)), renderer.render(SequenceJob(first, "cl-01", 0))
    assert np.array_equal(other.betas, renderer.render(job).betas)
    assert not np.allclose(other.poses, renderer.render(job).poses)
    assert not np.array_equal(coat.silhouettes, renderer.render(job).silhouettes)


def test_walker_seen_from_its_left_moves_to_the_left(renderer, small, body):
    """View 090: the nose is left of the back of the head in the image."""
    sequence = renderer.render(SequenceJob(small.subjects()[0], "nm-01", 90))
    vertices, joints = body_in_crop(body, sequence)
    front = np.argmax(body.arrays["v_template"][:, 2] * (body.arrays["weights"][:, 15] > 0.9))
    assert (vertices[:, front, 0] < joints[:, 15, 0]).all()
