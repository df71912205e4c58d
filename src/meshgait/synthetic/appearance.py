"""What a segmenter sees: which garment or part of the body each pixel shows, and what is behind the walker.

Nothing is lit or shaded; a part has one brightness and one difference of colour, which are constant in a sequence.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

HAIR, FACE, TOP, SLEEVE, HAND, TROUSERS, SHANK, SHOE, BAG = range(9)
PARTS = 9

ARMS = ((16, 18, 20, 22), (17, 19, 21, 23))
LEGS = ((4, 7, 10), (5, 8, 11))
NECK, HEAD, PELVIS = 12, 15, 0

FIXED = 4
"""Bits of a pixel's fraction in coordinates given to OpenCV."""


@dataclass(frozen=True)
class Scene:
    """A walk as images, with what is needed to say what they show.

    Attributes:
        images: (T, h, w) uint8, 255 = the walker.
        joints: (T, 24, 2) pixels (x, y) in them.
        depth: (T, 24) metres, greater is nearer to the camera.
        scale: (T,) pixels per metre.
        face: (T, 2) pixels from the head's centre to the face.
        bags: point sets (T, n, 2) of what is carried, pixels.
        hem: metres from the pelvis joint down to where the upper garment ends.
        ground: (T, 2, 2) pixels of the place below each foot on the ground.
        shift: (T, 2) pixels by which the background moved behind the walker.
    """

    images: np.ndarray
    joints: np.ndarray
    depth: np.ndarray
    scale: np.ndarray
    face: np.ndarray
    bags: list[np.ndarray]
    hem: float
    ground: np.ndarray
    shift: np.ndarray

    def parts(self, frame: int) -> np.ndarray:
        """Which part (h, w) uint8 each pixel shows; pixels beside the walker have the part of the nearest."""
        joints, scale, depth = self.joints[frame], float(self.scale[frame]), self.depth[frame]
        image = np.empty(self.images.shape[1:], np.uint8)
        neck, hem = int(joints[NECK, 1] - 0.02 * scale), int(joints[PELVIS, 1] + self.hem * scale)
        knee = max(int(joints[[4, 5], 1].max()), hem)
        ankle = max(int(joints[[7, 8], 1].max() - 0.01 * scale), hem)
        for start, part in ((0, HAIR), (max(neck, 0), TOP), (hem, TROUSERS), (knee, SHANK), (ankle, SHOE)):
            image[start:] = part
        _disc(image, joints[HEAD] + self.face[frame] + [0.0, -0.07 * scale], 0.085 * scale, FACE)
        for leg in LEGS:
            if joints[leg[0], 1] > hem:
                _line(image, joints[leg[0]], joints[leg[1]], 0.13 * scale, SHANK)
            _line(image, joints[leg[1]] + [0.0, 0.03 * scale], joints[leg[2]], 0.14 * scale, SHOE)
        near = int(depth[17] > depth[16])
        self._arm(image, 1 - near, joints, scale)
        middle = (joints[PELVIS] + [0.0, self.hem * scale]) if self.hem < 0.15 else joints[PELVIS]
        _line(image, joints[NECK] + [0.0, 0.12 * scale], middle - [0.0, 0.1 * scale], 0.24 * scale, TOP)
        for bag in self.bags:
            cv2.fillConvexPoly(image, cv2.convexHull(bag[frame].astype(np.float32)).astype(np.int32), BAG)
        self._arm(image, near, joints, scale)
        return image

    def _arm(self, image: np.ndarray, side: int, joints: np.ndarray, scale: float) -> None:
        shoulder, elbow, wrist, hand = ARMS[side]
        _line(image, joints[shoulder], joints[elbow], 0.13 * scale, SLEEVE)
        _line(image, joints[elbow], joints[wrist], 0.11 * scale, SLEEVE)
        _disc(image, joints[hand], 0.085 * scale, HAND)


def _fixed(point: np.ndarray) -> tuple[int, int]:
    return int(point[0] * (1 << FIXED)), int(point[1] * (1 << FIXED))


def _line(image: np.ndarray, start: np.ndarray, end: np.ndarray, width: float, part: int) -> None:
    cv2.line(image, _fixed(start), _fixed(end), part, max(int(width + 0.5), 1), cv2.LINE_8, FIXED)


def _disc(image: np.ndarray, centre: np.ndarray, radius: float, part: int) -> None:
    cv2.circle(image, _fixed(centre), max(int(radius * (1 << FIXED)), 1), part, -1, cv2.LINE_8, FIXED)


def texture(height: int, width: int, cell: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth random pattern (height, width) float32 of mean 0 and deviation about 1, grains of `cell` pixels."""
    coarse = rng.standard_normal((int(height / cell) + 2, int(width / cell) + 2)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


class Backdrop:
    """Brightness of the background, wider than the image, that passes behind the walker.

    Args:
        height: of the image, pixels.
        width: of the image.
        row: of the image at which the ground begins behind the walker.
        shift: (T, 2) pixels by which it moves.
        rng: random numbers.
        contrast: deviation of its brightness.
    """

    def __init__(
        self, height: int, width: int, row: int, shift: np.ndarray, rng: np.random.Generator, contrast: float
    ) -> None:
        reach = int(min(np.ptp(shift[:, 0]), 3 * width)) + 1
        across = width + reach
        picture = 0.6 * texture(height, across, height / 3, rng) + 0.45 * texture(height, across, height / 12, rng)
        # walls, doors, posts and trees stand upright
        edges = np.sort(rng.integers(0, across, 1 + across * 3 // (2 * height)))
        levels = rng.standard_normal(len(edges) + 1).astype(np.float32)
        picture += 0.7 * levels[np.searchsorted(edges, np.arange(across))]
        picture[max(row, 0) :] = 0.5 * picture[max(row, 0) :] + rng.standard_normal()
        self.picture, self.width = np.float32(contrast) * picture + np.float32(rng.normal(0.5, 0.15)), width
        # what is longer than the picture comes back
        place = np.abs((shift[:, 0] - shift[:, 0].min() + reach) % (2 * reach) - reach)
        self.columns = place.astype(int)

    def behind(self, frame: int) -> np.ndarray:
        """Brightness (h, w) float32 behind the walker."""
        column = self.columns[frame]
        return self.picture[:, column : column + self.width]
