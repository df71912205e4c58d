"""Mild segmentation noise, as silhouettes cut out of real video have it.

Ragged outlines, small holes, now and then a piece of a limb missing for a few frames.
"""

from __future__ import annotations

import cv2
import numpy as np

RAGGED = 0.9
"""Pixels (of a figure of 128 rows) by which an outline wanders."""

HOLES = 0.25
"""Share of frames with a hole."""

LOSSES = 0.04
"""Chance per frame that a piece of a limb begins to be missing."""

LOSS_FRAMES = (1, 5)
"""How long it stays missing, frames."""


def roughen(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Damage silhouettes mildly.

    Args:
        images: (T, h, w) uint8, 0 or 255.
        rng: random numbers.

    Returns:
        Damaged copies, 0 or 255, never empty.
    """
    frames, height, width = images.shape
    rough = np.empty_like(images)
    lost = np.zeros((frames, 3))
    for start in np.flatnonzero(rng.random(frames) < LOSSES):
        end = start + rng.integers(*LOSS_FRAMES)
        lost[start:end] = (rng.random(), rng.random(), rng.uniform(0.025, 0.06))
    for frame, image in enumerate(images):
        # an outline is where the blurred image passes a threshold; letting the threshold vary moves it
        field = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 1.5)
        field *= 0.19 * RAGGED / field.std()
        soft = cv2.GaussianBlur(image.astype(np.float32) / 255, (0, 0), 1.2)
        # clipped, so that it neither speckles the background nor riddles the figure
        figure = np.where(soft + np.clip(field, -0.45, 0.45) > 0.5, np.uint8(255), np.uint8(0))
        if rng.random() < HOLES:
            _punch(figure, rng.random(), rng.uniform(0.05, 0.95), rng.uniform(0.006, 0.02), rng)
        if lost[frame, 2] > 0:
            across, down, size = lost[frame]
            # limbs: the lower legs, or the outermost columns at the height of the arms
            legs = down < 0.6
            _punch(figure, across if legs else round(across), 0.75 + 0.4 * down if legs else down - 0.2, size, rng)
        rough[frame] = figure if figure.any() else image
    return rough


def _punch(figure: np.ndarray, across: float, down: float, size: float, rng: np.random.Generator) -> None:
    """Erase an ellipse in place, centred on the figure at shares (0..1) of its height and of the row's width."""
    rows = np.flatnonzero(figure.any(axis=1))
    if not len(rows):
        return
    tall = rows[-1] - rows[0] + 1
    row = int(np.clip(rows[0] + down * tall, rows[0], rows[-1]))
    columns = np.flatnonzero(figure[row])
    if not len(columns):
        return
    column = int(columns[int(across * (len(columns) - 1))])
    axes = (max(int(size * tall * rng.uniform(0.7, 1.4)), 1), max(int(size * tall * rng.uniform(0.7, 1.4)), 1))
    cv2.ellipse(figure, (column, row), axes, float(rng.uniform(0, 180)), 0, 360, 0, -1)
