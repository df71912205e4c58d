"""A standing camera that turns to follow a walker.

Camera frame: x right in the image, y up, z towards the camera, origin at the walker's pelvis joint; it turns
with the camera, which looks at the pelvis in every frame. View (azimuth) 0 sees the walker from the front,
90 from the body's left side (the walker then moves to the left of the image, as in CASIA-B's view 090), 180
from behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from einops import rearrange

FIGURE_ROWS = 128
"""Pixels of height of a figure of `FIGURE_HEIGHT` at the middle of its path, as in common surveillance footage."""

FIGURE_HEIGHT = 1.75


@dataclass(frozen=True)
class Shot:
    """How a sequence is seen, per frame.

    Attributes:
        rotation: (T, 3, 3) from world to camera axes.
        distance: (T,) metres from the camera to the pelvis joint.
        focal: pixels.
    """

    rotation: np.ndarray
    distance: np.ndarray
    focal: float

    @property
    def scale(self) -> np.ndarray:
        """Pixels per metre at the depth of the pelvis (T,)."""
        return self.focal / self.distance

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (2, N, T) right and down from the pelvis, of points (3, N, T) in world axes from the pelvis."""
        rows = rearrange(self.rotation.astype(points.dtype), "t i j -> i j t")
        x, y, z = (row[0] * points[0] + row[1] * points[1] + row[2] * points[2] for row in rows)
        scale = self.focal / (self.distance.astype(points.dtype) - z)
        return np.stack([scale * x, -scale * y])


def film(path: np.ndarray, view: float, distance: float, height: float) -> Shot:
    """Film a walk along +z with a camera set up beside the middle of its path.

    Args:
        path: (T, 3) pelvis joint in the world, metres, y above the ground.
        view: azimuth in degrees at the middle of the path.
        distance: metres from the middle of the path to the camera, on the ground.
        height: of the camera above the ground, metres.

    Returns:
        The shot.
    """
    angle = np.deg2rad(view)
    middle = (path[0] + path[-1]) / 2
    stand = np.array([middle[0] + distance * np.sin(angle), height, middle[2] + distance * np.cos(angle)])
    backwards = stand - path
    length = np.linalg.norm(backwards, axis=-1)
    z = backwards / length[:, None]
    x = np.cross(np.array([0.0, 1.0, 0.0]), z)
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    rotation = np.stack([x, np.cross(z, x), z], axis=1)
    nominal = np.linalg.norm(stand - (path[0] + path[-1]) / 2)
    return Shot(rotation, length, FIGURE_ROWS / FIGURE_HEIGHT * float(nominal))
