"""Segmenter `subtract`: what differs from the background of a standing camera, without any trained weights.

Figures are found in a small copy of the frame and cut out in the frame itself. Per pixel the evidence is the
log-likelihood ratio of "something is in front" (any brightness) against "background" (Laplace noise of the learned
width). What is darker than the background by a constant factor and has its colour is a shadow, unless clearer
evidence surrounds it. The region between head and hip of an upright figure needs less evidence than the rest:
clothes are often as bright as what is behind them. The outline then moves to where the difference is half of what
it is inside, and is kept smooth by threshold dynamics (Merriman, Bence and Osher, 1992).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from meshgait.video.background import Background, median_picture, smoothed
from meshgait.video.figures import Box, Figure
from meshgait.video.grouping import Group, groups
from meshgait.video.outline import bridged, filled, smooth, spine, without_rim

COARSE_LINES = 240
"""Rows, or columns of an upright picture, in which figures are looked for."""
LEAST_ROWS = 12
"""Rows of a figure in the small copy at least."""
MOST_FIGURES = 12
GREY_LEVELS = 100.0
"""Brightness of clothes is taken to be spread evenly over this many grey levels."""
CAP = 6.0
"""Evidence of one pixel at most, either way."""
DARKEST, BRIGHTEST = 0.55, 0.98
"""Brightness of a shadow against the background."""
ROUNDS, PULL = 4, 0.12
"""Steps of the smoothing, and how much a pixel's evidence counts in them."""
SPINE = 5.0
"""Evidence added between head and hip."""


class Subtraction:
    """Background subtraction; see the module.

    Attributes:
        name: in reports.
        needs_still_camera: it does.
    """

    name, needs_still_camera = "subtract", True

    def __init__(self) -> None:
        self._fine: Background | None = None
        self._coarse: Background | None = None
        self._scale = 1.0

    def learn(self, samples: Sequence[np.ndarray]) -> None:
        """Learn the background from frames spread over the stretch of the video that comes next."""
        picture = median_picture(samples)
        self._fine = self._coarse = Background(picture, samples)
        self._scale = min(1.0, COARSE_LINES / min(picture.shape[:2]))
        if self._scale < 1:
            self._coarse = Background(self._smaller(picture), [self._smaller(sample) for sample in samples])

    def figures(self, picture: np.ndarray, expected: Sequence[Box] = ()) -> list[Figure]:
        """Figures in a frame; see `meshgait.video.figures.Segmenter`."""
        found, known = self._found(picture, expected)
        cut = [self._cut(picture, group, known) for group in found]
        return [figure for figure in cut if figure is not None]

    def boxes(self, picture: np.ndarray, expected: Sequence[Box] = ()) -> list[Box]:
        """Where the figures of a frame are, roughly: found in the small copy and not cut out, which is faster."""
        return [Box(*(side / self._scale for side in group.box)) for group in self._found(picture, expected)[0]]

    def _found(self, picture: np.ndarray, expected: Sequence[Box]) -> tuple[list[Group], np.ndarray]:
        """Figures of the small copy of a frame, and how the frame's brightness differs from the background's."""
        if self._coarse is None:
            raise RuntimeError("learn the background first")
        scale = self._scale
        small = self._smaller(picture) if scale < 1 else picture
        frame = smoothed(small)
        known = self._coarse.fit(frame)
        everything = (slice(None), slice(None))
        _, evidence, shadow = _evidence(
            self._coarse, self._coarse.corrected(frame, known, *everything), everything
        )
        difference = (cv2.GaussianBlur(evidence, (0, 0), 1.0) > 0) & ~_only_shadow(evidence, shadow, 3)
        hints = [Box(*(scale * side for side in box)) for box in expected]
        found = groups(difference, LEAST_ROWS, hints)[:MOST_FIGURES]
        return found, known / np.array([1.0, scale, scale, 1.0])

    def _smaller(self, picture: np.ndarray) -> np.ndarray:
        return cv2.resize(picture, None, fx=self._scale, fy=self._scale, interpolation=cv2.INTER_AREA)

    def _cut(self, picture: np.ndarray, group: Group, known: np.ndarray) -> Figure | None:
        """Cut a figure out of the frame; None where nothing is left of it."""
        background, scale = self._fine, self._scale
        assert background is not None
        height = group.box.height / scale
        margin = 4 + 0.06 * height
        box = Box(*(side / scale for side in group.box)).grown(margin)
        rows, columns = _part(box.top, box.bottom, picture.shape[0]), _part(box.left, box.right, picture.shape[1])
        frame = background.corrected(smoothed(picture[rows, columns]), known, rows, columns)
        distance, evidence, shadow = _evidence(background, frame, (rows, columns))
        evidence[_only_shadow(evidence, shadow, max(round(0.04 * height), 2))] = -CAP
        near = group.within(rows, columns, scale, 0.05 * height)
        evidence[~near] = -CAP
        start = near & (cv2.GaussianBlur(evidence, (0, 0), 1.0) > 0)
        evidence += SPINE * spine(start)
        mask = near & (cv2.GaussianBlur(evidence, (0, 0), 1.0) > 0)
        width = float(np.clip(0.014 * height, 1.0, 4.0))
        for _ in range(ROUNDS):
            mask = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), width) - 0.5 + PULL * evidence > 0
        mask, pieces = bridged(smooth(without_rim(mask, distance), height), height)
        return Figure.cut(filled(mask, evidence), columns.start, rows.start, pieces)


def _part(start: float, stop: float, size: int) -> slice:
    return slice(max(int(start), 0), min(int(np.ceil(stop)), size))


def _evidence(
    background: Background, frame: np.ndarray, part: tuple[slice, slice]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How a corrected part of a frame (h, w, 3) differs from the background.

    Returns:
        Distance in grey levels (h, w), log-likelihood ratio of something in front (h, w), and where a shadow would
        look like this (h, w) bool.
    """
    behind, noise, mass = background.picture[part], background.noise[part], background.mass[part]
    difference = frame - behind
    square = np.einsum("hwc,hwc->hw", difference, difference)
    distance = np.sqrt(square / 3)
    width = 0.9 * np.maximum(noise, 1.5)
    evidence = (distance / width - np.log(GREY_LEVELS / width)).clip(-CAP, CAP)
    # Horprasert et al., 1999: brightness is the projection on the background's colour, the rest is colour
    dot = np.einsum("hwc,hwc->hw", frame, behind)
    brightness = dot / mass
    colour = np.einsum("hwc,hwc->hw", frame, frame) - dot * brightness
    colour = cv2.blur(colour, (3, 3))
    shadow = (brightness > DARKEST) & (brightness < BRIGHTEST) & (colour < 2 * np.maximum(2.5 * noise, 5) ** 2)
    return distance, evidence, shadow


def _only_shadow(evidence: np.ndarray, shadow: np.ndarray, reach: int) -> np.ndarray:
    """Where there is only a shadow: no clear evidence lies around, within ``reach`` pixels."""
    clear = ((evidence > 0) & ~shadow).astype(np.uint8)
    clear = cv2.morphologyEx(clear, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    around = cv2.dilate(cv2.morphologyEx(clear, cv2.MORPH_CLOSE, disc), np.ones((3, 3), np.uint8))
    return shadow & (around == 0)
