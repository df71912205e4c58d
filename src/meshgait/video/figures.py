"""What a segmenter finds in one frame: figures, and the interface that all segmenters share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np


class Box(NamedTuple):
    """A rectangle in pixels; the right column and the bottom row are the first ones outside."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Rows."""
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """Pixels."""
        return max(self.width, 0.0) * max(self.height, 0.0)

    @property
    def centre(self) -> tuple[float, float]:
        """Middle (x, y)."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def shared(self, other: Box) -> float:
        """Number of pixels in both boxes."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    def iou(self, other: Box) -> float:
        """Intersection over union."""
        shared = self.shared(other)
        return shared / max(self.area + other.area - shared, 1e-9)

    def moved(self, x: float, y: float) -> Box:
        """The same box elsewhere."""
        return Box(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def grown(self, margin: float) -> Box:
        """The box with a margin on all sides."""
        return Box(self.left - margin, self.top - margin, self.right + margin, self.bottom + margin)


@dataclass(frozen=True)
class Figure:
    """A person, or something that may be one, in one frame.

    Attributes:
        mask: (h, w) bool, cut to the figure.
        left, top: where the mask lies in the frame, pixels.
        pieces: connected parts that it was found in, before they were joined.
    """

    mask: np.ndarray
    left: int
    top: int
    pieces: int = 1

    @property
    def box(self) -> Box:
        """Where it is in the frame."""
        height, width = self.mask.shape
        return Box(self.left, self.top, self.left + width, self.top + height)

    @classmethod
    def cut(cls, mask: np.ndarray, left: int = 0, top: int = 0, pieces: int = 1) -> Figure | None:
        """The figure of a mask (h, w) bool with its corner at (left, top) of the frame; None where it is empty."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return None
        part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return cls(np.ascontiguousarray(part), left + int(columns[0]), top + int(rows[0]), pieces)


class Segmenter(Protocol):
    """Finds the figures in the frames of one video.

    Attributes:
        name: in reports.
        needs_still_camera: whether it works only where the camera stands still.
    """

    name: str
    needs_still_camera: bool

    def learn(self, samples: Sequence[np.ndarray]) -> None:
        """Look at some frames (H, W, 3) uint8 BGR of the stretch of the video that comes next."""

    def figures(self, picture: np.ndarray, expected: Sequence[Box] = ()) -> list[Figure]:
        """Figures in a frame (H, W, 3) uint8 BGR; ``expected``: where those of the last frame should be now."""
