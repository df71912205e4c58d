"""Segmentation noise is mild, repeats, and never empties a frame."""

import numpy as np

from meshgait.synthetic.noise import roughen


def figures(count: int) -> np.ndarray:
    images = np.zeros((count, 130, 70), np.uint8)
    images[:, 3:125, 25:45] = 255
    images[:, 40:80, 15:55] = 255
    return images


def test_noise_is_mild_and_repeats():
    images = figures(60)
    rough = roughen(images, np.random.default_rng(0))
    assert np.array_equal(rough, roughen(images, np.random.default_rng(0)))
    assert set(np.unique(rough)) == {0, 255}
    clean, dirty = images > 0, rough > 0
    overlap = (clean & dirty).sum(axis=(1, 2)) / (clean | dirty).sum(axis=(1, 2))
    assert 0.93 < overlap.mean() < 0.999
    assert overlap.min() > 0.8
    # nothing far from the figure, and neither grown nor shrunk on the whole
    assert not rough[:, :, :10].any()
    assert abs(dirty.sum() / clean.sum() - 1) < 0.03


def test_tiny_figures_survive():
    images = np.zeros((40, 20, 20), np.uint8)
    images[:, 10, 10] = 255
    assert roughen(images, np.random.default_rng(0)).any(axis=(1, 2)).all()
