"""What is wrong with single silhouettes, measured for a block of frames at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meshgait.data.mask_checks import has_second_figure

TINY = 0.05
"""Smallest share of the crop for the figure, and for the background; real figures fill a fifth to a half."""

FILL = 0.9
"""Share of the height that a figure must span; the crop makes it all of it, but for a faint first row."""

OFF = 0.1
"""Share of the width by which a figure's middle may lie beside the crop's."""

EDGE = 0.75
"""Share of both outermost columns that is white where the surroundings are; an arm or a blot covers less."""

SHADES, FAINT = 0.5, 0.5
"""Share of shades among a figure's pixels; faint pixels per pixel of the figure, a third with soft edges."""

CODES = ("empty", "full", "dim", "polarity", "tiny", "height", "centre", "grey", "noise", "several")
"""Faults of a frame: at most one of the first five; the others only of figures without those five."""


class SilhouetteMeasures(NamedTuple):
    """Of T frames.

    Attributes:
        wrong: (T, len(CODES)) bool.
        sound: (T,) bool, none of the first five codes.
        height: (T,) rows that the figure spans.
        width: (T,) columns that it spans.
        mass: (T,) its pixels.
    """

    wrong: np.ndarray
    sound: np.ndarray
    height: np.ndarray
    width: np.ndarray
    mass: np.ndarray


def measure_silhouettes(rows: np.ndarray, bits: int, size: tuple[int, int]) -> SilhouetteMeasures:
    """Look at frames as they are stored.

    Args:
        rows: (T, H, ceil(W / 8)) packed bits or (T, H, W) grey values, uint8.
        bits: 1 or 8.
        size: (H, W).
    """
    height, width = size
    if bits == 1:
        pixels = np.unpackbits(rows, axis=-1, count=width)
        dark = grey = noise = np.zeros(len(rows), bool)
    else:
        pixels, dark = (rows > 127).astype(np.uint8), np.asarray(rows.any(axis=(1, 2)))
        grey, noise = _shades(rows)
    # sums of bytes are ten times as fast by einsum, as long as a byte holds them
    kind = np.uint8 if max(size) < 256 else np.uint16
    columns = np.einsum("thw->tw", pixels, dtype=kind).astype(np.int32)
    filled = np.einsum("thw->th", pixels, dtype=kind) > 0
    mass = columns.sum(axis=1)
    nobody = mass == 0
    full = mass > (1 - TINY) * height * width
    # a figure may reach one side of the crop, surroundings reach both, from top to bottom
    around = (columns[:, [0, -1]].min(axis=1) > EDGE * height) & (mass > height * width / 2)
    tiny = mass < TINY * height * width
    tall, wide = _span(filled), _span(columns > 0)
    cumulated = np.cumsum(columns, axis=1)
    middle = (cumulated > mass[:, None] / 2).argmax(axis=1)
    sound = ~(nobody | full | around | tiny)
    wrong = [
        nobody & ~dark,
        full,
        nobody & dark,
        around & ~full,
        tiny & ~nobody,
        sound & (tall < FILL * height),
        sound & (np.abs(middle - width // 2) > max(1, OFF * width)),
        sound & grey,
        sound & noise,
        sound & _several(pixels, columns > 0),
    ]
    return SilhouetteMeasures(np.stack(wrong, axis=1), sound, tall, wide, mass)


def _shades(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two (T,) bool of grey frames (T, H, W): the figure has shades; a codec left noise around the figure."""
    counts = [np.count_nonzero(rows >= level, axis=(1, 2)) for level in (1, 64, 128, 192)]
    faint, shades, figure = counts[0] - counts[1], counts[1] - counts[3], counts[2]
    return shades > SHADES * counts[1], faint > FAINT * figure


def _several(pixels: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(T,) bool, whether figures stand side by side on (T, H, W) 0 or 1; ``columns`` (T, W) marks filled ones."""
    several = np.zeros(len(pixels), bool)
    # figures side by side leave a gap; only then a closer look is worth its time
    gaps = (np.diff(columns.astype(np.int8), axis=1, prepend=0) > 0).sum(axis=1) > 1
    for frame in np.flatnonzero(gaps):
        several[frame] = has_second_figure(pixels[frame])
    return several


def _span(filled: np.ndarray) -> np.ndarray:
    """Places from the first to the last that is filled, (T,) of (T, n) bool; n where none is."""
    return filled.shape[1] - filled.argmax(axis=1) - filled[:, ::-1].argmax(axis=1)
