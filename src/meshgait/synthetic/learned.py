"""Silhouettes as segmentation networks leave them: soft blobs on a coarse grid, without hands, feet or bags.

A network decides on a grid coarser than the image; what is thin or unusual falls below its threshold, for some
frames or in a whole sequence. What it is unsure of changes slowly from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from meshgait.synthetic import appearance
from meshgait.synthetic.appearance import Scene, texture
from meshgait.synthetic.subtraction import LEAST, without_pieces


@dataclass(frozen=True)
class LearnedSegmenter:
    """Settings of a segmentation network in one sequence; the figure counts 1, the background 0.

    Attributes:
        doubt: (PARTS,) by how much each part is less than certain.
        grid: pixels of the image per cell of the network's output.
        blocks: whether cells are drawn as squares instead of being interpolated.
        blur: deviation of the smoothing, pixels.
        wander: deviation of what it is unsure of.
        flicker: share of it that is new in each frame.
        level: threshold.
    """

    doubt: np.ndarray
    grid: float
    blocks: bool
    blur: float
    wander: float
    flicker: float
    level: float

    @classmethod
    def sample(cls, rng: np.random.Generator, strength: float = 1.0) -> LearnedSegmenter:
        """Draw the settings of a sequence; `strength` 0 loses nothing."""
        doubt = strength * np.abs(rng.normal(0, 0.05, appearance.PARTS))
        for part, chance in ((appearance.HAND, 0.4), (appearance.SHOE, 0.15), (appearance.BAG, 0.35)):
            doubt[part] += strength * rng.uniform(0.15, 0.6) * (rng.random() < chance)
        return cls(
            doubt.astype(np.float32),
            grid=1.0 + strength * rng.uniform(0.0, 1.6),
            blocks=bool(rng.random() < 0.3),
            blur=0.5 + strength * rng.uniform(0.2, 1.8),
            wander=strength * rng.uniform(0.03, 0.18),
            flicker=rng.uniform(0.2, 1.0),
            level=0.5 - 0.12 * strength * rng.uniform(-0.8, 1.0),
        )

    def apply(self, scene: Scene, rng: np.random.Generator) -> np.ndarray:
        """Silhouettes (T, h, w) uint8, 0 or 255, of a scene."""
        _, height, width = scene.images.shape
        sure = (1.0 - self.doubt).astype(np.float32)
        cells = (max(round(width / self.grid), 8), max(round(height / self.grid), 8))
        places = rng.integers(0, height, (len(scene.images), 2))
        fields = self.wander * texture(2 * height, width + height, max(height / 22, 2), rng)
        unsure: np.ndarray = np.zeros((height, width), np.float32)
        result = np.empty_like(scene.images)
        for frame, image in enumerate(scene.images):
            row, column = places[frame]
            fresh = fields[row : row + height, column : column + width]
            unsure = fresh if frame == 0 else (1 - self.flicker) * unsure + self.flicker * fresh
            score = np.where(image > 0, sure[scene.parts(frame)], np.float32(0))
            score = cv2.GaussianBlur(score, (0, 0), self.blur)
            score = cv2.resize(score + unsure * (score > 0.02), cells, interpolation=cv2.INTER_AREA)
            if self.blocks:
                figure = np.where(score > self.level, np.uint8(255), np.uint8(0))
                figure = cv2.resize(figure, (width, height), interpolation=cv2.INTER_NEAREST)
            else:
                score = cv2.resize(score, (width, height), interpolation=cv2.INTER_LINEAR)
                figure = np.where(score > self.level, np.uint8(255), np.uint8(0))
            figure = without_pieces(figure, 0.3)
            enough = np.count_nonzero(figure) > LEAST * np.count_nonzero(image)
            result[frame] = figure if enough else image
        return result
