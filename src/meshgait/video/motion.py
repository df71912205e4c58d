"""Motion of the camera: how far the whole picture moves from one frame to the next.

Shift and zoom are fitted to brightness directly (Lucas and Kanade, 1981), over all pixels and from coarse to fine.
Pixels that do not follow, those of walkers among them, are left out of the fit. Where a picture has no contrast,
or only in one direction, nothing moves as far as can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

LEVELS = (80, 160)
"""Columns of the pictures that are compared, from coarse to fine."""
ROUNDS = 4
TRUSTED = 2.0
"""Pixels whose difference is greater than this many times the median one are left out."""
FIRM = 0.4
"""Weight of "it stands still" against what pixels say, as a slope in grey levels a pixel."""
DRIFT, SHAKE = 0.0015, 0.008
"""Motion in widths of the frame up to which a camera counts as standing still: half a pixel of 320 where it goes
the same way in most pairs of frames, 2.6 pixels in four pairs of five. Plain walls on which shadows wander make
single pairs err by a pixel, but not all of them in the same direction."""


@dataclass(frozen=True)
class CameraMotion:
    """How the camera moves.

    Attributes:
        pixels: per frame, of the frames given; the median over all pairs of frames.
        still: whether it counts as standing still.
    """

    pixels: float
    still: bool

    def __str__(self) -> str:
        return f"{'still' if self.still else 'moving'} ({self.pixels:.2f} px a frame)"


def camera_motion(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> CameraMotion:
    """Motion of the camera over pairs of frames that follow each other.

    Args:
        pairs: of frames (H, W, 3) uint8 of one size.

    Returns:
        The motion; without pairs, none.
    """
    if not pairs:
        return CameraMotion(0.0, True)
    moves = np.array([_move(*pair) for pair in pairs])
    lengths = np.linalg.norm(moves, axis=1)
    drift, shake = float(np.linalg.norm(np.median(moves, axis=0))), float(np.quantile(lengths, 0.8))
    return CameraMotion(float(np.median(lengths)) * pairs[0][0].shape[1], drift <= DRIFT and shake <= SHAKE)


def _move(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """How far the picture moves to the right, down, and apart halfway to its border, in widths of the frame."""
    known = np.zeros(3)
    for width in LEVELS:
        first, second = (_grey(picture, width) for picture in (before, after))
        known = _fit(first, second, known)
    return known * np.array([1.0, 1.0, 0.25])


def _grey(picture: np.ndarray, width: int) -> np.ndarray:
    scale = min(1.0, width / picture.shape[1])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32), (0, 0), 1.2)


def _fit(first: np.ndarray, second: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Improve shift and zoom that bring the second picture onto the first one."""
    height, width = first.shape
    across, down = (cv2.Sobel(first, cv2.CV_32F, *way, scale=1 / 8) for way in ((1, 0), (0, 1)))
    x, y = np.meshgrid(np.arange(width) - width / 2, np.arange(height) - height / 2)
    inner = (slice(3, -3), slice(3, -3))
    slopes = [across * width, down * width, across * x + down * y, np.ones_like(first)]
    columns = np.stack([slope[inner].ravel() for slope in slopes], axis=1)
    firm = np.diag([FIRM * width, FIRM * width, FIRM * width, 1e-3]) ** 2 * len(columns) / 100
    for _ in range(ROUNDS):
        right, low, zoom = known[0] * width, known[1] * width, known[2]
        middle = np.array([width / 2, height / 2])
        place = np.array([[1 + zoom, 0, right - zoom * middle[0]], [0, 1 + zoom, low - zoom * middle[1]]])
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(second, place, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)
        rest = (moved - first)[inner].ravel()
        away = np.abs(rest - np.median(rest))
        trusted = away <= TRUSTED * max(float(np.median(away)), 0.5)
        chosen = columns[trusted]
        square = chosen.T @ chosen + firm
        known = known - np.linalg.solve(square, chosen.T @ rest[trusted])[:3]
    return known
