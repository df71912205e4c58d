"""A camera that does not turn, against a pinhole written from scratch, and the weak camera fitted to it."""

from dataclasses import replace

import numpy as np
import pytest

from meshgait.synthetic.camera import FIGURE_HEIGHT
from meshgait.synthetic.sequence import SequenceJob, SequenceRenderer
from meshgait.synthetic.viewpoints import MOST_ROWS, NEAREST, Viewpoint

PATH = np.stack([np.zeros(12), np.full(12, 0.9), np.linspace(0, 1.5, 12)], axis=-1)


def viewpoint(view: float, seed: int = 0, variety: float = 1.0) -> Viewpoint:
    return Viewpoint.sample(np.random.default_rng(seed), view, 8.0, 1.2, variety)


def eye_of(camera, path=PATH) -> np.ndarray:
    return path + camera.rotation[:, 2] * camera.distance[:, None]


@pytest.mark.parametrize("view", [0, 90, 200])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_stands_still_and_sees_as_a_pinhole_does(view, seed):
    camera = viewpoint(view, seed).camera(PATH)
    eyes = eye_of(camera)
    assert np.abs(eyes - eyes[0]).max() < 1e-9
    plane = camera.lens @ camera.rotation  # world to image plane, the same in all frames
    assert np.abs(plane - plane[0]).max() < 1e-9
    right, up, back = plane[0]
    points = np.random.default_rng(3).uniform(-0.5, 0.5, (3, 5, len(PATH)))
    seen = camera.project(points)
    for frame in (0, 7, 11):
        focal = np.broadcast_to(camera.focal, len(PATH))[frame]

        def pixel(world, focal=focal):
            ray = world - eyes[0]
            return focal * np.array([camera.aspect * (ray @ right), -(ray @ up)]) / -(ray @ back)

        for n in range(5):
            expected = pixel(PATH[frame] + points[:, n, frame]) - pixel(PATH[frame])
            assert seen[:, n, frame] == pytest.approx(expected, abs=1e-6)


def test_nominal_camera_without_variety():
    camera = viewpoint(30, variety=0.0).camera(PATH)
    middle = (PATH[0] + PATH[-1]) / 2
    expected = middle + 8.0 * np.array([np.sin(np.pi / 6), 0, np.cos(np.pi / 6)])
    expected[1] = 1.2
    assert eye_of(camera)[0] == pytest.approx(expected)


def test_varied_cameras_are_near_and_far_but_never_too_near():
    sampled = [viewpoint(0, seed) for seed in range(60)]
    distances = [v.distance for v in sampled]
    assert min(distances) < 4 < 11 < max(distances)
    assert max(v.height for v in sampled) > 2.5 > 0.9 > min(v.height for v in sampled)
    for v in sampled[:20]:
        camera = v.camera(PATH)
        assert np.linalg.norm((eye_of(camera) - PATH)[:, [0, 2]], axis=1).min() >= NEAREST
        assert (FIGURE_HEIGHT * camera.scale <= MOST_ROWS * (1 + 1e-9)).all()


def test_who_comes_near_from_above_has_wide_shoulders():
    """Widths of a bar at the shoulders by those at the ankles: 1 from afar, more from near and above."""
    bars = np.zeros((3, 4, len(PATH)))
    bars[0, :, :] = np.array([-0.2, 0.2, -0.2, 0.2])[:, None]
    bars[1, :, :] = np.array([0.5, 0.5, -0.8, -0.8])[:, None]

    def ratio(distance: float, height: float) -> np.ndarray:
        flat = replace(viewpoint(0, variety=0.0), distance=distance, height=height)
        x = flat.camera(PATH).project(bars)[0]
        return (x[1] - x[0]) / (x[3] - x[2])

    assert ratio(40.0, 1.2) == pytest.approx(np.ones(len(PATH)), abs=0.03)
    above = ratio(3.5, 2.5)
    assert above[-1] > above[0] > 1.1  # ever more on the way to the camera


def test_weak_camera_is_the_least_squares_solution(renderer):
    motion, _, _ = renderer.walk(SequenceJob(renderer.settings.subjects()[0], "nm-01", 0))
    camera = viewpoint(20, 4).camera(motion.path)
    scale, place, error = camera.weak_perspective(motion.joints)
    pixels = camera.project(np.moveaxis(motion.joints, 2, 0).swapaxes(1, 2))
    for frame in range(len(motion.path)):
        x, y, _ = camera.rotation[frame] @ motion.joints[frame].T
        zero, one = np.zeros(24), np.ones(24)
        design = np.concatenate([np.stack([x, one, zero], 1), np.stack([-y, zero, one], 1)])
        target = pixels[:, :, frame].ravel()
        answer, *_ = np.linalg.lstsq(design, target, rcond=None)
        assert [scale[frame], *place[:, frame]] == pytest.approx(answer, rel=1e-6, abs=1e-6)
        left = (design @ answer - target).reshape(2, 24)
        assert error[frame] == pytest.approx(np.linalg.norm(left, axis=0).mean(), rel=1e-6)


def test_only_frames_whose_perspective_is_too_strong_are_not_valid(rig, small):
    shares = {}
    for variety in (0.0, 0.3, 1.0):
        renderer = SequenceRenderer(replace(small, camera_variety=variety, views=(0, 90)), rig)
        jobs = [SequenceJob(s, "nm-01", view) for s in small.subjects()[:2] for view in (0, 90)]
        shares[variety] = np.mean([renderer.render(job).valid.mean() for job in jobs])
    assert shares[0.0] == 1
    assert shares[0.3] > 0.9
    assert shares[1.0] > 0.5


def test_a_child_is_seen_by_the_same_camera_from_lower_down():
    grown, child = (viewpoint(0, variety=0.0).camera(PATH, stature=s) for s in (1.0, 0.6))
    assert eye_of(child)[0, 1] == pytest.approx(eye_of(grown)[0, 1] / 0.6)
