"""Pictures of doubtful frames: silhouettes large enough to see, with the mesh's outline where there is a mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from einops import repeat
from PIL import Image, ImageDraw, ImageFont

from meshgait.text import printable, shortened

FIGURE, SURROUNDINGS, OUTLINE = (176, 182, 194), (34, 37, 44), (255, 140, 40)
INK, PAPER = (225, 228, 235), (22, 24, 30)
COLUMNS = 6
HEIGHT = 256
"""Pixels of a silhouette in the picture."""

GAP, HEAD, LINE = 10, 30, 15


@dataclass(frozen=True)
class SuspiciousFrame:
    """A frame to look at.

    Attributes:
        lines: written below it.
        silhouette: (H, W) uint8.
        mask: (H, W) bool, what a mesh covers of it, or None.
    """

    lines: tuple[str, ...]
    silhouette: np.ndarray
    mask: np.ndarray | None = None


def suspicious_frames_sheet(doubts: Sequence[SuspiciousFrame], title: str) -> Image.Image:
    """Frames side by side in rows of six.

    Args:
        doubts: at least one, all of one size.
        title: written above.

    Returns:
        RGB picture.
    """
    doubts = [replace(doubt, lines=tuple(printable(shortened(line)) for line in doubt.lines)) for doubt in doubts]
    title = printable(shortened(title, 120))
    height, width = doubts[0].silhouette.shape
    scale = max(1, HEIGHT // height)
    font, small = ImageFont.load_default(size=15), ImageFont.load_default(size=12)
    columns, rows = min(COLUMNS, len(doubts)), -(-len(doubts) // COLUMNS)
    texts = max(len(doubt.lines) for doubt in doubts)
    longest = max(small.getlength(line) for doubt in doubts for line in doubt.lines)
    across = GAP + max(width * scale, round(longest))
    down = GAP + height * scale + LINE * texts
    size = (max(GAP + columns * across, GAP + round(font.getlength(title)) + GAP), HEAD + rows * down + GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 6), title, fill=INK, font=font)
    for place, doubt in enumerate(doubts):
        left, top = GAP + place % COLUMNS * across, HEAD + place // COLUMNS * down
        sheet.paste(Image.fromarray(_picture(doubt, scale)), (left, top))
        for line, text in enumerate(doubt.lines):
            draw.text((left, top + height * scale + 1 + line * LINE), text, fill=INK, font=small)
    return sheet


def _picture(doubt: SuspiciousFrame, scale: int) -> np.ndarray:
    share = doubt.silhouette[..., None] / 255
    picture = (share * FIGURE + (1 - share) * SURROUNDINGS).round().astype(np.uint8)
    picture = np.ascontiguousarray(repeat(picture, "h w c -> (h y) (w x) c", y=scale, x=scale))
    if doubt.mask is not None:
        mask = repeat(doubt.mask.astype(np.uint8), "h w -> (h y) (w x)", y=scale, x=scale)
        contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, contours, -1, OUTLINE, 2)
    return picture
