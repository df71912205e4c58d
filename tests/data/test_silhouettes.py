"""The crop rule against a slow, literal version of its statement, and its camera."""

import cv2
import numpy as np
import pytest

from meshgait.data.silhouettes import normalise


def blob(rng, shape=(120, 160), centre=80) -> np.ndarray:
    """A figure of a few discs."""
    image = np.zeros(shape, np.uint8)
    for _ in range(6):
        x, y = rng.integers(centre - 14, centre + 15), rng.integers(15, shape[0] - 15)
        cv2.circle(image, (int(x), int(y)), int(rng.integers(5, 14)), 255, -1)
    return image


def literal(image: np.ndarray) -> np.ndarray:
    """Word for word: cut rows, resize to 64 high, window of 64 at the median column, 10 columns off each side."""
    rows = [r for r in range(len(image)) if image[r].sum() > 0]
    cut = image[rows[0] : rows[-1] + 1]
    resized = cv2.resize(cut, (int(image.shape[1] * 64 / len(cut)), 64), interpolation=cv2.INTER_CUBIC)
    total, seen, centre = resized.astype(int).sum(), 0, None
    for column in range(resized.shape[1]):
        seen += resized[:, column].astype(int).sum()
        if seen > total / 2:
            centre = column
            break
    padded = np.pad(resized, ((0, 0), (32, 32)))
    return padded[:, centre : centre + 64][:, 10:54]


@pytest.mark.parametrize("centre", [80, 8, 152])
def test_equals_the_literal_rule(centre):
    """Also where the window runs over an edge of the image."""
    rng = np.random.default_rng(centre)
    for _ in range(5):
        image = blob(rng, centre=centre)
        silhouette, _ = normalise(image)
        assert silhouette.shape == (64, 44)
        assert np.array_equal(silhouette, literal(image))


def test_a_width_that_comes_out_whole_is_not_cut_short():
    """49 * (64 / 49) falls short of 64 in floating point."""
    rng = np.random.default_rng(0)
    for width, rows in ((49, 49), (98, 49), (103, 206)):
        image = blob(rng, (rows, width), width // 2) if rows > 100 else np.zeros((rows, width), np.uint8)
        image[:, width // 2 - 5 : width // 2 + 9] = 255
        assert np.array_equal(normalise(image)[0], literal(image))


def test_other_sizes_keep_the_aspect():
    image = np.zeros((200, 200), np.uint8)
    image[20:180, 80:120] = 255
    for size in ((64, 44), (128, 88), (32, 22)):
        silhouette, crop = normalise(image, size)
        assert silhouette.shape == size
        width = (silhouette > 127).any(axis=0).sum()
        assert abs(width - size[0] / 4) <= 1
        assert crop.scale == pytest.approx(size[0] / 160)


def test_camera_maps_image_points_to_the_silhouette():
    """Centroids of spots inside a figure, drawn where the camera says; no bias in either direction."""
    rng = np.random.default_rng(0)
    offsets = []
    for _ in range(60):
        top, left = rng.integers(5, 40), rng.integers(20, 90)
        tall, wide = rng.integers(90, 200), rng.integers(24, 50)
        image = np.zeros((260, 180), np.uint8)
        image[top : top + tall, left : left + wide] = 255
        silhouette, crop = normalise(image)
        v, u = np.nonzero(silhouette > 127)
        found = np.array([u.mean() + 0.5, v.mean() + 0.5])
        offsets.append(found - crop.to_silhouette(np.array([left + wide / 2, top + tall / 2])))
    assert np.abs(offsets).max() < 0.6
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.15


def test_corners_map_to_corners():
    image = np.zeros((100, 90), np.uint8)
    image[10:74, 30:52] = 255
    _, crop = normalise(image)
    assert (crop.row0, crop.row1, crop.scale) == (10, 74, 1.0)
    corners = crop.to_silhouette(np.array([[30.0, 10.0], [52.0, 74.0]]))
    assert corners[:, 1] == pytest.approx([0, 64])
    # eleven columns of the figure are left of the centre, ten right of it: the centre is the first past one half
    assert corners[:, 0] == pytest.approx([22 - 11, 22 + 11])


def test_image_without_a_figure():
    image = np.zeros((50, 50), np.uint8)
    assert normalise(image) == (None, None)
    image[10:15, 10:17] = 255  # 35 pixels
    assert normalise(image) == (None, None)


def test_image_is_not_changed():
    image = blob(np.random.default_rng(1))
    before = image.copy()
    normalise(image)
    assert np.array_equal(image, before)
