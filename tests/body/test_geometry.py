import numpy as np
import torch
from scipy.spatial.transform import Rotation

from meshgait.body.geometry import (
    axis_angle_to_matrix,
    matrix_to_axis_angle,
    mirror_points,
    mirror_pose,
    mirror_vertices,
)
from meshgait.body.skeleton import JOINT_FLIP


def vectors() -> np.ndarray:
    """Random axes with angles from zero to just below, at and close to pi."""
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(400, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = np.concatenate(
        [[0, 1e-9, 1e-6, 1e-4, 1e-3], rng.uniform(0, np.pi, 390), np.pi - np.logspace(-6, -2, 5)]
    )
    return axes * angles[:, None]


def test_rodrigues_agrees_with_scipy():
    found = axis_angle_to_matrix(torch.from_numpy(vectors()))
    np.testing.assert_allclose(found, Rotation.from_rotvec(vectors()).as_matrix(), atol=1e-12)


def test_inverse_agrees_with_scipy():
    matrices = Rotation.from_rotvec(vectors()).as_matrix()
    found = matrix_to_axis_angle(torch.from_numpy(matrices))
    np.testing.assert_allclose(found, Rotation.from_matrix(matrices).as_rotvec(), atol=1e-6)
    back = Rotation.from_rotvec(found.numpy()).as_matrix()
    np.testing.assert_allclose(back, matrices, atol=1e-9)


def test_half_turns_come_back_as_rotations():
    for axis in np.eye(3):
        matrix = Rotation.from_rotvec(np.pi * axis).as_matrix()
        found = matrix_to_axis_angle(torch.from_numpy(matrix))
        np.testing.assert_allclose(Rotation.from_rotvec(found.numpy()).as_matrix(), matrix, atol=1e-9)


def test_float32_round_trip_over_leading_axes():
    vector = torch.randn(2, 5, 3)
    assert matrix_to_axis_angle(axis_angle_to_matrix(vector)).shape == (2, 5, 3)
    torch.testing.assert_close(matrix_to_axis_angle(axis_angle_to_matrix(vector)), vector, atol=1e-5, rtol=1e-5)


def test_gradients_are_finite_and_right_at_the_identity():
    zero = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    axis_angle_to_matrix(zero)[2, 1].backward()
    torch.testing.assert_close(zero.grad, torch.tensor([1.0, 0, 0], dtype=torch.float64))
    points = torch.tensor([[1e-5, 2e-5, -1e-5], [0.4, -1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(axis_angle_to_matrix, (points,))


def test_mirrored_rotation_is_the_reflection_of_the_rotation():
    pose = torch.from_numpy(np.random.default_rng(1).normal(size=72))
    reflection = np.diag([-1.0, 1, 1])
    here = Rotation.from_rotvec(pose.numpy().reshape(24, 3)).as_matrix()
    there = Rotation.from_rotvec(mirror_pose(pose).numpy().reshape(24, 3)).as_matrix()
    np.testing.assert_allclose(there, (reflection @ here @ reflection)[list(JOINT_FLIP)], atol=1e-12)
    torch.testing.assert_close(mirror_pose(mirror_pose(pose)), pose)


def test_mirror_points_and_vertices():
    points = torch.tensor([[1.0, 2, 3], [-1, 2, 3], [0, 5, 1]])
    torch.testing.assert_close(mirror_points(points, [1, 0, 2]), points)
    partner, symmetric = mirror_vertices(points.numpy())
    assert symmetric and partner.tolist() == [1, 0, 2]
    assert not mirror_vertices(points.numpy() * [[1.0, 1.1, 1], [1, 1, 1], [1, 1, 1]])[1]
