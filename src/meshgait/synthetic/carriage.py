"""How the arms are carried: in pockets, crossed, pushing, holding; in place of their swing.

Each way is a place for the wrists and a direction for the elbows in the axes of the trunk or the pelvis; two-bone
inverse kinematics turns them into rotations of shoulder and elbow. Some of the swing remains.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meshgait.synthetic.gait import Motion
from meshgait.synthetic.rig import Figure
from meshgait.synthetic.rotations import inverse, turn

PELVIS, CHEST, HEAD = 0, 9, 15
ARMS = {1: (13, 16, 18, 20), -1: (14, 17, 19, 21)}
"""Collar, shoulder, elbow, wrist on the left (1) and right (-1)."""


class Hold(NamedTuple):
    """Where a wrist is.

    Attributes:
        joint: whose axes are used.
        wrist: metres from it, x outwards on the arm's own side, y up, z ahead.
        elbow: direction in which the elbow points, the same axes.
        swing: share of the wrist's own swing that stays.
    """

    joint: int
    wrist: tuple[float, float, float]
    elbow: tuple[float, float, float]
    swing: float


HOLDS = {
    "pocket": Hold(PELVIS, (0.18, -0.05, 0.03), (0.35, 0.0, -1.0), 0.08),
    "jacket pocket": Hold(PELVIS, (0.16, 0.08, 0.10), (0.45, -0.3, -0.8), 0.05),
    "over": Hold(CHEST, (-0.10, -0.10, 0.17), (0.8, -1.0, 0.1), 0.0),
    "under": Hold(CHEST, (-0.05, -0.15, 0.14), (0.9, -1.0, 0.0), 0.0),
    "behind back": Hold(PELVIS, (0.05, 0.06, -0.17), (1.0, 0.2, -0.4), 0.0),
    "pushing": Hold(PELVIS, (0.21, 0.10, 0.42), (0.6, -1.0, -0.4), 0.0),
    "pulling": Hold(PELVIS, (0.27, -0.06, -0.20), (0.8, 0.2, -0.6), 0.1),
    "in front": Hold(PELVIS, (0.15, 0.12, 0.30), (0.4, -1.0, -0.6), 0.05),
    "embracing": Hold(CHEST, (0.0, -0.15, 0.24), (1.0, -0.8, 0.2), 0.0),
    "phone at the ear": Hold(HEAD, (0.09, 0.0, 0.07), (0.7, -1.0, 0.5), 0.05),
    "reading a phone": Hold(CHEST, (0.04, -0.06, 0.32), (0.7, -1.0, -0.2), 0.05),
    "at the strap": Hold(CHEST, (0.12, 0.06, 0.14), (0.4, -1.0, -0.1), 0.05),
    "bag on forearm": Hold(PELVIS, (0.16, 0.24, 0.24), (0.35, -1.0, -0.3), 0.1),
    "under the arm": Hold(PELVIS, (0.20, 0.12, 0.13), (0.7, -0.3, -0.7), 0.1),
}
"""Ways to hold an arm; "over" and "under" are the two of crossed arms."""


def hold_arms(motion: Motion, figure: Figure, holds: dict[int, str], offset: np.ndarray | None = None) -> Motion:
    """The motion with arms held.

    Args:
        motion: T frames.
        figure: whose motion it is.
        holds: side (1 left, -1 right) -> key of `HOLDS`; arms without an entry swing on.
        offset: (3,) metres by which a person's wrists differ from those of others.
    """
    if not holds:
        return motion
    local = motion.local.copy()
    for side, name in holds.items():
        hold = HOLDS[name]
        collar, shoulder, elbow, wrist = ARMS[side]
        outwards = np.array([side, 1.0, 1.0])
        axes = motion.rotations[:, hold.joint]
        place = np.array(hold.wrist) + (0.0 if offset is None else offset)
        own = motion.joints[:, wrist] - motion.joints[:, hold.joint]
        swing = own - own.mean(axis=0)
        target = motion.joints[:, hold.joint] + turn(axes, place * outwards) + hold.swing * swing
        pole = turn(axes, np.array(hold.elbow) * outwards)
        upper, lower = figure.bones[elbow], figure.bones[wrist]
        lengths = float(np.linalg.norm(upper)), float(np.linalg.norm(lower))
        directions = _reach(target - motion.joints[:, shoulder], pole, *lengths)
        first = _least_turn(motion.rotations[:, collar], upper, directions[0])
        second = _least_turn(first, lower, directions[1])
        local[:, shoulder] = inverse(motion.rotations[:, collar]) @ first
        local[:, elbow] = inverse(first) @ second
    rotations, joints = figure.pose(local)
    return Motion(local, rotations, joints, motion.path)


def _reach(target: np.ndarray, pole: np.ndarray, upper: float, lower: float) -> tuple[np.ndarray, np.ndarray]:
    """Unit directions (T, 3) of upper arm and forearm that bring the wrist to `target` from the shoulder."""
    far = np.linalg.norm(target, axis=1, keepdims=True)
    along = target / far
    far = np.clip(far, abs(upper - lower) + 0.02, 0.995 * (upper + lower))
    cosine = (upper**2 + far**2 - lower**2) / (2 * upper * far)
    aside = pole - (pole * along).sum(axis=1, keepdims=True) * along
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    first = cosine * along + np.sqrt(np.maximum(1 - cosine**2, 0.0)) * aside
    second = (far * along - upper * first) / lower
    return first, second / np.linalg.norm(second, axis=1, keepdims=True)


def _least_turn(rotation: np.ndarray, bone: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The nearest rotations (T, 3, 3) to given ones that turn a rest bone (3,) to directions (T, 3)."""
    now = turn(rotation, bone / np.linalg.norm(bone))
    axis, cosine = np.cross(now, wanted), (now * wanted).sum(axis=1)
    x, y, z = axis.T
    zero = np.zeros_like(x)
    cross = np.moveaxis(np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]), 2, 0)
    factor = 1 / np.maximum(1 + cosine, 1e-3)
    return (np.eye(3) + cross + factor[:, None, None] * (cross @ cross)) @ rotation
