"""One walking cycle from the ground up: footprints, the pelvis above them, and the ankles' paths.

The style's joint angles say how the leg would like to move; from them follow the stride length, the place of
the footprints and the height of the pelvis. Then the feet are locked to their footprints and the ankle paths
computed, which `gait` turns into joint rotations by inverse kinematics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meshgait.synthetic.curves import HIP, KNEE, PELVIC_TILT, TOE_OFF, ramp, smooth
from meshgait.synthetic.feet import Foot, schedule
from meshgait.synthetic.legs import Leg
from meshgait.synthetic.rig import Figure
from meshgait.synthetic.rotations import about, turn
from meshgait.synthetic.style import HARMONICS, Style

GRID = 256
"""Samples of the cycle."""

MIN_FLEXION = 2.5
"""Degrees of knee flexion always left: no knee is ever straighter."""

MAX_DROP = 0.012
"""Metres the pelvis may be lowered to reach both footprints before the stride is shortened instead."""

CLEARANCE = 0.012
"""Metres between the swinging foot and the ground in mid-swing, at least."""

STRIKE_FLEXION = 3.0
"""Degrees of it more at heel strike, so that the knee can take up the weight."""

FORWARD = 0.02
"""Metres the pelvis is further ahead of the footprints than the style's angles put it: those make the trailing
leg too short at push-off, whose knee would have to bend far more than people's do."""

LEAVE_SLOPE, STRIKE_SLOPE = 250.0, 50.0
"""Degrees per cycle by which the angles may leave toe-off, and arrive at heel strike, at another rate than the
style's; the slope of a nearly straight knee is steep and would make the swinging leg overshoot."""

MIN_HALF_WIDTH = 0.035
"""Metres between a footprint and the line of progression, at least."""

SWAY = 0.018
"""Metres the pelvis moves sideways over the standing leg."""

_WAVES = 2 * np.pi * np.outer(np.arange(GRID) / GRID, np.arange(1, 5))
_HARMONICS = np.concatenate([np.ones((GRID, 1)), np.cos(_WAVES), np.sin(_WAVES)], axis=1)

SIDES = ((1, 1, 4, 7, 10), (-1, 2, 5, 8, 11))
"""Per side: sign of x, and the joints hip, knee, ankle, toes."""


@dataclass(frozen=True)
class LegCycle:
    """One leg over the cycle, sampled on the global phase grid.

    Attributes:
        leg: bones.
        foot: sole.
        phase: (GRID,) phase of this leg (0 = its heel strike).
        yaw: heading of the footprint, degrees about y.
        hip: (GRID, 3) hip joint from the pelvis joint.
        ankle: (GRID, 3) ankle joint from the pelvis joint.
    """

    leg: Leg
    foot: Foot
    phase: np.ndarray
    yaw: float
    hip: np.ndarray
    ankle: np.ndarray


@dataclass(frozen=True)
class Stride:
    """A periodic walk on flat ground along +z.

    Attributes:
        length: metres per cycle.
        pelvis: (GRID, 3) pelvis joint: x sideways, y above the ground, z before or behind even progress.
        sides: left and right leg.
    """

    length: float
    pelvis: np.ndarray
    sides: tuple[LegCycle, LegCycle]


def pelvis_rotation(style: Style, phase: np.ndarray) -> np.ndarray:
    """Global rotation of the pelvis (S, 3, 3); phase 0 is the left heel strike."""
    wave = 2 * np.pi * np.asarray(phase)
    yaw = about("y", -style.pelvis_rotation * np.cos(wave))
    drop = about("z", style.pelvis_obliquity * np.sin(wave + 0.5))
    return yaw @ drop @ about("x", style.pelvis_tilt + np.cos(2 * wave))


def leg_phase(style: Style, sign: int, phase: np.ndarray) -> np.ndarray:
    """Phase of the left (sign 1) or right (-1) leg at a global phase."""
    return np.mod(phase if sign > 0 else phase + 0.5 - style.leg_lag, 1.0)


