import cv2
import numpy as np
import pytest

from meshgait.synthetic.film import backdrop, shoot, walking_actor
from meshgait.video.background import Background, median_picture
from meshgait.video.grouping import groups
from meshgait.video.outline import bridged, filled, smooth, spine, without_rim
from meshgait.video.subtraction import Subtraction


def iou(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


def whole(figures, size):
    mask = np.zeros(size, bool)
    for figure in figures:
        box = figure.box
        mask[box.top : box.bottom, box.left : box.right] |= figure.mask
    return mask


def learned(frames):
    segmenter = Subtraction()
    segmenter.learn([frames[k] for k in range(0, len(frames), 4)])
    return segmenter


def test_a_shadow_caster_is_cut_out_better_than_by_opencv(one_walker):
    capture, frames = cv2.VideoCapture(str(one_walker.path)), []
    while (got := capture.read())[0]:
        frames.append(got[1])
    ours, mixture = learned(frames), cv2.createBackgroundSubtractorMOG2(500, 16, True)
    for frame in frames:
        mixture.apply(frame)
    scores = []
    for number in range(10, 60, 5):
        truth = one_walker.film.masks[0, number]
        theirs = (mixture.apply(frames[number], learningRate=0) == 255).astype(np.uint8)
        theirs = cv2.medianBlur(theirs, 5)
        figures = ours.figures(frames[number])
        assert len(figures) == 1
        assert cv2.connectedComponents(figures[0].mask.astype(np.uint8))[0] == 2  # one piece
        scores.append((iou(whole(figures, truth.shape), truth), iou(theirs > 0, truth)))
    mine, other = np.mean(scores, axis=0)
    assert mine > 0.83 and mine > other + 0.05


def test_changing_exposure_and_a_trembling_camera_are_no_figures(background):
    film = shoot([], background, 24)
    segmenter = learned(film.frames)
    brighter = (film.frames[5] * 1.2 + 6).clip(0, 255).astype(np.uint8)
    shifted = cv2.warpAffine(film.frames[5], np.float32([[1, 0, 0.5], [0, 1, 0.3]]), (320, 240), borderMode=1)
    for frame in (film.frames[5], brighter, shifted):
        assert segmenter.figures(frame) == []
    known = Background(median_picture(list(film.frames)), list(film.frames)).fit
    gain, *_, offset = known(cv2.GaussianBlur(brighter, (3, 3), 0.7).astype(np.float32))
    assert gain == pytest.approx(1.2, abs=0.03) and offset == pytest.approx(6, abs=4)


def test_a_large_picture_is_searched_small_and_cut_out_full(background):
    large = backdrop((480, 640), 300, seed=1)
    film = shoot([walking_actor(3, 40, (150, 440), 240)], large, 48)
    segmenter = learned(film.frames)
    (figure,) = segmenter.figures(film.frames[20])
    assert iou(whole([figure], (480, 640)), film.masks[0, 20]) > 0.88
    (box,) = segmenter.boxes(film.frames[20])
    assert box.iou(figure.box) > 0.8


def test_the_median_is_the_median():
    rng = np.random.default_rng(0)
    samples = [rng.integers(0, 256, (37, 11, 3), np.uint8) for _ in range(7)]
    np.testing.assert_array_equal(median_picture(samples), np.median(np.stack(samples), axis=0))


def test_parts_above_each_other_are_one_figure_and_beside_each_other_two():
    image = np.zeros((100, 120), bool)
    image[10:20, 30:40] = image[30:70, 28:44] = True
    image[12:72, 80:100] = True
    found = groups(image, 12)
    assert sorted((group.box.left, group.box.top) for group in found) == [(28, 10), (80, 12)]
    image[74:, 80:100] = True  # a second person's head and body below are too long for one
    assert len(groups(image[:, 60:], 12)) <= 2


def test_pieces_are_joined_or_dropped():
    mask = np.zeros((100, 60), bool)
    mask[20:90, 20:40] = mask[2:14, 24:36] = True
    mask[50:60, 55:60] = True
    joined, pieces = bridged(mask, 90)
    assert pieces == 3 and cv2.connectedComponents(joined.astype(np.uint8))[0] == 2
    assert (joined[2:14, 24:36].all() and not joined[50:60, 58:60].any()) or joined[50:60, 55:60].all()
    far = np.zeros((100, 100), bool)
    far[10:90, 10:30] = far[10:40, 80:90] = True
    np.testing.assert_array_equal(bridged(far, 80)[0], far & (np.arange(100) < 50))


def test_holes_are_filled_where_nothing_speaks_for_the_background():
    mask = np.zeros((60, 60), bool)
    mask[5:55, 5:55] = True
    mask[20:24, 20:24] = mask[40:44, 40:44] = False
    evidence = np.zeros((60, 60), np.float32)
    evidence[20:24, 20:24] = -5.0
    result = filled(mask, evidence)
    assert not result[20:24, 20:24].any() and result[40:44, 40:44].all() and not result[:5].any()


def test_the_spine_lies_between_head_and_hip():
    mask = np.zeros((120, 60), bool)
    mask[5:20, 24:36] = mask[60:115, 20:40] = True
    there = spine(mask)
    assert there[30:55, 29:31].min() > 0.9 and there[30:55, :15].max() < 0.1
    assert spine(np.zeros((10, 10), bool)).max() == 0


def test_the_edge_lies_where_the_difference_is_half():
    distance = np.zeros((40, 40), np.float32)
    distance[10:30, 10:30] = 100
    soft = cv2.GaussianBlur(distance, (0, 0), 1.0)
    np.testing.assert_array_equal(without_rim(soft > 5, soft), distance > 0)


def test_threads_are_no_limbs():
    mask = np.zeros((100, 90), bool)
    mask[10:90, 20:40] = mask[85:86, 40:88] = True
    result = smooth(mask, 80)
    assert not result[:, 45:].any() and result[15:85, 22:38].all()
