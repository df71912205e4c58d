"""Statistics that distinguish silhouettes from photographs, class numbers, inverted masks and several people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from meshgait.errors import DataError

SEGMENT = "segment the walker first and give black and white silhouettes"
INVERTED_BORDER, INVERTED_SHARE = 0.75, 0.5
"""A mask is inverted where the figure fills this share of the border and this share of all pixels."""
LARGEST_LABEL = 31
"""Greatest value of class numbers and body parts; no grey silhouette is as dark."""
MOST_LABELS = 64
"""Most different values that a picture of even areas has; more are shades."""
BACKGROUND_NEAR, BACKGROUND_SHARE = 1 / 8, 0.8
"""Of a mask's darker pixels, this share lies within this part of its contrast from the background's level."""
SPECKS = 1e-4
"""Share of the pixels that may be brighter than the figure or darker than the background."""
FIGURE_NEAR, SHADES_SHARE = 1 / 4, 0.4
"""Figures lie within this part of the contrast from their level; fewer pixels beside them are shades."""
NOISE_SHARE, NOISE_DISTANCE = 0.005, 2
"""A codec left noise where this share of all pixels is faint and farther than this distance [pixels] from the
figure."""
AREA_SHARE = 0.05
"""An even area of a level between background and figure that is this large beside the figure is another class."""
SECOND_HEIGHT, SECOND_MASS = 0.6, 0.25
"""A second figure is this tall and has this many pixels beside the first, and stands beside it."""
LYING = 1.5
"""Width over height of a figure that lies on its side."""


class MaskError(DataError):
    """Pictures that are no silhouettes; the place is put before the message."""


class Sample(NamedTuple):
    """Some frames' values in one channel.

    Attributes:
        bands: (n, h, w) uint8 or uint16 each.
        counts: (256,) or, of 16 bit, (65536,) int64, how often each value occurs.
    """

    bands: list[np.ndarray]
    counts: np.ndarray

    def border(self) -> np.ndarray:
        """How often each value occurs in the frames' outermost pixels."""
        counts = (_histogram(border_of(band), len(self.counts)) for band in self.bands)
        return sum(counts, start=np.zeros_like(self.counts))


def above(band: np.ndarray, low: int, high: int) -> np.ndarray:
    """uint8 of the same shape, 255 above the middle of two levels."""
    middle = (low + high) // 2
    if band.dtype == np.uint8:
        return cv2.threshold(_tall(band), middle, 255, cv2.THRESH_BINARY)[1].reshape(band.shape)
    return (band > middle).astype(np.uint8) * np.uint8(255)


def take_sample(bands: list[np.ndarray]) -> Sample:
    """Count the values of some frames, (n, h, w) uint8 or uint16 each."""
    length = 256 if all(band.dtype == np.uint8 for band in bands) else 65536
    return Sample(bands, sum((_histogram(band, length) for band in bands), start=np.zeros(length, np.int64)))


def _histogram(band: np.ndarray, length: int) -> np.ndarray:
    """(length,) int64, how often each value occurs; OpenCV counts ten times as fast as numpy."""
    return cv2.calcHist([_tall(band)], [0], None, [length], [0, length]).ravel().astype(np.int64)


def _tall(band: np.ndarray) -> np.ndarray:
    """Frames (n, h, w) one below the other (n h, w), for OpenCV; other shapes as they are."""
    return band.reshape(-1, band.shape[-1]) if band.ndim == 3 else band


def border_of(band: np.ndarray) -> np.ndarray:
    """(m,) values at the four sides of frames (n, h, w)."""
    sides = (band[:, 0], band[:, -1], band[:, 1:-1, 0], band[:, 1:-1, -1])
    return np.concatenate([side.ravel() for side in sides])


def span(sample: Sample) -> tuple[int, int]:
    """Least and greatest value, apart from specks."""
    cumulated = np.cumsum(sample.counts)
    bounds = SPECKS * cumulated[-1], (1 - SPECKS) * cumulated[-1]
    return int(np.searchsorted(cumulated, bounds[0], "right")), int(np.searchsorted(cumulated, bounds[1]))


def levels(sample: Sample) -> tuple[int, int]:
    """Commonest values of the background and of the figure.

    Raises:
        MaskError: the background is the bright one.
    """
    lowest, highest = span(sample)
    middle = (lowest + highest) // 2
    low = int(sample.counts[: middle + 1].argmax())
    high = middle + 1 + int(sample.counts[middle + 1 :].argmax())
    if sample.counts[middle + 1 :].sum() > INVERTED_SHARE * sample.counts.sum():
        check_shades(sample, low, high)  # a photograph before a bright wall is no inverted mask
        check_polarity(sample, list(range(middle + 1, len(sample.counts))))
    return low, high


def check_polarity(sample: Sample, figure: list[int]) -> None:
    """Refuse black figures on white."""
    share = sample.counts[figure].sum() / sample.counts.sum()
    if share > INVERTED_SHARE and (border := sample.border())[figure].sum() > INVERTED_BORDER * border.sum():
        raise MaskError(inverted_text(share))


