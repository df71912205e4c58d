"""The crop rule: how a figure in an image becomes a silhouette of the size the network reads.

The figure is cut to its rows, resized to the full height with its aspect kept, and centred at the column
where the cumulative mass passes one half; what lies outside the window is cut, what is missing is black.
This is the common convention of gait data sets (OpenGait's preprocessing), implemented independently. The result
is the same to the byte except in one case: a figure whose column of half mass is the image's first is dropped
there and kept here.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

MIN_MASS = 10_000
"""Images whose grey values sum up to this or less (40 white pixels) hold no figure."""


class Crop(NamedTuple):
    """Where a silhouette was taken from.

    A point (x, y) of the image (continuous pixels, pixel i covers [i, i + 1), y down) lies in the silhouette at
    u = x * stretch - column, v = (y - row0) * scale.

    Attributes:
        row0: first row of the figure in the image.
        row1: row after its last one.
        scale: silhouette pixels per image pixel, vertically.
        column: left border of the window, in pixels of the resized image.
        stretch: silhouette pixels per image pixel, horizontally; the resized width is a whole number of
            pixels, so this differs from `scale` by less than a pixel over the image's width.
    """

    row0: int
    row1: int
    scale: float
    column: int
    stretch: float

    def to_silhouette(self, points: np.ndarray) -> np.ndarray:
        """Map image points (..., 2) as (x, y) to silhouette points (..., 2) as (u, v)."""
        x, y = points[..., 0], points[..., 1]
        return np.stack([x * self.stretch - self.column, (y - self.row0) * self.scale], axis=-1)


def normalise(image: np.ndarray, size: tuple[int, int] = (64, 44)) -> tuple[np.ndarray | None, Crop | None]:
    """Cut, resize and centre the figure of one image.

    Args:
        image: (h, w) uint8, 0 = background, 255 = figure.
        size: (H, W) of the silhouette.

    Returns:
        Silhouette (H, W) uint8 and where it was taken from; (None, None) if the image holds no figure.
    """
    # sums of rows and columns by OpenCV, ten times as fast as numpy's: packing does little else
    masses = cv2.reduce(image, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    if masses.sum(dtype=np.int64) <= MIN_MASS:
        return None, None
    rows = np.flatnonzero(masses)
    row0, row1 = int(rows[0]), int(rows[-1]) + 1
    height, width = size
    scale = height / (row1 - row0)
    # in whole numbers: the product with `scale` may fall short of a width that is a whole number itself
    resized_width = max(image.shape[1] * height // (row1 - row0), 1)
    resized = cv2.resize(image[row0:row1], (resized_width, height), interpolation=cv2.INTER_CUBIC)
    mass = np.cumsum(cv2.reduce(resized, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S), dtype=np.int64)
    centre = int(np.argmax(mass > mass[-1] / 2))
    column = centre - width // 2
    silhouette = np.zeros(size, np.uint8)
    left, right = max(column, 0), min(column + width, resized_width)
    silhouette[:, left - column : right - column] = resized[:, left:right]
    return silhouette, Crop(row0, row1, scale, column, resized_width / image.shape[1])
