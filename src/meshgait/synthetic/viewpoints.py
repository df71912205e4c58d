"""Another camera for each sequence: where it stands, where it looks, its resolution and its frame rate.

The camera stands still and does not turn, so perspective is as in footage of a fixed camera: people grow as they
come near, have wide shoulders and tapering legs if seen from above and near, and lean at the border of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meshgait.synthetic.camera import FIGURE_HEIGHT, Camera
from meshgait.synthetic.rotations import about, inverse

NEAREST = 1.7
"""Metres that a varied camera keeps from the walker's path, at least."""

MOST_ROWS = 112
"""Pixels of height of a figure at most: where it comes nearer, its image is made smaller."""


@dataclass(frozen=True)
class Viewpoint:
    """Where a camera stands relative to the middle of a walk, and how it sees.

    Attributes:
        azimuth: degrees, as a view.
        distance: metres on the ground.
        height: above the ground, metres.
        aside, pitch, roll: degrees by which it looks past the middle of the walk, to the right, up, and its tilt.
        rows: pixels of height of an upright figure at the middle of its walk.
        aspect: of its pixels.
        rate: factor of the frame rate.
    """

    azimuth: float
    distance: float
    height: float
    aside: float
    pitch: float
    roll: float
    rows: float
    aspect: float
    rate: float

    @classmethod
    def sample(
        cls, rng: np.random.Generator, view: float, distance: float, height: float, variety: float
    ) -> Viewpoint:
        """Draw a camera around a nominal one; at `variety` 1 it may be near, far, low or high."""
        # the logarithm of the distance is even: at 8 m and variety 1 from 2.2 to 13 m
        far = float(distance * np.exp(variety * rng.uniform(-1.3, 0.5)))
        above = height + variety * (rng.uniform(-0.6, 1.4) + (rng.random() < 0.4) * rng.uniform(0.0, 2.0))
        return cls(
            azimuth=view + 8.0 * variety * rng.uniform(-1, 1),
            distance=far,
            # steeper than 40 degrees is no camera of a corridor or a street
            height=float(np.clip(above, 0.3, 1.0 + 0.84 * far)),
            aside=9.0 * variety * rng.uniform(-1, 1),
            pitch=4.0 * variety * rng.uniform(-1, 1),
            roll=0.8 * variety * rng.standard_normal(),
            rows=float(MOST_ROWS * np.exp(-0.6 * variety * rng.random())),
            aspect=float(np.exp(0.03 * variety * rng.standard_normal())),
            rate=float(np.exp(variety * rng.uniform(-0.5, 0.2))),
        )

    def camera(self, path: np.ndarray, jitter: float = 0.0, stature: float = 1.0) -> Camera:
        """The camera beside a walk.

        Args:
            path: (T, 3) pelvis joint in the world, walking along +z, y above the ground, metres of the body model.
            jitter: degrees added to the azimuth.
            stature: real metres per metre of the body model, below 1 for a child.

        Returns:
            The camera in metres of the body model.
        """
        angle = np.deg2rad(self.azimuth + jitter)
        middle = (path[0] + path[-1]) / 2
        distance = self.distance / stature
        while True:
            eye = np.array([middle[0] + distance * np.sin(angle), 0.0, middle[2] + distance * np.cos(angle)])
            if np.linalg.norm((path - eye)[:, [0, 2]], axis=1).min() >= NEAREST / stature:
                break
            distance *= 1.1
        eye[1] = self.height / stature
        plane = _look(eye - middle[None])[0]
        plane = about("z", self.roll) @ about("x", self.pitch) @ about("y", self.aside) @ plane
        rays = eye - path
        length = np.linalg.norm(rays, axis=1)
        turned = _turn_to(np.einsum("ij,tj->ti", plane, rays / length[:, None]))
        rotation = inverse(turned) @ plane
        nominal = self.rows / FIGURE_HEIGHT * np.linalg.norm(eye - middle)
        focal = nominal * np.minimum(1.0, MOST_ROWS / FIGURE_HEIGHT * length / nominal)
        return Camera(rotation, length, focal, turned, self.aspect)


def _look(backwards: np.ndarray) -> np.ndarray:
    """World to level camera axes (n, 3, 3) for a camera that looks against directions (n, 3)."""
    z = backwards / np.linalg.norm(backwards, axis=-1, keepdims=True)
    x = np.cross(np.array([0.0, 1.0, 0.0]), z)
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _turn_to(direction: np.ndarray) -> np.ndarray:
    """The smallest rotations (T, 3, 3) that bring +z to unit directions (T, 3)."""
    x, y, z = direction.T
    k = 1 / (1 + z)
    rows = [[1 - k * x * x, -k * x * y, x], [-k * x * y, 1 - k * y * y, y], [-x, -y, z]]
    return np.moveaxis(np.array(rows), 2, 0)
