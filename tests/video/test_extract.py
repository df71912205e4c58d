import numpy as np
import pytest

import meshgait
from meshgait.errors import DataError
from meshgait.synthetic.film import Actor, shoot, walking_actor, write_video
from meshgait.video import stretches
from meshgait.video.extract import Extraction
from meshgait.video.figures import Figure
from meshgait.video.frames import Look
from meshgait.video.reading import open_video
from meshgait.video.subtraction import Subtraction
from tests.video.test_walking import jack


def overlap(walk, truth):
    """IoU of each frame with the nearest actor's truth (N, T, H, W), and which actor that is."""
    scores = []
    for number, mask, (x, y) in zip(walk.frames, walk.masks, walk.corners, strict=True):
        seen = np.zeros(truth.shape[2:], bool)
        seen[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        scores.append([(seen & one[number]).sum() / max((seen | one[number]).sum(), 1) for one in truth])
    return np.array(scores)


def test_one_walker(one_walker):
    found = meshgait.silhouettes(one_walker.path)
    (walk,) = found.walks
    assert walk.direction == "right" and len(walk.frames) >= 50 and walk.folder == "walker-001/pass-01/right"
    scores = overlap(walk, one_walker.film.masks)
    assert scores.mean() > 0.8 and scores.min() > 0.5  # his trousers are as bright as the wall
    assert walk.height == pytest.approx(120, rel=0.08)
    assert walk.dropped.keys() == {"cut by the border"}
    assert found.report.motion.still and found.report.frames == 85
    images = walk.silhouettes()
    assert images.shape[0] == len(walk.frames) and set(np.unique(images)) == {0, 255}
    assert [(image > 0).sum() for image in images] == [mask.sum() for mask in walk.masks]


def test_two_who_cross_are_never_swapped(crossing):
    found = meshgait.silhouettes(crossing.path)
    assert {walk.direction for walk in found.walks} == {"left", "right"}
    for walk in found.walks:
        who = overlap(walk, crossing.film.masks).argmax(axis=1)
        assert len(set(who)) == 1
        assert walk.direction == ("right", "left")[who[0]]
    assert any("overlap" in other["reason"] for other in found.report.refused)


def test_nobody(videos, background):
    write_video(videos / "nobody.mp4", shoot([], background, 40).frames)
    found = meshgait.silhouettes(videos / "nobody.mp4")
    assert found.walks == [] and found.report.refused == [] and found.report.frames == 40


def test_a_moving_camera_is_said_and_refused(videos, background):
    shift = np.stack([2 * np.arange(40), np.zeros(40, int)], axis=1)
    write_video(videos / "pan.mp4", shoot([walking_actor(1, 40, (60, 215))], background, 40, shift=shift).frames)
    with pytest.raises(
        DataError, match=r"the camera moves \(2\.\d px a frame\), and `subtract` needs a still one"
    ):
        meshgait.silhouettes(videos / "pan.mp4")


def refusals(videos, background, actor, frames, name):
    write_video(videos / f"{name}.mp4", shoot([actor], background, frames).frames)
    found = meshgait.silhouettes(videos / f"{name}.mp4")
    assert found.walks == []
    return [other["reason"] for other in found.report.refused]


def test_too_small(videos, background):
    (reason,) = refusals(videos, background, walking_actor(0, 70, (60, 200), 32), 80, "small")
    assert reason.endswith("were too small")


def test_cut_at_the_border(videos, background):
    (reason,) = refusals(videos, background, walking_actor(0, 60, (60, 275), 140), 75, "feet")
    assert reason.endswith("were cut by the border")


def test_too_few_frames(videos, background):
    (reason,) = refusals(videos, background, walking_actor(0, 18, (60, 215), 120), 60, "few")
    assert reason.startswith("too few frames (1")


def test_standing(videos, background):
    walker = walking_actor(0, 60, (150, 215), 120)
    still = Actor(walker.masks[[30] * 40], walker.colours[[30] * 40], walker.corners[[0] * 40], 10)
    (reason,) = refusals(videos, background, still, 100, "still")
    assert reason == "stands still"


def test_jumping(videos, background):
    phases = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(60) / 25)
    masks = np.array([jack(phase) for phase in phases])
    colours = np.full((*masks.shape, 3), (160, 40, 30), np.uint8)
    jumper = Actor(masks, colours, np.tile((80, 50), (60, 1)), 20)
    assert refusals(videos, background, jumper, 140, "jump") == ["jumps or waves the arms"]


def test_a_video_that_lies_on_its_side(videos, one_walker):
    turned = [np.rot90(frame) for frame in one_walker.film.frames]  # to the left
    write_video(videos / "side.mp4", np.ascontiguousarray(turned))
    lying = meshgait.silhouettes(videos / "side.mp4")
    assert lying.walks == [] and lying.report.refused
    (walk,) = meshgait.silhouettes(videos / "side.mp4", look=Look(rotate=90)).walks
    assert walk.direction == "right" and overlap(walk, one_walker.film.masks).mean() > 0.8


class Boxes:
    """A segmenter of one's own, which says where nobody is."""

    name, needs_still_camera = "boxes", False

    def __init__(self):
        self.learned = []

    def learn(self, samples):
        self.learned.append(len(samples))

    def figures(self, picture, expected=()):
        assert all(len(box) == 4 for box in expected)
        return [Figure(np.ones((100, 40), bool), 100, 60)]


def test_a_segmenter_of_ones_own_and_every(one_walker):
    segmenter = Boxes()
    found = meshgait.silhouettes(one_walker.path, segmenter, Look(every=2))
    assert found.report.frames == 43 and found.report.rate == 12.5 and len(segmenter.learned) == 1
    (other,) = found.report.refused
    assert (other["frames"], other["reason"]) == (43, "stands still")


def test_stretches_hold_every_frame_once(one_walker, monkeypatch):
    monkeypatch.setattr(stretches, "STRETCH", 20)
    monkeypatch.setattr(stretches, "SAMPLES", 5)
    numbers, video = [], open_video(one_walker.path)
    for stretch in stretches.stretches(video):
        assert 1 < len(stretch.samples) <= 5 and len(stretch.pairs) >= len(stretch.samples) - 1
        part = [frame.number for frame in stretch.frames]
        assert len(part) <= 21
        numbers += part
    assert numbers == list(range(85))
    later = [frame.number for part in stretches.stretches(video, 50) for frame in part.frames]
    assert later == list(range(50, 85))


def test_a_webcam_is_read_once(one_walker, monkeypatch):
    monkeypatch.setattr(stretches, "LIVE_STRETCH", 30)
    video = open_video(one_walker.path)
    video.live = True
    extraction = Extraction(video, Subtraction(), show=False)
    walks = list(extraction.walks())
    assert extraction.report.frames == 85
    assert [walk.direction for walk in walks] == ["right"]


def test_going_on_gives_the_same(crossing):
    whole = Extraction(open_video(crossing.path), Boxes(), show=False)
    list(whole.walks())
    later = Extraction(open_video(crossing.path), Boxes(), show=False, start=40, walkers=3)
    list(later.walks())
    assert later.report.frames == 50 and later.walkers == 3  # who is refused is not counted
