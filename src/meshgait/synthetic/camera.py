"""A standing camera that turns to follow a walker, and one that does not turn.

Camera frame: x right in the image, y up, z towards the camera, origin at the walker's pelvis joint; z runs along
    the line of sight to the pelvis in every frame, whether the camera turns or not. View (azimuth) 0 sees the
    walker from the front, 90 from the body's left side (the walker then moves to the left of the image, as in
    CASIA-B's view 090), 180 from behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from einops import rearrange

FIGURE_ROWS = 128
"""Pixels of height of a figure of `FIGURE_HEIGHT` at the middle of its path, as in common surveillance footage."""

FIGURE_HEIGHT = 1.75


@dataclass(frozen=True)
class Camera:
    """Where the camera of a sequence stands and looks, per frame.

    Attributes:
        rotation: (T, 3, 3) from world to camera axes.
        distance: (T,) metres from the camera to the pelvis joint.
        focal: pixels, of all frames or (T,) of each.
        lens: (T, 3, 3) from camera axes to those of the image plane, for a camera that does not look at the pelvis
            straight on; None if it does.
        aspect: width of a pixel's step in x against y: 1 for square pixels.
    """

    rotation: np.ndarray
    distance: np.ndarray
    focal: float | np.ndarray
    lens: np.ndarray | None = None
    aspect: float = 1.0

    @property
    def scale(self) -> np.ndarray:
        """Pixels per metre at the depth of the pelvis (T,)."""
        return self.focal / self.distance

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (2, N, T) right and down from the pelvis, of points (3, N, T) in world axes from the pelvis."""
        rows = rearrange(self.rotation.astype(points.dtype), "t i j -> i j t")
        x, y, z = (row[0] * points[0] + row[1] * points[1] + row[2] * points[2] for row in rows)
        if self.lens is None:
            scale = self.focal / (self.distance.astype(points.dtype) - z)
            return np.stack([scale * x, -scale * y])
        rows = rearrange(self.lens.astype(points.dtype), "t i j -> i j t")
        z = z - self.distance.astype(points.dtype)
        x, y, z = (row[0] * x + row[1] * y + row[2] * z for row in rows)
        focal = np.asarray(self.focal, points.dtype)
        pelvis = rows[:, 2] / rows[2, 2]
        right, up = x / z - pelvis[0], y / z - pelvis[1]
        return np.stack([-focal * points.dtype.type(self.aspect) * right, focal * up])

    def weak_perspective(self, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The weak-perspective camera that puts joints most nearly where this camera sees them (least squares).

        Args:
            joints: (T, J, 3) world axes, from the pelvis joint.

        Returns:
            Pixels per metre (T,), where it puts the pelvis joint (2, T), pixels right and down from where this
            camera sees it, and the mean distance (T,) of the joints between both, pixels.
        """
        seen = rearrange(self.project(rearrange(joints, "t j c -> c j t")), "c j t -> t j c")
        flat = (joints @ np.swapaxes(self.rotation, 1, 2))[..., :2] * np.array([1.0, -1.0])
        flat_mean, seen_mean = flat.mean(axis=1, keepdims=True), seen.mean(axis=1, keepdims=True)
        scale = ((flat - flat_mean) * (seen - seen_mean)).sum(axis=(1, 2)) / ((flat - flat_mean) ** 2).sum(
            axis=(1, 2)
        )
        place = (seen_mean - scale[:, None, None] * flat_mean)[:, 0]
        error = np.linalg.norm(scale[:, None, None] * flat + place[:, None] - seen, axis=-1).mean(axis=1)
        return scale, place.T, error


def following_camera(path: np.ndarray, view: float, distance: float, height: float) -> Camera:
    """A standing camera beside the middle of a walk along +z that turns with the walker.

    Args:
        path: (T, 3) pelvis joint in the world, metres, y above the ground.
        view: azimuth in degrees at the middle of the path.
        distance: metres from the middle of the path to the camera, on the ground.
        height: of the camera above the ground, metres.

    Returns:
        The camera.
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
    return Camera(rotation, length, FIGURE_ROWS / FIGURE_HEIGHT * float(nominal))