def desired_angles(style: Style, sign: int, phase: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flexion [deg] that the style asks of a leg at its phase: thigh against the vertical, knee."""
    wave = 2 * np.pi * phase
    warped = phase + style.warp_first * np.sin(wave) + style.warp_second * np.sin(2 * wave)
    harmonics = wave[..., None] * np.arange(1, HARMONICS + 1)
    basis = np.concatenate([np.cos(harmonics), np.sin(harmonics)], axis=-1)
    gain = 1 + sign * style.leg_asymmetry
    hip = style.hip_amplitude * gain * smooth(HIP, warped, 5) + basis @ _by_wave(style.hip_waves)
    curve = smooth(KNEE, warped, 6)
    bump = ramp(0.0, 0.1, phase) * (1 - ramp(0.28, 0.4, phase))
    curve = curve * (1 + (style.stance_bump - 1) * bump)
    swing = ramp(0.4, 0.6, phase) * (1 - ramp(0.9, 1.0, phase))
    curve = curve * (1 + (style.knee_amplitude * gain - 1) * swing)
    knee = curve + style.knee_offset + basis @ _by_wave(style.knee_waves)
    return hip - PELVIC_TILT + style.hip_offset, np.maximum(knee, MIN_FLEXION)


def _by_wave(pairs: tuple[float, ...]) -> np.ndarray:
    """Sort (cosine 1, sine 1, cosine 2, ...) into all cosines, then all sines."""
    return np.concatenate([pairs[0::2], pairs[1::2]])


def plan(style: Style, figure: Figure) -> Stride:
    """The walk of a body in a style; footprints are always within reach."""
    phase = np.arange(GRID) / GRID
    drafts = [_Draft(style, figure, side, phase) for side in SIDES]
    length = float(np.mean([draft.desired_length() for draft in drafts]))
    sway = SWAY * np.sin(2 * np.pi * (phase - 0.05))
    surge = -0.006 * np.sin(4 * np.pi * (phase - 0.02))
    for _ in range(12):
        for draft in drafts:
            draft.set_footprint(length, sway, surge)
        height, drop = _pelvis_height(drafts)
        if drop <= MAX_DROP:
            break
        length *= 0.97
    pelvis = np.stack([sway, height, surge], axis=-1)
    left, right = (draft.finish(pelvis) for draft in drafts)
    return Stride(length, pelvis, (left, right))


def _pelvis_height(drafts: list[_Draft]) -> tuple[np.ndarray, float]:
    """Smooth height of the pelvis joint over the cycle, and how much it was lowered for the sake of reach.

    A few harmonics, fitted to the height at which the standing knee bends as the style asks, below the height
    at which a footprint gets out of reach: least squares in which samples above that bound are drawn to it.
    """
    weights = np.stack([draft.weight for draft in drafts])
    wanted = np.stack([draft.height(draft.flexion) for draft in drafts])
    bound = np.min([draft.highest() for draft in drafts], axis=0)
    target = np.minimum((weights * wanted).sum(axis=0) / weights.sum(axis=0), bound)
    force = np.ones(GRID)
    for _ in range(15):
        scaled = _HARMONICS * force[:, None]
        series = np.linalg.solve(scaled.T @ _HARMONICS + 1e-6 * np.eye(scaled.shape[1]), scaled.T @ target)
        height = _HARMONICS @ series
        above = height > bound
        if not above.any():
            break
        target = np.where(above, bound - 0.002, target)
        force = np.where(above, force * 3.0, force)
    drop = max(float((height - bound).max()), 0.0)
    return height - drop, drop


class _Draft:
    """A leg while its stride is being planned."""

    def __init__(self, style: Style, figure: Figure, side: tuple[int, ...], phase: np.ndarray) -> None:
        self.sign, hip, knee, ankle, toes = side
        self.leg = Leg(figure.bones[knee], figure.bones[ankle])
        self.foot = Foot.of(figure, ankle, toes)
        self.phase = leg_phase(style, self.sign, phase)
        self.yaw = self.sign * style.toe_out
        self.hip = turn(pelvis_rotation(style, phase), figure.bones[hip])
        thigh, self.flexion = desired_angles(style, self.sign, self.phase)
        self.desired = np.stack([thigh, self.flexion, np.full(GRID, self.sign * style.abduction)], axis=-1)
        self.desired_ankle = self.hip + self.leg.forward(*self.desired.T)
        # the roll is integrated on the leg's own finely sampled stance, then read off at the grid's phases
        own = np.linspace(0.0, TOE_OFF, 128)
        self.own = own
        self.rolled = self.foot.roll(self.foot.place(*schedule(own, style.foot_pitch), self.yaw))
        self.stance = self.phase <= TOE_OFF
        placed = self.foot.place(*schedule(self.phase[~self.stance], style.foot_pitch), self.yaw)
        self.lowest = np.zeros(GRID)
        self.lowest[~self.stance] = placed[..., 1].min(axis=1)
        self.weight = ramp(-0.02, 0.08, self.phase) * (1 - ramp(0.52, TOE_OFF + 0.02, self.phase))
        # at both ends of the stance the leg is slanted and its knee most sensitive to where the footprint is
        self.ends = 0.1 + (1 - ramp(0.05, 0.15, self.phase)) + ramp(0.4, 0.5, self.phase)

    def locked(self, phase: np.ndarray) -> np.ndarray:
        """Ankle over the footprint (S, 3), from where it was at heel strike; y above the ground."""
        return np.stack([np.interp(phase, self.own, column) for column in self.rolled.T], axis=-1)

    def desired_length(self) -> float:
        """Stride length at which a body moving evenly over the footprint fits the desired angles best."""
        p, weight = self.phase[self.stance], self.ends[self.stance]
        design = weight[:, None] * np.stack([p, -np.ones_like(p)], axis=-1)
        moved = (self.locked(p) - self.desired_ankle[self.stance])[:, 2]
        answer, *_ = np.linalg.lstsq(design, weight * moved, rcond=None)
        return float(answer[0])

    def set_footprint(self, length: float, sway: np.ndarray, surge: np.ndarray) -> None:
        """Place the footprint for a stride length: `ground` (GRID, 3) is the ankle from the even progress."""
        ground = self.locked(self.phase)
        ground[:, 0] -= sway
        ground[:, 2] -= length * self.phase + surge
        offset = np.average((self.desired_ankle - ground)[self.stance], axis=0, weights=self.ends[self.stance])
        middle = np.interp(0.25, self.own, self.rolled[:, 0])
        outwards = max(self.sign * (offset[0] + middle), MIN_HALF_WIDTH)
        self.ground = ground + np.array([self.sign * outwards - middle, 0.0, offset[2] - FORWARD])

    def height(self, flexion: np.ndarray | float) -> np.ndarray:
        """Pelvis height (GRID,) at which the leg over its footprint has this knee flexion [deg]."""
        beside = self.ground[:, [0, 2]] - self.hip[:, [0, 2]]
        rise = np.square(self.leg.reach(flexion)) - np.square(beside).sum(axis=-1)
        return self.ground[:, 1] + np.sqrt(np.maximum(rise, 0.04)) - self.hip[:, 1]

    def highest(self) -> np.ndarray:
        """Greatest pelvis height (GRID,) at which the footprint can be reached; infinite in swing."""
        flexion = MIN_FLEXION + STRIKE_FLEXION * (1 - ramp(0.0, 0.1, self.phase))
        return np.where(self.stance, self.height(flexion), np.inf)

    def finish(self, pelvis: np.ndarray) -> LegCycle:
        """Ankle path: locked in stance; in swing the desired angles, bent to meet the ground smoothly."""
        order = np.argsort(self.phase)
        phase, hip = self.phase[order], self.hip[order]
        inside = phase <= TOE_OFF
        above = np.stack([np.zeros(GRID), pelvis[order, 1], np.zeros(GRID)], axis=-1)
        path = self.ground[order] - above
        stance = self.leg.angles((path - hip)[inside])
        ends = _edges(phase[inside], stance - self.desired[order][inside])
        angles = (self.desired[order] + _hermite(phase, *ends))[~inside]
        share = (phase[~inside] - TOE_OFF) / (1 - TOE_OFF)
        lacking = max(float(self.flexion.max() - angles[:, 1].max()), 0.0)
        angles[:, 1] = np.maximum(angles[:, 1] + lacking * _bump(share), MIN_FLEXION)
        path[~inside] = hip[~inside] + self.leg.forward(*angles.T)
        need = CLEARANCE * ramp(0.0, 0.15, share) * (1 - ramp(0.84, 1.0, share))
        low = (path[:, 1] + above[:, 1] + self.lowest[order])[~inside]
        path[~inside, 1] += np.maximum(need - low, 0.0)
        ankle = np.empty_like(path)
        ankle[order] = path
        return LegCycle(self.leg, self.foot, self.phase, self.yaw, self.hip, ankle)


def _edges(phase: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, ...]:
    """Value and slope of `error` (S, 3) at toe-off and at heel strike (start of the array), by short line fits."""
    first, last = slice(0, 4), slice(-4, None)
    strike = np.polyfit(phase[first], error[first], 1)
    leave = np.polyfit(phase[last] - TOE_OFF, error[last], 1)
    return (
        leave[1],
        np.clip(leave[0], -LEAVE_SLOPE, LEAVE_SLOPE),
        strike[1],
        np.clip(strike[0], -STRIKE_SLOPE, STRIKE_SLOPE),
    )


def _bump(share: np.ndarray) -> np.ndarray:
    """Smooth rise and fall over the swing (0..1), 1 where the knee is bent most."""
    peak = 2 / 7
    return np.square(share / peak) * ((1 - share) / (1 - peak)) ** 5


def _hermite(
    phase: np.ndarray, start: np.ndarray, start_slope: np.ndarray, end: np.ndarray, end_slope: np.ndarray
) -> np.ndarray:
    """Correction over the swing (S, 3) with given values and slopes (3,) at its ends.

    Two cubics, each fading out over its half, so that the middle of the swing keeps the style's angles.
    """
    width = (1 - TOE_OFF) / 2
    u = np.clip((phase - TOE_OFF) / width, 0.0, 1.0)[:, None]
    w = np.clip((1 - phase) / width, 0.0, 1.0)[:, None]
    leave = (2 * u**3 - 3 * u**2 + 1) * start + (u**3 - 2 * u**2 + u) * width * start_slope
    strike = (2 * w**3 - 3 * w**2 + 1) * end - (w**3 - 2 * w**2 + w) * width * end_slope
    return leave + strike
