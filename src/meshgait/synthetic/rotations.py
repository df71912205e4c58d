"""Rotation matrices about the axes for arrays of angles, in degrees as gait curves are published."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation


def about(axis: str, degrees: np.ndarray | float) -> np.ndarray:
    """Right-handed rotations about one coordinate axis.

    Args:
        axis: "x", "y" or "z".
        degrees: angles of any shape S.

    Returns:
        (*S, 3, 3) matrices that turn column vectors.
    """
    angle = np.deg2rad(np.asarray(degrees, dtype=np.float64))
    cos, sin = np.cos(angle), np.sin(angle)
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., :, :] = np.eye(3)
    matrix[..., first, first] = cos
    matrix[..., second, second] = cos
    matrix[..., first, second] = -sin
    matrix[..., second, first] = sin
    return matrix


def turn(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Turn vectors (..., 3) by matrices (..., 3, 3), broadcasting; no BLAS, so bytes do not depend on threads."""
    x, y, z = np.moveaxis(vector, -1, 0)[..., None]
    return matrix[..., 0] * x + matrix[..., 1] * y + matrix[..., 2] * z


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Transpose of (..., 3, 3), which is the inverse of a rotation."""
    return np.swapaxes(matrix, -1, -2)


def to_axis_angle(matrix: np.ndarray) -> np.ndarray:
    """Axis-angle vectors (..., 3) in radians of rotation matrices (..., 3, 3)."""
    flat = matrix.reshape(-1, 3, 3)
    return Rotation.from_matrix(flat).as_rotvec().reshape(*matrix.shape[:-2], 3)


def from_axis_angle(vector: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of axis-angle vectors (..., 3) in radians."""
    return Rotation.from_rotvec(vector.reshape(-1, 3)).as_matrix().reshape(*vector.shape[:-1], 3, 3)
