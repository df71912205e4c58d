"""Joint angles of normal walking over the gait cycle.

Shapes follow the sagittal kinematics of healthy adults at self-chosen speed as tabulated in textbooks
(D. A. Winter, The Biomechanics and Motor Control of Human Gait; J. Perry, Gait Analysis), read off at a few
support points: percent of the cycle from the leg's own heel strike, and degrees.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from scipy.interpolate import PchipInterpolator

TOE_OFF = 0.62
"""Phase at which the foot leaves the ground."""

HIP = {0: 30, 10: 25, 20: 17, 30: 8, 40: -2, 50: -9, 55: -10, 60: -5, 70: 13, 80: 27, 87: 32, 95: 31}
"""Thigh against the pelvis, flexion positive."""

PELVIC_TILT = 4.5
"""Forward tilt of the pelvis in those tables: the thigh against the vertical is the hip less this."""

KNEE = {0: 5, 7: 13, 14: 18, 25: 12, 35: 6, 40: 5, 50: 12, 60: 36, 66: 52, 72: 61, 80: 48, 90: 15, 96: 4}
"""Knee, flexion positive."""

PITCH = {
    0: 20, 4: 9, 8: 0, 15: 0, 30: 0, 36: 0, 42: -3, 50: -15, 55: -29, 60: -48, 64: -61,
    70: -58, 76: -36, 82: -6, 88: 12, 95: 20,
}  # fmt: skip
"""Foot against the ground, toes up positive; flat on the ground from 8 to 36 %."""

SAMPLES = 256


@cache
def _periodic(points: tuple[tuple[int, float], ...]) -> PchipInterpolator:
    """Monotone cubic through the support points, continued periodically."""
    phase = np.array([p for p, _ in points]) / 100
    value = np.array([v for _, v in points], dtype=np.float64)
    return PchipInterpolator(np.concatenate([phase - 1, phase, phase + 1]), np.concatenate([value, value, value]))


@cache
def _harmonics(points: tuple[tuple[int, float], ...], order: int) -> np.ndarray:
    grid = np.arange(SAMPLES) / SAMPLES
    return np.fft.rfft(_periodic(points)(grid))[: order + 1] / SAMPLES


def smooth(points: Mapping[int, float], phase: np.ndarray, order: int) -> np.ndarray:
    """Curve as a truncated Fourier series.

    Args:
        points: support points, percent of the cycle -> degrees.
        phase: any shape, cycles.
        order: highest harmonic kept.

    Returns:
        Degrees, same shape as `phase`.
    """
    series = _harmonics(tuple(points.items()), order)
    terms = np.exp(2j * np.pi * np.asarray(phase)[..., None] * np.arange(1, order + 1))
    return series[0].real + 2 * np.sum((terms * series[1:]).real, axis=-1)


def exact(points: Mapping[int, float], phase: np.ndarray) -> np.ndarray:
    """Curve through its support points (C1), which keeps flat stretches flat; degrees."""
    return _periodic(tuple(points.items()))(np.mod(phase, 1.0))


def ramp(start: float, end: float, value: np.ndarray) -> np.ndarray:
    """Cubic step from 0 at `start` to 1 at `end`."""
    x = np.clip((np.asarray(value) - start) / (end - start), 0.0, 1.0)
    return x * x * (3 - 2 * x)
