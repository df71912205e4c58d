import cv2
import numpy as np
import pytest

from meshgait.synthetic.film import walking_actor
from meshgait.video.figures import Figure
from meshgait.video.tracking import Sighting
from meshgait.video.walking import judge, passes

RATE, WIDTH = 25.0, 640


def sightings(masks, corners, first=0):
    result = []
    for number, (mask, corner) in enumerate(zip(masks, corners, strict=True), first):
        figure = Figure.cut(mask, *(int(v) for v in corner))
        result.append(Sighting(number, figure.box, np.packbits(figure.mask), 1))
    return result


def walk(view=270, frames=60, number=0, height=120.0):
    actor = walking_actor(number, frames, (50, 300), height, view)
    return sightings(actor.masks, actor.corners)


def noisy(seen, seed=0):
    """The same with rough outlines, as segmentation leaves them."""
    rng, masks = np.random.default_rng(seed), []
    for sighting in seen:
        mask = np.pad(sighting.mask, 3).astype(np.float32)
        grain = cv2.GaussianBlur(rng.standard_normal(mask.shape).astype(np.float32), (0, 0), 1.5)
        masks.append(cv2.GaussianBlur(mask, (0, 0), 1.5) + 0.8 * grain > 0.5)
    return sightings(masks, [sighting.box[:2] for sighting in seen])


@pytest.mark.parametrize("view", [270, 90, 240, 300, 315])
@pytest.mark.parametrize("number", [0, 3])
def test_walkers_walk(view, number):
    verdict = judge(walk(view, number=number), RATE, WIDTH)
    assert verdict.walk, verdict
    assert verdict.direction == ("left" if view == 90 else "right")
    assert judge(noisy(walk(view, number=number)), RATE, WIDTH).walk


@pytest.mark.parametrize("view", [0, 180])
def test_who_comes_and_goes_walks_too(view):
    actor = walking_actor(2, 60, (320, 300), 120, view)
    grown = np.linspace(0.8, 1.25, 60)[:: 1 if view == 0 else -1]
    masks = [cv2.resize(m.astype(np.uint8), None, fx=g, fy=g) > 0 for m, g in zip(actor.masks, grown, strict=True)]
    verdict = judge(sightings(masks, [(320 - m.shape[1] // 2, 100) for m in masks]), RATE, WIDTH)
    assert verdict.walk and verdict.direction == ("towards" if view == 0 else "away")


def test_stepping_in_place_is_a_walk():
    actor = walking_actor(0, 60, (50, 300), 120, 270)
    seen = sightings(actor.masks, actor.corners - actor.corners[:, :1] * np.array([1, 0]) + np.array([200, 0]))
    verdict = judge(seen, RATE, WIDTH)
    assert verdict.walk and verdict.direction == "in place"


def refused(seen, rate=RATE):
    verdict = judge(seen, rate, WIDTH)
    assert not verdict.walk
    return verdict.reason


def test_too_few_frames():
    assert refused(walk(frames=20)) == "too few frames (20)"
    assert refused(walk(frames=40), rate=60) == "too few frames (40)"  # less than a cycle


def test_standing():
    still = walk(frames=60)[30]
    seen = sightings([still.mask] * 60, [still.box[:2]] * 60)
    assert refused(seen) == "stands still"
    assert refused(noisy(seen)) == "stands still"


def test_what_rolls():
    still = walk(frames=60)[30]
    assert "legs do not move" in refused(sightings([still.mask] * 60, [(50 + 4 * t, 100) for t in range(60)]))


def test_traffic():
    car = np.zeros((60, 140), bool)
    car[10:, 5:135] = car[:30, 40:100] = True
    assert "not upright" in refused(sightings([car] * 40, [(10 + 8 * t, 100) for t in range(40)]))
    post = np.ones((120, 40), bool)
    assert "too fast" in refused(sightings([post] * 30, [(20 * t, 100) for t in range(30)]))


def jack(phase):
    """A figure (180, 160) at a moment of a jumping jack: 0 arms and legs together, 1 apart."""
    image = np.zeros((180, 160), np.uint8)
    rise = int(12 * np.sin(np.pi * phase))
    hip, neck = (80, 100 - rise), (80, 52 - rise)
    cv2.circle(image, (80, 38 - rise), 11, 255, -1)
    cv2.line(image, neck, hip, 255, 24)
    for side in (-1, 1):
        angle = np.pi * (0.95 * phase + 0.02)
        hand = (int(80 + side * (10 + 50 * np.sin(angle))), int(neck[1] + 50 * np.cos(angle)))
        cv2.line(image, (80 + side * 8, neck[1] + 4), hand, 255, 9)
        foot = (int(80 + side * (6 + 30 * phase)), 170 - rise)
        cv2.line(image, hip, foot, 255, 13)
    return image > 0


def test_jumping_jacks():
    phases = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(75) / 25)
    assert refused(sightings([jack(p) for p in phases], [(200, 50)] * 75)) == "jumps or waves the arms"


def test_a_turn_makes_two_passes():
    there = walk(270, frames=50)
    back = walk(90, frames=50)
    moved = there[-1].box.left - back[0].box.left
    back = [Sighting(50 + s.number, s.box.moved(moved, 0), s.packed, 1) for s in back]
    parts = passes(there + back, RATE, 1)
    judged = [judge(part, RATE, WIDTH) for part in parts]
    assert [verdict.direction for verdict in judged if verdict.walk] == ["right", "left"]


def test_faults_are_left_out_and_gaps_cut():
    seen = walk(frames=60)
    seen[30:45] = [Sighting(s.number, s.box, s.packed, 1, "too small") for s in seen[30:45]]
    assert [len(part) for part in passes(seen, RATE, 1)] == [30, 15]
    assert passes(seen[30:45], RATE, 1) == []
