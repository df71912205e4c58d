"""Walking must look like walking: signs, phases, symmetry, period."""

import numpy as np
import pytest

from meshgait.synthetic.gait import Gait
from meshgait.synthetic.rotations import to_axis_angle
from meshgait.synthetic.style import Style
from tests.synthetic.conftest import draw_betas

CYCLE = np.arange(100) / 100


@pytest.fixture(scope="module")
def average(rig):
    gait = Gait(Style(), rig.figure(np.zeros(10)))
    return gait, gait.frames(CYCLE / gait.style.cadence)


def sample(rig, seed):
    gait = Gait(Style.sample(np.random.default_rng(seed), 1.0), rig.figure(draw_betas(seed)))
    return gait, gait.frames(CYCLE / gait.style.cadence)


def knee_flexion(motion, side: int) -> np.ndarray:
    """Angle [deg] of thigh and shank from joint positions, positive if the shank is behind the thigh's line."""
    hip, knee, ankle = (motion.joints[:, j] for j in ((1, 4, 7), (2, 5, 8))[side])
    thigh, shank = knee - hip, ankle - knee
    cosine = np.sum(thigh * shank, 1) / np.linalg.norm(thigh, axis=1) / np.linalg.norm(shank, axis=1)
    behind = np.arctan2(thigh[:, 2], -thigh[:, 1]) - np.arctan2(shank[:, 2], -shank[:, 1])
    return np.rad2deg(np.arccos(np.clip(cosine, -1, 1))) * np.sign(behind)


def test_average_knee_bends_little_in_stance_and_about_60_degrees_in_swing(average):
    _, motion = average
    left = knee_flexion(motion, 0)
    assert 50 < left[62:].max() < 70
    assert 0.68 < CYCLE[np.argmax(left)] < 0.80
    assert 10 < left[8:25].max() < 25
    assert left[97:].max() < 15


@pytest.mark.parametrize("seed", range(6))
def test_no_knee_is_ever_overstretched(rig, seed):
    _, motion = sample(rig, seed)
    for side in (0, 1):
        assert knee_flexion(motion, side).min() > -3


@pytest.mark.parametrize("seed", range(6))
def test_arms_swing_opposite_to_the_legs_of_their_side(rig, seed):
    _, motion = sample(rig, seed)
    for wrist, ankle in ((20, 7), (21, 8)):
        correlation = np.corrcoef(motion.joints[:, wrist, 2], motion.joints[:, ankle, 2])[0, 1]
        assert correlation < -0.5
    legs = np.corrcoef(motion.joints[:, 7, 2], motion.joints[:, 8, 2])[0, 1]
    assert legs < -0.8


def test_arms_hang_down_and_elbows_bend_forward(average):
    _, motion = average
    for shoulder, elbow, wrist in ((16, 18, 20), (17, 19, 21)):
        assert (motion.joints[:, wrist, 1] < motion.joints[:, shoulder, 1] - 0.35).all()
        forearm = motion.joints[:, wrist] - motion.joints[:, elbow]
        upper = motion.joints[:, elbow] - motion.joints[:, shoulder]
        assert (np.arctan2(forearm[:, 2], -forearm[:, 1]) > np.arctan2(upper[:, 2], -upper[:, 1])).all()


def test_left_is_left(average):
    _, motion = average
    for left, right in ((1, 2), (4, 5), (7, 8), (16, 17), (20, 21)):
        assert (motion.joints[:, left, 0] > motion.joints[:, right, 0]).all()


@pytest.mark.parametrize("seed", range(3))
def test_walk_repeats_after_one_cycle(rig, seed):
    gait, _ = sample(rig, seed)
    times = np.array([0.0, 0.3, 0.7])
    first, second = gait.frames(times), gait.frames(times + 1 / gait.style.cadence)
    assert np.allclose(first.local, second.local, atol=1e-9)
    step = second.path - first.path
    assert np.allclose(step, [0, 0, gait.stride.length], atol=1e-9)


def test_symmetric_style_walks_symmetrically(average):
    """Half a cycle later the body is its own mirror image."""
    _, motion = average
    flip = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]
    mirrored = motion.joints[:, flip] * [-1, 1, 1]
    assert np.abs(np.roll(motion.joints, 50, axis=0) - mirrored).max() < 0.004


@pytest.mark.parametrize("seed", range(6))
def test_pelvis_travels_smoothly_at_a_human_speed(rig, seed):
    gait, motion = sample(rig, seed)
    speed = np.diff(motion.path[:, 2]) / np.diff(CYCLE / gait.style.cadence)
    assert 0.6 < gait.speed < 1.8
    assert np.abs(speed / gait.speed - 1).max() < 0.15
    assert np.ptp(motion.path[:, 1]) < 0.09
    assert np.ptp(motion.path[:, 0]) < 0.06


@pytest.mark.parametrize("seed", range(4))
def test_motion_is_smooth(rig, seed):
    """No joint turns by more than a fast limb does within a hundredth of the cycle."""
    _, motion = sample(rig, seed)
    local = motion.local
    change = np.swapaxes(local, -1, -2) @ np.roll(local, -1, axis=0)
    degrees = np.rad2deg(np.linalg.norm(to_axis_angle(change), axis=-1))
    assert degrees.max() < 12


def test_held_bag_calms_its_arm(rig):
    figure = rig.figure(np.zeros(10))
    motion = Gait(Style(), figure, (0.3, 1.0)).frames(CYCLE / 0.93)
    swing = [np.ptp(motion.joints[:, wrist, 2]) for wrist in (20, 21)]
    assert swing[0] < 0.6 * swing[1]
