"""A table of errors as a picture: the probe, who it was taken for, and its own person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from einops import rearrange
from PIL import Image, ImageDraw, ImageFont

from meshgait.text import printable, shortened
from meshgait.viz.palette import INK, PAPER, PREDICTED, TRUE

GAP, HEAD, TEXT = 6, 20, 178
FRAMES = 4
"""Silhouettes of a sequence that are shown."""


@dataclass(frozen=True)
class ConfusionRow:
    """One error.

    Attributes:
        text: lines at the left.
        probe, found, own: silhouettes (n, H, W) uint8 of the three sequences, see `strip`.
    """

    text: Sequence[str]
    probe: np.ndarray
    found: np.ndarray
    own: np.ndarray


def strip(silhouettes: np.ndarray) -> np.ndarray:
    """Silhouettes (n, H, W) uint8 side by side as one grey picture (H, n W)."""
    return rearrange(silhouettes, "n h w -> h (n w)")


def confusion_sheet(rows: Sequence[ConfusionRow]) -> np.ndarray:
    """Table of errors.

    Args:
        rows: at least one; all sequences with as many frames.

    Returns:
        RGB picture uint8.
    """
    height, width = strip(rows[0].probe).shape
    lefts = [TEXT + column * (width + GAP) for column in range(3)]
    sheet = Image.new("RGB", (lefts[-1] + width, HEAD + len(rows) * (height + GAP)), PAPER)
    draw, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(size=13), ImageFont.load_default(size=12)
    for left, name, colour in zip(
        lefts, ("probe", "taken for", "own person"), (INK, PREDICTED, TRUE), strict=True
    ):
        draw.text((left + 3, 2), name, fill=colour, font=font)
    for number, row in enumerate(rows):
        top = HEAD + number * (height + GAP)
        for line, text in enumerate(row.text):
            draw.text((4, top + 2 + 15 * line), printable(shortened(text)), fill=INK, font=small)
        for left, sequence, colour in zip(
            lefts, (row.probe, row.found, row.own), (INK, PREDICTED, TRUE), strict=True
        ):
            share = strip(sequence)[..., None] / 255
            picture = np.array(PAPER) * 1.5 * (1 - share) + np.array(colour) * share
            sheet.paste(Image.fromarray(picture.round().astype(np.uint8)), (left, top))
    return np.asarray(sheet)
