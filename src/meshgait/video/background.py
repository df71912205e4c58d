"""Background of a standing camera, and the difference of a frame from it.

The background is the median over sampled frames. Exposure that drifts and a camera that trembles by parts of a
pixel are measured in the frame itself: brightness is fitted, robustly, as ``gain x background + shift x slope +
offset``, and what the fit explains is no difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

STEP = 4
"""The fit uses every N-th row and column."""
MOST_SHIFT = 3.0
"""Pixels; slopes of the picture cannot measure larger shifts."""
LEAST_NOISE = 1.2
"""Grey levels."""
BAND = 16
"""Rows whose median is computed at once, so that memory stays small."""
BLUR = 0.7
"""Standard deviation in pixels by which noise is smoothed."""


def smoothed(picture: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) as float32, a little blurred."""
    return cv2.GaussianBlur(picture, (3, 3), BLUR).astype(np.float32)


def median_picture(samples: Sequence[np.ndarray]) -> np.ndarray:
    """Median (H, W, 3) uint8 over pictures of the same size."""
    middle, result = len(samples) // 2, np.empty_like(samples[0])
    for row in range(0, len(result), BAND):
        band = np.stack([sample[row : row + BAND] for sample in samples])
        result[row : row + BAND] = np.partition(band, middle, axis=0)[middle]
    return result


class Background:
    """A learned background.

    Args:
        picture: (H, W, 3) of the empty scene.
        samples: frames from which the noise is learned.

    Attributes:
        picture: (H, W, 3) float32.
        noise: (H, W) float32, standard deviation of a pixel's brightness over time.
    """

    def __init__(self, picture: np.ndarray, samples: Sequence[np.ndarray]) -> None:
        self.picture = smoothed(picture)
        self._slopes = [cv2.Sobel(self.picture, cv2.CV_32F, *way, scale=1 / 8) for way in ((1, 0), (0, 1))]
        coarse = [part[::STEP, ::STEP].mean(axis=-1).ravel() for part in (self.picture, *self._slopes)]
        self._columns = np.stack([*coarse, np.ones_like(coarse[0])], axis=1).astype(np.float64)
        # every second row and column is enough, noise is smooth
        half = [np.abs(self.matched(sample) - self.picture)[::2, ::2].max(axis=-1) for sample in samples]
        noise = 1.4826 * np.median(np.stack(half), axis=0).astype(np.float32)
        noise = cv2.resize(cv2.blur(noise, (3, 3)), self.picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        self.noise = np.maximum(noise, LEAST_NOISE)
        self.mass = np.maximum(np.einsum("hwc,hwc->hw", self.picture, self.picture), 1.0)

    def fit(self, picture: np.ndarray) -> np.ndarray:
        """Gain, shift to the right and down in pixels, and offset of a smoothed frame against the background."""
        seen = picture[::STEP, ::STEP].mean(axis=-1).ravel().astype(np.float64)
        rest, known = seen - self._columns[:, 0], np.array([1.0, 0.0, 0.0, 0.0])
        for _ in range(2):
            distance = np.abs(rest - np.median(rest))
            trusted = distance < 2.5 * max(float(np.median(distance)), 1.0)
            columns = self._columns[trusted]
            square = columns.T @ columns + 1e-3 * np.eye(4)
            known = np.linalg.solve(square, columns.T @ seen[trusted])
            rest = seen - self._columns @ known
        if not 0.4 < known[0] < 2.5 or np.abs(known[1:3]).max() > MOST_SHIFT:
            return np.array([1.0, 0.0, 0.0, float(np.median(seen - self._columns[:, 0]))])
        return known

    def matched(self, picture: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
        """A frame as it would look in the background's exposure and place: (H, W, 3) float32."""
        frame = smoothed(picture)
        return self.corrected(frame, self.fit(frame) if known is None else known, slice(None), slice(None))

    def corrected(self, frame: np.ndarray, known: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """A part of a smoothed frame, corrected by what `fit` found."""
        gain, right, down, offset = (np.float32(value) for value in known)
        result = frame - offset
        if abs(right) > 0.05:
            result -= right * self._slopes[0][rows, columns]
        if abs(down) > 0.05:
            result -= down * self._slopes[1][rows, columns]
        return result / gain
