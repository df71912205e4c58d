"""Feet on the ground: how a sole rolls over one footprint, and how much a foot slides.

The foot's orientation over the stance (heel strike, flat, heel rise with bent toes, toe-off) is given; the
ankle then follows from rolling without slipping: the lowest points of the sole lie on the ground and do not
move while they bear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meshgait.synthetic.curves import PITCH, TOE_OFF, exact, ramp
from meshgait.synthetic.rig import Figure
from meshgait.synthetic.rotations import about, inverse, turn

CONTACT = 0.002
"""Scale [m] of height over which a sole point stops bearing."""

MAX_TOE_BEND = 42.0
"""Degrees the toes bend before the foot goes on rolling over their tips."""


@dataclass(frozen=True)
class Foot:
    """A foot in the rest pose.

    Attributes:
        points: (n, 3) its vertices from the ankle joint, metres.
        share: (n,) how much each follows the toe joint, 0..1.
        toe: (3,) toe joint from the ankle joint.
        heading: direction of the foot in the rest pose, degrees about y.
    """

    points: np.ndarray
    share: np.ndarray
    toe: np.ndarray
    heading: float

    @classmethod
    def of(cls, figure: Figure, ankle: int, toe: int) -> Foot:
        """The foot that hangs at joint `ankle`, toes at joint `toe`."""
        index = sole(figure, ankle, toe)
        weights = figure.rig.weights[index].astype(np.float64)
        offset = figure.joints[toe] - figure.joints[ankle]
        return cls(
            figure.vertices[index] - figure.joints[ankle],
            weights[:, toe] / (weights[:, toe] + weights[:, ankle]),
            offset,
            float(np.rad2deg(np.arctan2(offset[0], offset[2]))),
        )

    def orientation(self, pitch: np.ndarray, bend: np.ndarray, yaw: float) -> tuple[np.ndarray, np.ndarray]:
        """Global rotation of the foot and rotation of the toes relative to it (S, 3, 3).

        Args:
            pitch: (S,) degrees, toes up positive.
            bend: (S,) toe extension, degrees.
            yaw: heading of the foot about y, degrees (0 = straight ahead, +z; positive to the left).
        """
        home = about("y", -self.heading)
        foot = about("y", yaw) @ about("x", -pitch) @ home
        return foot, inverse(home) @ about("x", -bend) @ home

    def place(self, pitch: np.ndarray, bend: np.ndarray, yaw: float) -> np.ndarray:
        """Foot points (S, n, 3) from the ankle joint."""
        foot, toes = self.orientation(pitch, bend, yaw)
        rigid = self.points
        bent = self.toe + turn(toes[:, None], self.points - self.toe)
        return turn(foot[:, None], rigid + self.share[:, None] * (bent - rigid))

    def roll(self, points: np.ndarray) -> np.ndarray:
        """Path of the ankle (S, 3) over a standing foot: x, z from the first sample, y above the ground.

        Args:
            points: (S, n, 3) of `place`, in order of time, finely sampled.
        """
        height = points[..., 1] - points[..., 1].min(axis=1, keepdims=True)
        bearing = np.exp(-height / CONTACT)
        bearing /= bearing.sum(axis=1, keepdims=True)
        mean = (bearing[1:] + bearing[:-1]) / 2
        step = -np.sum(mean[..., None] * np.diff(points, axis=0), axis=1)
        path = np.concatenate([np.zeros((1, 3)), np.cumsum(step, axis=0)])
        path[:, 1] = -points[..., 1].min(axis=1)
        return path


def schedule(phase: np.ndarray, pitch_factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Foot pitch and toe bend [deg] over the phase of the leg; the toes stay flat as the heel rises."""
    pitch = pitch_factor * exact(PITCH, phase)
    rise = np.maximum(-pitch, 0.0)
    bend = MAX_TOE_BEND * np.tanh(rise / MAX_TOE_BEND)
    return pitch, bend * (1 - ramp(TOE_OFF, TOE_OFF + 0.12, np.mod(phase, 1.0)))


def sole(figure: Figure, ankle: int, toe: int) -> np.ndarray:
    """Indices of the vertices of the foot below the ankle joint."""
    weights = figure.rig.weights
    low = figure.vertices[:, 1] < figure.joints[ankle, 1] - 0.2 * abs(figure.bones[toe, 1])
    return np.flatnonzero((weights[:, ankle] + weights[:, toe] > 0.5) & low)


def foot_skate(
    vertices: np.ndarray, soles: tuple[np.ndarray, np.ndarray], rate: float, near: float = 0.005
) -> float:
    """Sliding of the feet as a fraction of walking speed.

    Args:
        vertices: (T, V, 3) in the world, metres, y up, ground at y = 0.
        soles: vertex indices of the left and the right sole.
        rate: frames per second.
        near: a vertex bears in a step between two frames if it is below this height [m] in both.

    Returns:
        Mean horizontal speed of the bearing vertices (mean over vertices, then over steps and feet) divided
        by the horizontal speed of the whole body.
    """
    speeds = []
    for index in soles:
        points = vertices[:, index]
        low = points[..., 1] < near
        both = low[1:] & low[:-1]
        speed = np.linalg.norm(np.diff(points[..., [0, 2]], axis=0), axis=-1) * rate
        steps = both.any(axis=1)
        speeds.append((speed * both).sum(axis=1)[steps] / both.sum(axis=1)[steps])
    centre = vertices.mean(axis=1)[:, [0, 2]]
    walking = np.linalg.norm(centre[-1] - centre[0]) * rate / (len(vertices) - 1)
    return float(np.concatenate(speeds).mean() / walking)
