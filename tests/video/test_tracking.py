import numpy as np
import pytest

from meshgait.video.figures import Box, Figure
from meshgait.video.tracking import LONGEST, Tracker

SIZE = (200, 400)


def figure(x, top=50, width=30, height=100):
    return Figure(np.ones((height, width), bool), int(x), int(top))


def follow(frames, least=40, every=1):
    tracker, ended = Tracker(SIZE, every, least), []
    for number, figures in enumerate(frames):
        ended += tracker.step(number * every, figures)
    return ended + tracker.finish()


def lefts(track):
    return [sighting.box.left for sighting in track.sightings]


def test_two_who_do_not_meet_are_followed_each():
    tracks = follow([[figure(300 - 4 * t), figure(20 + 4 * t, width=28)] for t in range(30)])
    assert sorted(lefts(track)[0] for track in tracks) == [20, 300]
    assert all(len(set(np.diff(lefts(track)))) == 1 and len(track.sightings) == 30 for track in tracks)


def joint(a, b):
    """What subtraction sees of two figures: one, where they touch."""
    left, right = min(a, b), max(a, b) + 30
    return [figure(left, width=right - left)] if right - left < 60 else [figure(a), figure(b)]


def test_who_cross_are_cut_and_never_swapped():
    tracks = follow([joint(40 + 4 * t, 300 - 4 * t) for t in range(60)])
    assert sum(track.merged for track in tracks) == 1
    alone = [track for track in tracks if not track.merged]
    assert len(alone) == 4
    for track in alone:  # each goes one way only
        assert len(set(np.sign(np.diff(lefts(track))))) == 1
    assert sorted(track.end for track in alone) == ["met another figure"] * 2 + ["the video ended"] * 2


def test_two_who_come_out_of_one_figure_were_two():
    tracks = follow([joint(150 - 3 * max(t - 15, 0), 160 + 3 * max(t - 15, 0)) for t in range(40)])
    first = min(tracks, key=lambda track: track.identity)
    assert first.merged and len(tracks) == 3


def test_one_who_is_left_alone_counts_as_one_again():
    frames = [joint(200, 150 + 4 * t) for t in range(8)] + [[figure(200 + 4 * t)] for t in range(40)]
    tracks = follow([[figure(200), figure(60 + 12 * t)] for t in range(6)] + frames)
    assert tracks[-1].end == "the video ended" and not tracks[-1].merged and len(tracks[-1].sightings) > 20


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        (figure(0), "cut by the border"),
        (figure(370), "cut by the border"),
        (figure(100, top=100), "cut by the border"),
        (figure(100, top=0), "cut by the border"),
        (figure(100, height=39), "too small"),
        (figure(100), ""),
    ],
    ids=str,
)
def test_frames_of_no_use_have_a_reason(seen, fault):
    (track,) = follow([[seen]])
    assert track.sightings[0].fault == fault


def test_boxes_that_overlap_have_a_reason():
    tracks = follow([[figure(100), figure(120, width=40)]])
    assert {track.sightings[0].fault for track in tracks} == {"overlapped by another figure"}
    assert {track.sightings[0].fault for track in follow([[figure(100), figure(128)]])} == {""}


def test_a_figure_may_be_missing_for_some_frames_and_not_for_more():
    for gap, count in ((4, 1), (9, 2)):
        frames = [[figure(20 + 3 * t)] if not 20 <= t < 20 + gap else [] for t in range(50)]
        assert len(follow(frames)) == count
        assert len(follow(frames, every=3)) == count


def test_masks_come_back_as_they_were_and_long_tracks_are_cut():
    mask = np.random.default_rng(0).random((53, 17)) < 0.5
    mask[0, 0] = mask[-1, -1] = True
    tracks = follow([[Figure(mask, 100, 50)] for _ in range(LONGEST + 20)])
    np.testing.assert_array_equal(tracks[0].sightings[7].mask, mask)
    assert [len(track.sightings) for track in tracks] == [LONGEST, 20]


def test_boxes():
    a, b = Box(0, 0, 10, 20), Box(5, 10, 15, 30)
    assert a.shared(b) == 50 and a.iou(b) == pytest.approx(50 / 350) and a.iou(a) == 1
    assert a.shared(Box(10, 0, 20, 20)) == 0 and a.centre == (5, 10)
    assert Figure.cut(np.zeros((4, 4), bool)) is None
