"""Measures of a block of frames against plain loops."""

import cv2
import numpy as np
import pytest

from meshgait.inspection.silhouette_measures import CODES, measure_silhouettes

HEIGHT, WIDTH = 64, 44


def packed(frames, bits):
    return np.packbits(frames > 127, axis=-1) if bits == 1 else frames


def plain(frame):
    """Height, width and mass of the figure above 127."""
    rows = [y for y in range(HEIGHT) if any(frame[y, x] > 127 for x in range(WIDTH))]
    columns = [x for x in range(WIDTH) if any(frame[y, x] > 127 for y in range(HEIGHT))]
    mass = sum(int(value) > 127 for value in frame.ravel())
    return rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1, mass


@pytest.mark.parametrize("bits", [1, 8])
def test_extents_and_mass(bits):
    rng = np.random.default_rng(0)
    frames = np.zeros((20, HEIGHT, WIDTH), np.uint8)
    for frame in frames:
        y, x = rng.integers(0, 20, 2)
        frame[y : y + 40, x : x + 20] = rng.integers(60, 256, (40, 20))
    seen = measure_silhouettes(packed(frames, bits), bits, (HEIGHT, WIDTH))
    expected = np.array([plain(frame) for frame in frames])
    np.testing.assert_array_equal(np.stack([seen.height, seen.width, seen.mass], axis=1), expected)
    assert seen.sound.all()


def body(left=17, right=28, top=0, bottom=HEIGHT):
    frame = np.zeros((HEIGHT, WIDTH), np.uint8)
    frame[top:bottom, left:right] = 255
    return frame


@pytest.mark.parametrize("bits", [1, 8])
@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (body(), None),
        (body(bottom=59), None),  # a faint foot
        (body(19, 30), None),  # two columns beside the middle
        (body(2, 44), "full"),
        (body(5, 44), None),
        (body(bottom=40), "height"),
        (body(top=20), "height"),
        (body(0, 11), "centre"),
        (body(25, 40), "centre"),
        (body(22, 24), "tiny"),
        (body(20, 24, 10, 14), "tiny"),
        (255 - body(), "polarity"),
        (255 - body(14, 30, 4), "polarity"),
        (body() * 0, "empty"),
        (body() * 0 + 255, "full"),
        (255 - body(20, 23, 10, 40), "full"),
        (np.maximum(body(5, 40), body(0, 44, 20)), None),  # a blot from side to side is not inverted
    ],
)
def test_each_frame_is_wrong_in_one_way(frame, code, bits):
    seen = measure_silhouettes(packed(frame[None], bits), bits, (HEIGHT, WIDTH))
    assert [name for name, flag in zip(CODES, seen.wrong[0], strict=True) if flag] == ([code] if code else [])


@pytest.mark.parametrize("top", [1, 2, 127])
def test_grey_values_that_never_reach_the_figure(top):
    seen = measure_silhouettes(body()[None] // 255 * np.uint8(top), 8, (HEIGHT, WIDTH))
    assert [name for name, flag in zip(CODES, seen.wrong[0], strict=True) if flag] == ["dim"]


def _flagged(frames):
    seen = measure_silhouettes(frames, 8, (HEIGHT, WIDTH))
    return [[name for name, flag in zip(CODES, row, strict=True) if flag] for row in seen.wrong]


def test_photographs_noise_and_company():
    """As earlier versions packed them."""
    rng = np.random.default_rng(0)
    clothes = np.where(body() > 0, rng.integers(70, 190, (HEIGHT, WIDTH)), 0).astype(np.uint8)
    noisy = np.maximum(body(), rng.integers(0, 40, (HEIGHT, WIDTH), dtype=np.uint8))
    two, pieces = np.maximum(body(12, 20), body(24, 32)), np.maximum(body(), 0)
    pieces[30:34] = 0  # above each other: a belt that was lost
    bag = np.maximum(body(), 0)
    bag[40:56, 36:42] = 255
    soft = cv2.GaussianBlur(body(), (7, 7), 0)
    codes = _flagged(np.stack([clothes, noisy, two, pieces, bag, soft]))
    assert codes == [["grey"], ["noise"], ["several"], [], [], []]


def test_a_figure_low_and_off_the_centre_is_both():
    seen = measure_silhouettes(packed(body(0, 11, 20)[None], 1), 1, (HEIGHT, WIDTH))
    assert [name for name, flag in zip(CODES, seen.wrong[0], strict=True) if flag] == ["height", "centre"]


def test_tall_frames_do_not_overflow():
    frame = np.zeros((1, 300, 220), np.uint8)
    frame[0, :, 90:130] = 255
    seen = measure_silhouettes(frame, 8, (300, 220))
    assert seen.mass[0] == 300 * 40 and not seen.wrong.any()
