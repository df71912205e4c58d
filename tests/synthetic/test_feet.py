"""No sliding, no sinking: feet of walkers as generated, and of one that slides on purpose."""

import numpy as np
import pytest

from meshgait.synthetic.feet import Foot, foot_skate, schedule, sole
from meshgait.synthetic.gait import Gait
from meshgait.synthetic.style import Style
from tests.synthetic.conftest import draw_betas


def walk(rig, seed: int, rate: float, seconds: float = 2.2):
    rng = np.random.default_rng(seed)
    figure = rig.figure(draw_betas(seed))
    gait = Gait(Style.sample(rng, 0.6).perturbed(rng, 0.3), figure)
    motion = gait.frames(np.arange(int(seconds * rate)) / rate)
    vertices = figure.skin(motion.rotations, motion.joints) + motion.path[:, None].astype(np.float32)
    return gait, vertices, (sole(figure, 7, 10), sole(figure, 8, 11))


@pytest.mark.parametrize("seed", range(8))
def test_feet_neither_slide_nor_sink(rig, seed):
    _, vertices, soles = walk(rig, seed, 25.0)
    assert foot_skate(vertices, soles, 25.0) < 0.05
    assert vertices[..., 1].min() > -0.003
    # somebody always stands: the lowest point of the body is on the ground
    assert vertices[..., 1].min(axis=1).max() < 0.004


def test_average_walker_does_not_slide_at_a_finer_rate(rig):
    _, vertices, soles = walk(rig, 0, 100.0)
    assert foot_skate(vertices, soles, 100.0) < 0.05


def test_slip_sees_a_foot_that_slides(rig):
    """Moving the body forward by 20 % more than its feet walk must show as about 20 % of slip."""
    gait, vertices, soles = walk(rig, 0, 25.0)
    vertices[..., 2] += 0.25 * gait.speed * (np.arange(len(vertices)) / 25.0)[:, None]
    assert foot_skate(vertices, soles, 25.0) == pytest.approx(0.2, abs=0.04)


def test_swinging_feet_clear_the_ground(rig):
    _, vertices, (left, right) = walk(rig, 3, 100.0)
    lowest = np.stack([vertices[:, index, 1].min(axis=1) for index in (left, right)])
    # in single support the other foot is up by a centimetre at mid-swing, and each foot swings
    assert (lowest.max(axis=1) > 0.01).all()
    assert (lowest.min(axis=0) < 0.003).all()


def test_rolling_keeps_the_bearing_points_in_place(rig):
    """Quadrature of the foot's own roll: the point that bears longest stays within a few millimetres."""
    foot = Foot.of(rig.figure(np.zeros(10)), 7, 10)
    phase = np.linspace(0, 0.62, 200)
    points = foot.place(*schedule(phase, 0.95), 6.0)
    world = points + foot.roll(points)[:, None]
    assert np.abs(world[..., 1].min(axis=1)).max() < 1e-9
    flat = (phase > 0.09) & (phase < 0.35)
    assert np.ptp(world[flat], axis=0).max() < 1e-3
    tip = np.argmax(foot.points[:, 2])
    assert np.ptp(world[phase > 0.45][:, tip, 2]) < 0.012


def test_heel_strikes_first_and_toes_leave_last(rig):
    gait, vertices, (left, _) = walk(rig, 0, 100.0)
    rest = gait.figure.vertices[left]
    heel, toe = left[rest[:, 2] < np.quantile(rest[:, 2], 0.2)], left[rest[:, 2] > np.quantile(rest[:, 2], 0.8)]
    cycle = int(100 / gait.style.cadence)
    heel_down = vertices[:cycle, heel, 1].min(axis=1) < 0.004
    toe_down = vertices[:cycle, toe, 1].min(axis=1) < 0.004
    assert heel_down[1] and not toe_down[1]
    assert np.flatnonzero(toe_down).max() > np.flatnonzero(heel_down[: cycle * 3 // 4]).max() + 5