def check_shades(sample: Sample, low: int, high: int) -> None:
    """Refuse grey photographs and mean images: their values do not gather at two levels."""
    contrast, middle = high - low, (low + high) // 2
    first, last = span(sample)
    near_low, near_high = low + int(BACKGROUND_NEAR * contrast), high - int(FIGURE_NEAR * contrast)
    background, darker = sample.counts[: near_low + 1].sum(), sample.counts[: middle + 1].sum()
    figure, between = sample.counts[near_high:].sum(), sample.counts[near_low + 1 : near_high].sum()
    textured = background < BACKGROUND_SHARE * darker or between > SHADES_SHARE * (figure + between)
    if textured or 2 * contrast < last - first:
        shades = 100 * between / sample.counts.sum()
        raise MaskError(
            f"looks like grey pictures ({shades:.0f} % of the pixels are shades between background and figure)",
            f"{SEGMENT}",
        )


def check_areas(sample: Sample, low: int, high: int) -> None:
    """Refuse masks of several classes: even areas of a third value, which soft edges and noise do not make."""
    middle, near = (low + high) // 2, int((high - low) * BACKGROUND_NEAR)
    least = AREA_SHARE * sample.counts[middle + 1 :].sum()
    used = np.flatnonzero(sample.counts)
    for value in np.flatnonzero(sample.counts > least).tolist():
        # a codec makes even areas too, close to the levels, but then among many values
        close = min(abs(value - low), abs(value - high)) <= near
        if value in (low, high) or (close and len(used) > 8):
            continue
        area = sum(_eroded((band == value).astype(np.uint8)) for band in sample.bands)
        if area > least / 2:
            raise MaskError(classes_text("values", used.tolist()))


def is_noisy(sample: Sample, low: int, high: int) -> bool:
    """Whether faint pixels lie where no soft edge is."""
    middle, reach = (low + high) // 2, 2 * NOISE_DISTANCE + 1
    if sample.counts[low + 1 : middle + 1].sum() <= NOISE_SHARE * sample.counts.sum():
        return False
    faint, bands = 0, [band[::2] for band in sample.bands[::2]]
    for band in bands:
        around = cv2.dilate(_tall(above(band, low, high)), np.ones((reach, reach), np.uint8))
        faint += int(((_tall(band) > low) & (around == 0)).sum())
    return faint > NOISE_SHARE * sum(band.size for band in bands)


def _eroded(masks: np.ndarray) -> int:
    """Pixels of (n, h, w) masks that have no other pixels beside them."""
    return int(cv2.erode(_tall(masks), np.ones((3, 3), np.uint8)).sum())


def check_figures(masks: Sequence[np.ndarray]) -> None:
    """Refuse sequences of several people, and of figures that lie on their sides; masks are (n, h, w) each."""
    several, ratios = 0, []
    for stack in masks:
        columns, rows = stack.max(axis=1) > 0, stack.max(axis=2) > 0
        seen = rows.any(axis=1)
        ratios.append(_span(columns[seen]) / _span(rows[seen]))
        # figures side by side leave a gap; only then a closer look is worth its time
        gaps = (np.diff(columns.astype(np.int8), axis=1, prepend=0) > 0).sum(axis=1) > 1
        several += sum(has_second_figure(frame) for frame in stack[gaps])
    shapes = np.concatenate(ratios)
    if 2 * several > len(shapes):
        raise MaskError(
            "shows several figures side by side",
            "give each walker a sequence of its own, or choose one by "
            "--person NUMBER where the masks hold class numbers",
        )
    if len(shapes) and (shapes > LYING).mean() > 0.5:
        raise MaskError("shows figures that lie on their side", "rotate the frames, the walker must stand upright")


def _span(filled: np.ndarray) -> np.ndarray:
    """(m,) places from the first to the last that is filled, of (m, n) bool."""
    return filled.shape[1] - filled.argmax(axis=1) - filled[:, ::-1].argmax(axis=1)


def has_second_figure(mask: np.ndarray) -> bool:
    """Whether beside the largest connected part of a mask (h, w) there is another figure."""
    parts = cv2.connectedComponentsWithStats(mask)[2][1:]
    left, _, width, height, area = parts[parts[:, cv2.CC_STAT_AREA].argsort()[::-1]].T
    beside = (left >= left[0] + width[0]) | (left + width <= left[0])
    return bool((beside & (height >= SECOND_HEIGHT * height[0]) & (area >= SECOND_MASS * area[0])).any())


def inverted_text(share: float) -> str:
    """What an inverted mask is, with the remedy; ``share`` is that of the white pixels."""
    return (
        f"is white with a black figure ({100 * share:.0f} % white); silhouettes are white on black: invert the "
        "frames (255 - frame)"
    )


def classes_text(what: str, used: list[int]) -> str:
    """What masks of several classes are, with the remedy."""
    some = ", ".join(map(str, used[:8])) + (", ..." if len(used) > 8 else "")
    return (
        f"holds masks of several classes ({what} {some}), which are labels and no silhouettes; choose the person "
        "by --person NUMBER"
    )
