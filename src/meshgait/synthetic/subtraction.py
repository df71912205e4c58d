"""Silhouettes as background subtraction leaves them.

A pixel belongs to the figure if it differs from the background behind it by more than a threshold. Garments
differ by an amount that is constant in a sequence; where a garment is as bright as what is behind it, holes
wander through the figure as it passes, and heads, arms or feet are lost. Shadows on the ground differ as well.
Morphology and smoothing then close gaps, merge legs and grow the outline. The figure is cropped afterwards, so
that one without a head is scaled up, as it happens in real data.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from meshgait.synthetic import appearance
from meshgait.synthetic.appearance import Backdrop, Scene, texture

LEAST = 0.4
"""Share of the figure's area below which a frame is not used by anyone: it stays as it was before it was
damaged."""


@dataclass(frozen=True)
class Subtraction:
    """Settings of background subtraction in one sequence, brightness from 0 to 1.

    Attributes:
        luma: (PARTS,) brightness of each part.
        colour: (PARTS,) its difference from the background in colour.
        threshold: of the difference.
        kept: least share of the figure above the threshold: people who segment footage lower it until then.
        noise: deviation of a pixel's noise, at most a part of the threshold.
        grain: pixels over which the noise hangs together.
        folds: deviation of the brightness within a garment.
        contrast: deviation of the background's brightness.
        shadow: how much the ground is darker in the walker's shadow.
        spread: half the width of the shadow below a foot, metres.
        comb: pixels by which every other row lags behind (interlaced video).
        opening, closing, growing: diameters of the morphology, pixels; 0 = none.
        median: of the filter, odd; 0 = none.
        pieces: smallest piece that is kept, as a share of the largest.
        holes: largest hole that is closed, as a share of the figure.
        blur: deviation of the last smoothing, pixels.
        level: threshold after it.
    """

    luma: np.ndarray
    colour: np.ndarray
    threshold: float
    kept: float
    noise: float
    grain: float
    folds: float
    contrast: float
    shadow: float
    spread: float
    comb: int
    opening: int
    closing: int
    growing: int
    median: int
    pieces: float
    holes: float
    blur: float
    level: float

    @classmethod
    def sample(cls, rng: np.random.Generator, strength: float = 1.0) -> Subtraction:
        """Draw the settings of a sequence; `strength` 0 loses nothing, 1 is as bad as old surveillance footage."""
        clothes = np.where(rng.random(appearance.PARTS) < 0.6, 0.2, 0.72) + rng.normal(0, 0.12, appearance.PARTS)
        luma = clothes.clip(0.0, 1.0)
        skin = rng.uniform(0.3, 0.8)
        luma[[appearance.FACE, appearance.HAND]] = skin + rng.normal(0, 0.04, 2)
        luma[appearance.SLEEVE] = luma[appearance.TOP] + rng.normal(0, 0.05)
        luma[appearance.SHANK] = luma[appearance.TROUSERS] + rng.normal(0, 0.05)
        luma[appearance.HAIR] = np.clip(rng.normal(0.25, 0.15), 0, 1)
        colour = np.abs(rng.normal(0, 0.12, appearance.PARTS))
        colour[appearance.SLEEVE], colour[appearance.SHANK] = colour[[appearance.TOP, appearance.TROUSERS]]
        merged, cleans = rng.random(), rng.random() < strength
        return cls(
            luma.astype(np.float32),
            (colour + 0.3 * max(1.0 - strength, 0.0)).astype(np.float32),
            threshold=strength * rng.uniform(0.05, 0.17),
            kept=1.0 - strength * rng.uniform(0.01, 0.14),
            noise=strength * rng.uniform(0.02, 0.07),
            grain=rng.uniform(0.5, 1.4),
            folds=strength * rng.uniform(0.02, 0.09),
            contrast=rng.uniform(0.06, 0.2),
            shadow=strength * float(rng.random() < 0.65) * rng.uniform(0.15, 0.65),
            spread=rng.uniform(0.12, 0.25),
            comb=int(strength * rng.choice([0, 0, 0, 1, 2])),
            opening=int(rng.choice([0, 3]) * cleans),
            closing=int(rng.choice([0, 3, 5, 7, 9]) * (merged < 0.55) * cleans),
            growing=int(rng.choice([0, 3, 5], p=(0.45, 0.4, 0.15)) * cleans),
            median=int(rng.choice([0, 3, 5]) * cleans),
            pieces=float(rng.choice([0.02, 0.1, 0.3, 1.0])),
            holes=float(rng.choice([0.0, 0.002, 0.01, 1.0], p=(0.4, 0.2, 0.2, 0.2))),
            blur=rng.uniform(0.4, 1.6),
            level=rng.uniform(0.35, 0.55),
        )

    def apply(self, scene: Scene, rng: np.random.Generator) -> np.ndarray:
        """Silhouettes (T, h, w) uint8, 0 or 255, of a scene."""
        frames, height, width = scene.images.shape
        ground = int(np.median(scene.ground[..., 1]) - 0.3 * np.median(scene.scale))
        backdrop = Backdrop(height, width, ground, scene.shift, rng, self.contrast)
        folds = self.folds * texture(2 * height, 2 * width, max(height / 16, 2), rng)
        # fresh noise in every frame, cut at random out of a larger piece of it
        grains = rng.standard_normal((height + 64, width + 64), np.float32)
        grains = np.asarray(cv2.GaussianBlur(grains, (0, 0), self.grain), np.float32)
        grains *= self.noise / max(float(grains.std()), 1e-6)
        places = rng.integers(0, 64, (frames, 2))
        slant = rng.uniform(-1.2, 1.2)

        def differences(frame: int) -> np.ndarray:
            x, y = (np.clip(size - scene.joints[frame, 0, k], 0, size) for k, size in ((0, width), (1, height)))
            own = folds[int(y) : int(y) + height, int(x) : int(x) + width]
            parts = scene.parts(frame)
            return cv2.magnitude(self.luma[parts] + own - backdrop.behind(frame), self.colour[parts])

        few = np.unique(np.linspace(0, frames - 1, 4).astype(int))
        seen = np.concatenate([differences(frame)[scene.images[frame] > 0] for frame in few])
        threshold = min(self.threshold, float(np.quantile(seen, 1.0 - self.kept)))
        grains *= min(1.0, 0.45 * threshold / max(self.noise, 1e-6))
        near = _disc(2 * int(0.03 * height) + 3)
        result = np.empty_like(scene.images)
        for frame, image in enumerate(scene.images):
            difference = differences(frame)
            # nobody keeps specks far from the walker
            around: np.ndarray = cv2.dilate(image, near)
            difference *= image > 0
            if self.shadow > 0.02:
                shade = self._shade(scene, frame, slant)
                around |= np.where(shade > 0, np.uint8(255), np.uint8(0))
                difference = np.maximum(difference, shade * backdrop.behind(frame))
            row, column = places[frame]
            difference += grains[row : row + height, column : column + width]
            figure = np.where(difference > threshold, around, np.uint8(0))
            if self.comb:
                figure[::2] = np.roll(figure[::2], self.comb, axis=1)
            figure = self._cleaned(figure)
            enough = np.count_nonzero(figure) > LEAST * np.count_nonzero(image)
            result[frame] = figure if enough else image
        return result

    def _shade(self, scene: Scene, frame: int, slant: float) -> np.ndarray:
        """How dark the ground is (h, w) float32: below the feet, and along the shadow of the legs."""
        shade = np.zeros(scene.images.shape[1:], np.float32)
        scale = float(scene.scale[frame])
        for x, y in scene.ground[frame]:
            centre = (int(x + slant * 0.08 * scale), int(y))
            size = (int(self.spread * scale), max(int(0.035 * scale), 1))
            cv2.ellipse(shade, centre, size, 0, 0, 360, self.shadow, -1)
            tip = (int(x + slant * 0.5 * scale), int(y + 0.05 * scale))
            cv2.line(shade, (int(x), int(y)), tip, 0.5 * self.shadow, max(int(0.09 * scale), 1))
        return cv2.GaussianBlur(shade, (0, 0), 1.5)

    def _cleaned(self, figure: np.ndarray) -> np.ndarray:
        """Morphology, pieces and holes, smoothing."""
        if self.median:
            figure = cv2.medianBlur(figure, self.median)
        if self.opening:
            figure = cv2.morphologyEx(figure, cv2.MORPH_OPEN, _disc(self.opening))
        if self.closing:
            figure = cv2.morphologyEx(figure, cv2.MORPH_CLOSE, _disc(self.closing))
        if self.growing:
            figure = cv2.dilate(figure, _disc(self.growing))
        figure = without_pieces(figure, self.pieces)
        if self.holes:
            figure = without_holes(figure, self.holes * np.count_nonzero(figure))
        return smooth(figure, self.blur, self.level)


def _disc(diameter: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))


def without_pieces(figure: np.ndarray, share: float, area: float = 0.0) -> np.ndarray:
    """The figure (0 or 255) without connected pieces smaller than `area` pixels or a share of the largest one."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(figure, connectivity=4)
    if count <= 2:
        return figure
    sizes = stats[:, cv2.CC_STAT_AREA]
    keep = sizes >= max(share * sizes[1:].max(), area)
    keep[0] = False
    return np.where(keep, np.uint8(255), np.uint8(0))[labels]


def without_holes(figure: np.ndarray, area: float) -> np.ndarray:
    """The figure (0 or 255) without enclosed holes of fewer than `area` pixels."""
    # a border of background joins what lies around the figure, so that none of it passes for a hole
    around: np.ndarray = cv2.copyMakeBorder(figure, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(~around, connectivity=4)
    if count <= 2:
        return figure
    keep = stats[:, cv2.CC_STAT_AREA] >= area
    keep[0], keep[labels[0, 0]] = False, True
    return np.where(keep, np.uint8(0), np.uint8(255))[labels][1:-1, 1:-1]


def smooth(figure: np.ndarray, blur: float, level: float) -> np.ndarray:
    """The figure (0 or 255) blurred by a deviation in pixels, and cut at a level between 0 and 1."""
    soft = cv2.GaussianBlur(figure, (0, 0), blur)
    return np.where(soft > 255 * level, np.uint8(255), np.uint8(0))
