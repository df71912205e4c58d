"""Walking as SMPL poses: a planned stride turned into rotations of all joints.

Signs in this frame (y up, facing +z, left = +x): hip flexion -x, knee flexion +x, dorsiflexion -x, leaning
forward +x; arms hang by -z (left) and +z (right) and swing forward by -x; elbows flex by -y (left), +y (right).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meshgait.synthetic.feet import schedule
from meshgait.synthetic.rig import JOINTS, Figure
from meshgait.synthetic.rotations import about, inverse
from meshgait.synthetic.stride import GRID, SIDES, Stride, leg_phase, pelvis_rotation, plan
from meshgait.synthetic.style import Style

SPINE = ((3, 0.4), (6, 0.3), (9, 0.3))
"""Spine joints and their share of the trunk's turns."""

ARM_DROP = 83.0
"""Degrees from the T-pose to arms that hang without abduction."""

COLLAR_DROP = 7.0
"""Degrees of it taken by the collar bones."""


@dataclass(frozen=True)
class Motion:
    """Frames of a walk.

    Attributes:
        local: (T, 24, 3, 3) rotation of each joint relative to its parent; the root's is global.
        rotations: (T, 24, 3, 3) global rotations.
        joints: (T, 24, 3) positions from the pelvis joint, metres.
        path: (T, 3) pelvis joint in the world: y above the ground, walking along +z.
    """

    local: np.ndarray
    rotations: np.ndarray
    joints: np.ndarray
    path: np.ndarray


class Gait:
    """How one person walks: a style on a body.

    Args:
        style: the person's style.
        figure: the person's body.
        carried: damping of the arm swing, left and right: 1 swings freely, 0 holds still (a bag in the hand).
    """

    def __init__(self, style: Style, figure: Figure, carried: tuple[float, float] = (1.0, 1.0)) -> None:
        self.style, self.figure, self.carried = style, figure, carried
        self.stride: Stride = plan(style, figure)

    @property
    def speed(self) -> float:
        """Walking speed in metres per second."""
        return self.stride.length * self.style.cadence

    def frames(self, times: np.ndarray, start: float = 0.0) -> Motion:
        """Motion at `times` (T,) seconds; at time 0 the walk is at phase `start` (0 = left heel strike)."""
        cycles = start + self.style.cadence * times
        phase = np.mod(cycles, 1.0)
        local = np.broadcast_to(np.eye(3), (len(phase), JOINTS, 3, 3)).copy()
        local[:, 0] = pelvis_rotation(self.style, phase)
        self._trunk(local, phase)
        self._arms(local, phase)
        self._legs(local, phase)
        rotations, joints = self.figure.pose(local)
        path = _periodic(self.stride.pelvis, phase)
        path[:, 2] += self.stride.length * cycles
        return Motion(local, rotations, joints, path)

    def _trunk(self, local: np.ndarray, phase: np.ndarray) -> None:
        """Spine, neck and head: the trunk turns against the pelvis, the head looks ahead."""
        style, wave = self.style, 2 * np.pi * phase
        twist = (style.pelvis_rotation + style.trunk_rotation) * np.cos(wave)
        bend = -(style.pelvis_obliquity + style.trunk_sway) * np.sin(wave + 0.5)
        nod = np.cos(2 * wave + 0.6)
        for joint, share in SPINE:
            local[:, joint] = about("y", share * twist) @ about("z", share * bend)
        local[:, 3] = local[:, 3] @ about("x", style.lean - 0.7 * style.pelvis_tilt - nod)
        local[:, 6] = local[:, 6] @ about("x", np.full_like(phase, 0.4 * style.stoop))
        local[:, 9] = local[:, 9] @ about("x", np.full_like(phase, 0.6 * style.stoop))
        back = about("y", -0.5 * style.trunk_rotation * np.cos(wave))
        side = about("z", 0.5 * style.trunk_sway * np.sin(wave + 0.5))
        local[:, 12] = back @ side @ about("x", np.full_like(phase, style.neck))
        local[:, 15] = about("x", style.head - 0.5 * style.stoop - 0.5 * style.lean + 0.5 * nod)

    def _arms(self, local: np.ndarray, phase: np.ndarray) -> None:
        """Arms swing opposite to the legs of their side, elbows bend as they come forward."""
        style = self.style
        for sign, damping, joints in ((1, self.carried[0], (13, 16, 18)), (-1, self.carried[1], (14, 17, 19))):
            collar, shoulder, elbow = joints
            wave = 2 * np.pi * (leg_phase(style, sign, phase) - style.arm_phase)
            amplitude = style.arm_amplitude * (1 + sign * style.arm_asymmetry) * damping
            swing = -amplitude * np.cos(wave) + style.arm_offset + 0.25 * amplitude
            straight = style.elbow_offset * (0.35 + 0.65 * damping)
            flexion = straight - style.elbow_amplitude * damping * np.cos(wave - 0.4)
            drop = ARM_DROP - style.arm_abduction - COLLAR_DROP
            local[:, collar] = about("z", sign * (style.shrug - COLLAR_DROP))
            local[:, shoulder] = about("x", -swing) @ about("z", np.full_like(phase, -sign * drop))
            # the arm turns inwards about its own axis, so that the hand comes to the front of the thigh
            local[:, shoulder] = local[:, shoulder] @ about("x", np.full_like(phase, 0.6 * style.forearm_roll))
            bend = about("y", -sign * np.maximum(flexion, 2.0))
            local[:, elbow] = bend @ about("x", np.full_like(phase, style.forearm_roll))

    def _legs(self, local: np.ndarray, phase: np.ndarray) -> None:
        """Legs by inverse kinematics on the planned ankle paths; feet keep their planned orientation."""
        pelvis = local[:, 0]
        for (sign, hip, knee, ankle, toes), side in zip(SIDES, self.stride.sides, strict=True):
            heading = 0.6 * side.yaw * np.ones_like(phase)
            lateral = about("y", heading)[..., 0]
            target = _periodic(side.ankle - side.hip, phase)
            thigh, bend = side.leg.solve(target, lateral)
            pitch, toe_bend = schedule(leg_phase(self.style, sign, phase), self.style.foot_pitch)
            foot, toe = side.foot.orientation(pitch, toe_bend, side.yaw)
            local[:, hip] = inverse(pelvis) @ thigh
            local[:, knee] = bend
            local[:, ankle] = inverse(thigh @ bend) @ foot
            local[:, toes] = toe


def _periodic(values: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Values (GRID, C) at any phases (T,), linear between the samples of the cycle."""
    place = phase * GRID
    low = np.floor(place).astype(np.int64)
    part = (place - low)[:, None]
    return values[low % GRID] * (1 - part) + values[(low + 1) % GRID] * part
