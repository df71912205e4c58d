"""Rotations, poses and mirror images. Axis-angle vectors are in radians, points in metres."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
from scipy.spatial import cKDTree
from torch import Tensor

from meshgait.body.skeleton import JOINT_FLIP, NUM_JOINTS


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula, differentiable also at the identity.

    Args:
        axis_angle: (..., 3), direction = axis, length = angle in radians.

    Returns:
        Rotation matrices (..., 3, 3) that act on column vectors.
    """
    squared = (axis_angle**2).sum(-1)[..., None, None]
    tiny = squared < 1e-8
    angle = torch.where(tiny, torch.ones_like(squared), squared).sqrt()
    # Taylor series where the closed form would divide by zero, in value or in gradient
    sine = torch.where(tiny, 1 - squared / 6, torch.sin(angle) / angle)
    cosine = torch.where(tiny, 0.5 - squared / 24, (1 - torch.cos(angle)) / angle**2)
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1)
    cross = rearrange(cross, "... (r c) -> ... r c", r=3)
    eye = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return eye + sine * cross + cosine * (cross @ cross)


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Inverse of `axis_angle_to_matrix`, by way of unit quaternions (Shepperd 1978).

    Args:
        matrix: rotation matrices (..., 3, 3).

    Returns:
        (..., 3) in radians, of length at most pi.
    """
    trace = matrix.diagonal(dim1=-2, dim2=-1).sum(-1)
    # four candidates for the quaternion (w, x, y, z), each scaled by four times one of its components
    m = matrix
    candidates = torch.stack(
        [
            torch.stack([1 + trace, m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0],
                         m[..., 1, 0] - m[..., 0, 1]], -1),
            torch.stack([m[..., 2, 1] - m[..., 1, 2], 1 + 2 * m[..., 0, 0] - trace,
                         m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0]], -1),
            torch.stack([m[..., 0, 2] - m[..., 2, 0], m[..., 0, 1] + m[..., 1, 0],
                         1 + 2 * m[..., 1, 1] - trace, m[..., 1, 2] + m[..., 2, 1]], -1),
            torch.stack([m[..., 1, 0] - m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0],
                         m[..., 1, 2] + m[..., 2, 1], 1 + 2 * m[..., 2, 2] - trace], -1),
        ],
        dim=-2,
    )  # fmt: skip
    best = candidates.diagonal(dim1=-2, dim2=-1).argmax(-1)  # the largest component divides safely
    quaternion = torch.take_along_dim(candidates, best[..., None, None], dim=-2).squeeze(-2)
    quaternion = torch.nn.functional.normalize(quaternion, dim=-1)
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    sine, cosine = quaternion[..., 1:].norm(dim=-1, keepdim=True), quaternion[..., :1]
    tiny = sine < 1e-6
    safe = torch.where(tiny, torch.ones_like(sine), sine)
    scale = torch.where(tiny, torch.full_like(sine, 2.0), 2 * torch.atan2(safe, cosine) / safe)
    return scale * quaternion[..., 1:]


def mirror_pose(poses: Tensor) -> Tensor:
    """Poses of the mirror image (x -> -x): left and right joints swap, rotations keep their x component.

    A reflection turns a rotation about (x, y, z) into one about (x, -y, -z). The same holds for the
    global orientation, given in the camera frame or in any other frame whose x axis is mirrored.

    Args:
        poses: (..., 72) axis-angle of SMPL's 24 joints.

    Returns:
        Mirrored poses (..., 72); mirroring twice gives the input back.
    """
    joints = rearrange(poses, "... (j c) -> ... j c", j=NUM_JOINTS, c=3)
    mirrored = joints[..., list(JOINT_FLIP), :] * joints.new_tensor([1.0, -1.0, -1.0])
    return rearrange(mirrored, "... j c -> ... (j c)")


def mirror_points(points: Tensor, flip: Tensor | np.ndarray | tuple[int, ...] | list[int]) -> Tensor:
    """Mirror image (x -> -x) of named points: joints, markers or vertices.

    Args:
        points: (..., P, 3).
        flip: permutation (P,) that swaps left and right points.

    Returns:
        (..., P, 3), in the same order of names.
    """
    index = torch.as_tensor(flip, dtype=torch.long, device=points.device)
    return points[..., index, :] * points.new_tensor([-1.0, 1.0, 1.0])


def mirror_vertices(vertices: np.ndarray, tolerance: float = 1e-4) -> tuple[np.ndarray, bool]:
    """Finds for every vertex the nearest one to its mirror image across the plane x = 0.

    Args:
        vertices: rest positions (V, 3) in metres.
        tolerance: how far from the exact mirror image a partner may lie in a symmetric mesh, in metres.

    Returns:
        Partners (V,) int64, and whether the mesh is symmetric: all partners within the tolerance and each
        the partner of its partner. Only then are the partners a permutation.
    """
    distance, partner = map(np.asarray, cKDTree(vertices).query(vertices * (-1, 1, 1)))
    mutual = np.array_equal(partner[partner], np.arange(len(vertices)))
    return partner.astype(np.int64), bool(mutual and distance.max() < tolerance)
