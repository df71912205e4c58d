"""Two-bone inverse kinematics of a leg: hip and knee that bring the ankle to a given place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meshgait.synthetic.rotations import about, inverse, turn


@dataclass(frozen=True)
class Leg:
    """A leg's bones in the rest pose, thigh and shank straight down along -y but for small offsets.

    Attributes:
        thigh: (3,) hip to knee, metres.
        shank: (3,) knee to ankle, metres.
    """

    thigh: np.ndarray
    shank: np.ndarray

    @property
    def straight(self) -> float:
        """Knee angle [deg] of SMPL's pose at which the leg is longest; anatomical flexion counts from here."""
        _, a, b = self._law()
        return float(np.rad2deg(np.arctan2(b, a)))

    def _law(self) -> tuple[float, float, float]:
        """Coefficients of |hip - ankle|^2 = c + 2 (a cos k + b sin k) for a knee turned by k about x."""
        t, s = self.thigh, self.shank
        return float(t @ t + s @ s + 2 * t[0] * s[0]), float(t[1:] @ s[1:]), float(t[2] * s[1] - t[1] * s[2])

    def reach(self, flexion: np.ndarray | float) -> np.ndarray:
        """Distance of hip and ankle [m] at an anatomical knee flexion [deg]."""
        constant, a, b = self._law()
        return np.sqrt(constant + 2 * np.hypot(a, b) * np.cos(np.deg2rad(flexion)))

    def flexion(self, distance: np.ndarray) -> np.ndarray:
        """Anatomical knee flexion [deg], 0 or more, that brings hip and ankle `distance` [m] apart."""
        constant, a, b = self._law()
        cosine = (np.square(distance) - constant) / (2 * np.hypot(a, b))
        return np.rad2deg(np.arccos(np.clip(cosine, -1.0, 1.0)))

    def forward(self, hip: np.ndarray, flexion: np.ndarray, abduction: np.ndarray | float) -> np.ndarray:
        """Ankle from the hip joint (..., 3) for hip flexion, knee flexion and abduction to +x in degrees."""
        folded = self.thigh + turn(about("x", np.asarray(flexion) + self.straight), self.shank)
        return turn(about("z", abduction) @ about("x", -np.asarray(hip)), folded)

    def angles(self, ankle: np.ndarray) -> np.ndarray:
        """Inverse of `forward`: hip flexion, knee flexion, abduction [deg] (S, 3) for ankles (S, 3)."""
        knee = self.flexion(np.linalg.norm(ankle, axis=-1))
        folded = self.thigh + turn(about("x", knee + self.straight), self.shank)
        across, down, ahead = np.moveaxis(ankle, -1, 0)
        depth = -np.sqrt(np.maximum(across**2 + down**2 - folded[:, 0] ** 2, 1e-6))
        hip = np.arctan2(folded[:, 2], folded[:, 1]) - np.arctan2(ahead, depth)
        abduction = np.arctan2(down, across) - np.arctan2(depth, folded[:, 0])
        wrapped = np.mod(np.stack([hip, abduction]) + np.pi, 2 * np.pi) - np.pi
        return np.stack([np.rad2deg(wrapped[0]), knee, np.rad2deg(wrapped[1])], axis=-1)

    def solve(self, ankle: np.ndarray, lateral: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hip and knee for an ankle position.

        Args:
            ankle: (T, 3) from the hip joint, metres; beyond reach the leg stretches towards it.
            lateral: (T, 3) direction of the knee's hinge, to the body's left; its part along the leg is dropped.

        Returns:
            (T, 3, 3) global rotation of the thigh, (T, 3, 3) rotation of the knee relative to the thigh
            (about x, flexion positive: the knee always points forward).
        """
        distance = np.linalg.norm(ankle, axis=-1)
        knee = about("x", self.flexion(distance) + self.straight)
        folded = self.thigh + turn(knee, self.shank)
        hinge = np.broadcast_to(np.array([1.0, 0.0, 0.0]), folded.shape)
        return _frame(ankle, lateral) @ inverse(_frame(folded, hinge)), knee


def _frame(along: np.ndarray, lateral: np.ndarray) -> np.ndarray:
    """Orthonormal frames (T, 3, 3), columns: along the leg, lateral made perpendicular, their cross product."""
    first = along / np.linalg.norm(along, axis=-1, keepdims=True)
    second = lateral - np.sum(lateral * first, axis=-1, keepdims=True) * first
    second = second / np.linalg.norm(second, axis=-1, keepdims=True)
    return np.stack([first, second, np.cross(first, second)], axis=-1)
