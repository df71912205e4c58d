"""The numpy body against smplx."""

import numpy as np
import torch

from meshgait.synthetic.rotations import from_axis_angle
from tests.synthetic.conftest import draw_betas


def test_skinning_equals_smplx(body, rig):
    rng = np.random.default_rng(0)
    poses, betas = 0.4 * rng.standard_normal((3, 24, 3)), draw_betas(1)
    expected = body(
        torch.tensor(betas[None], dtype=torch.float32), torch.tensor(poses.reshape(3, 72), dtype=torch.float32)
    )
    figure = rig.figure(betas)
    rotations, joints = figure.pose(from_axis_angle(poses))
    vertices = figure.skin(rotations, joints)
    root = expected.joints[:, :1]
    assert np.abs(vertices - (expected.vertices - root).numpy()).max() < 1e-4
    assert np.abs(joints - (expected.joints - root).numpy()).max() < 1e-4


def test_pose_dependent_offsets_equal_smplx(body):
    """The default body has none; with invented ones the formula must still be SMPL's."""
    from meshgait.body.smpl import BodyModel
    from meshgait.synthetic.rig import Rig

    rng = np.random.default_rng(0)
    posedirs = 0.01 * rng.standard_normal((body.num_vertices, 3, 207)).astype(np.float32)
    arrays = {**body.arrays, "posedirs": posedirs}
    poses = 0.4 * rng.standard_normal((2, 24, 3))
    expected = BodyModel(arrays)(torch.zeros(1, 10), torch.tensor(poses.reshape(2, 72), dtype=torch.float32))
    figure = Rig(arrays).figure(np.zeros(10))
    vertices = figure.skin(*figure.pose(from_axis_angle(poses)))
    assert np.abs(vertices - (expected.vertices - expected.joints[:, :1]).numpy()).max() < 1e-4
