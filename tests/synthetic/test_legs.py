"""Inverse kinematics against a plain forward chain."""

import numpy as np
import pytest

from meshgait.synthetic.legs import Leg

LEG = Leg(np.array([0.012, -0.386, 0.0]), np.array([-0.005, -0.434, -0.024]))


def rotate(axis: str, degrees: float) -> np.ndarray:
    """Rotation matrix written out by hand."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    if axis == "x":
        return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def test_forward_is_the_chain_and_angles_invert_it():
    rng = np.random.default_rng(0)
    for hip, knee, abduction in rng.uniform((-40, 3, -8), (50, 90, 8), (20, 3)):
        bent = LEG.thigh + rotate("x", knee + LEG.straight) @ LEG.shank
        expected = rotate("z", abduction) @ rotate("x", -hip) @ bent
        ankle = LEG.forward(np.array(hip), np.array(knee), abduction)
        assert np.allclose(ankle, expected, atol=1e-12)
        assert np.allclose(LEG.angles(ankle[None])[0], (hip, knee, abduction), atol=1e-6)


def test_solution_reaches_the_ankle_with_the_knee_in_front():
    rng = np.random.default_rng(1)
    ankle = rng.uniform((-0.1, -0.75, -0.3), (0.1, -0.6, 0.3), (50, 3))
    thigh, knee = LEG.solve(ankle, np.tile([1.0, 0.0, 0.0], (50, 1)))
    reached = np.array([t @ (LEG.thigh + k @ LEG.shank) for t, k in zip(thigh, knee, strict=True)])
    assert np.abs(reached - ankle).max() < 1e-9
    joint = np.array([t @ LEG.thigh for t in thigh])
    # ahead of the straight line from hip to ankle
    share = np.sum(joint * ankle, axis=1) / np.sum(ankle**2, axis=1)
    assert ((joint - share[:, None] * ankle)[:, 2] > 0).all()


def test_beyond_reach_the_leg_points_at_the_target():
    thigh, knee = LEG.solve(np.array([[0.0, -2.0, 0.0]]), np.array([[1.0, 0.0, 0.0]]))
    reached = thigh[0] @ (LEG.thigh + knee[0] @ LEG.shank)
    assert reached == pytest.approx([0, -float(LEG.reach(0.0)), 0], abs=1e-9)
    assert float(LEG.flexion(LEG.reach(30.0))) == pytest.approx(30.0)
