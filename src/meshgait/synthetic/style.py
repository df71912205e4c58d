"""A gait style: how one person walks, as numbers drawn around the average adult."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

HARMONICS = 3


def _trait(mean: float, sd: float, low: float, high: float) -> float:
    """Field whose mean, standard deviation between people, and range are known."""
    return field(default=mean, metadata={"sd": sd, "low": low, "high": high})


def _waves(*sd: float) -> tuple[float, ...]:
    """Field of cosine and sine amplitudes (degrees) of the first harmonics of a personal deviation."""
    zeros = (0.0,) * (2 * len(sd))
    return field(default=zeros, metadata={"sd": np.repeat(sd, 2), "low": -3.0, "high": 3.0})


@dataclass(frozen=True)
class Style:
    """Parameters of a walk; degrees unless said. The defaults are the average walker, who is symmetric."""

    cadence: float = _trait(0.93, 0.07, 0.75, 1.12)
    """Strides (two steps) per second."""
    hip_amplitude: float = _trait(1.0, 0.10, 0.75, 1.3)
    """Factor of the hip curve; sets the step length."""
    knee_amplitude: float = _trait(1.0, 0.09, 0.75, 1.3)
    """Factor of the knee curve in swing."""
    hip_offset: float = _trait(0.0, 2.5, -6.0, 6.0)
    knee_offset: float = _trait(2.0, 2.5, -2.0, 9.0)
    """Knee flexion added throughout (a crouched or a stiff walk)."""
    stance_bump: float = _trait(1.0, 0.25, 0.3, 1.6)
    """Factor of the small knee flexion that takes up the weight."""
    foot_pitch: float = _trait(0.95, 0.12, 0.6, 1.25)
    """Factor of the foot's pitch: heel rise and toe lift."""
    toe_out: float = _trait(6.0, 5.0, -8.0, 20.0)
    """Direction of the foot on the ground, outwards positive."""
    abduction: float = _trait(-1.0, 1.6, -4.5, 3.0)
    """Legs apart; sets the step width."""
    pelvis_rotation: float = _trait(5.0, 2.5, 0.0, 12.0)
    pelvis_obliquity: float = _trait(4.0, 1.6, 0.0, 9.0)
    """Drop of the pelvis on the swing side."""
    pelvis_tilt: float = _trait(3.0, 3.0, -4.0, 10.0)
    lean: float = _trait(2.0, 3.0, -6.0, 11.0)
    """Trunk leaning forward, at the lower spine."""
    stoop: float = _trait(4.0, 5.0, -4.0, 18.0)
    """Rounded upper back."""
    neck: float = _trait(6.0, 6.0, -8.0, 22.0)
    head: float = _trait(-4.0, 5.0, -16.0, 10.0)
    trunk_rotation: float = _trait(6.0, 2.5, 0.0, 13.0)
    """Shoulders turning against the pelvis."""
    trunk_sway: float = _trait(2.0, 1.5, -1.0, 6.0)
    """Trunk tilting over the standing leg."""
    arm_amplitude: float = _trait(17.0, 7.0, 1.0, 36.0)
    arm_offset: float = _trait(-3.0, 5.0, -15.0, 10.0)
    arm_abduction: float = _trait(7.0, 3.5, 1.0, 19.0)
    arm_phase: float = _trait(0.0, 0.03, -0.08, 0.08)
    """Lag of the arms, cycles."""
    arm_asymmetry: float = _trait(0.0, 0.2, -0.6, 0.6)
    """Left arm swings by (1 + this), right by (1 - this)."""
    forearm_roll: float = _trait(10.0, 12.0, -15.0, 40.0)
    elbow_offset: float = _trait(20.0, 9.0, 3.0, 50.0)
    elbow_amplitude: float = _trait(11.0, 6.0, 0.0, 28.0)
    shrug: float = _trait(0.0, 4.0, -8.0, 10.0)
    leg_asymmetry: float = _trait(0.0, 0.05, -0.15, 0.15)
    """Left leg swings by (1 + this), right by (1 - this)."""
    leg_lag: float = _trait(0.0, 0.01, -0.03, 0.03)
    """Right leg late by this, cycles."""
    warp_first: float = _trait(0.0, 0.010, -0.03, 0.03)
    """Timing of the leg curves: shift of phase by this times the sine of the cycle, cycles."""
    warp_second: float = _trait(0.0, 0.010, -0.03, 0.03)
    hip_waves: tuple[float, ...] = _waves(1.2, 0.8, 0.4)
    """Personal deviation of the hip curve: cosine, sine per harmonic."""
    knee_waves: tuple[float, ...] = _waves(1.5, 1.0, 0.6)

    @classmethod
    def sample(cls, rng: np.random.Generator, spread: float = 1.0) -> Style:
        """Draw a person's style; `spread` scales the standard deviations between people."""
        return cls().perturbed(rng, spread)

    def perturbed(self, rng: np.random.Generator, spread: float) -> Style:
        """This style moved by `spread` standard deviations (Gaussian), kept within the range of each trait."""
        values: dict[str, Any] = {}  # of the types of the traits
        for trait in fields(self):
            value, sd = np.asarray(getattr(self, trait.name)), trait.metadata["sd"]
            limit = np.max(sd) if value.ndim else 1.0  # waves: their range is in standard deviations
            moved = value + spread * sd * rng.standard_normal(value.shape)
            moved = np.clip(moved, trait.metadata["low"] * limit, trait.metadata["high"] * limit)
            values[trait.name] = tuple(moved.tolist()) if value.ndim else float(moved)
        return type(self)(**values)
