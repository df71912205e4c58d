"""Pictures of silhouettes: montages as PNG, sequences as GIF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from einops import rearrange, repeat
from PIL import Image, ImageDraw

from meshgait.atomic import atomic_file
from meshgait.text import printable, shortened
from meshgait.viz.animation import write_gif

LABEL_WIDTH = 96
"""Pixels left of a row for its label."""

PAPER, INK = 40, 255


def montage(
    rows: Sequence[np.ndarray], labels: Sequence[str] | None = None, scale: int = 2, gap_every: int = 0
) -> Image.Image:
    """Rows of silhouettes as one picture.

    Args:
        rows: each (n, H, W) uint8 0..255; rows may differ in length.
        labels: one per row, drawn at its left.
        scale: pixels of the picture per pixel of a silhouette.
        gap_every: number of silhouettes of a row between wider gaps (0: no wider gaps).

    Returns:
        Grey picture.
    """
    count, (height, width) = max(len(row) for row in rows), rows[0].shape[1:]
    left = LABEL_WIDTH if labels else 0
    cell_height, cell_width, wide = height * scale + 2, width * scale + 2, 6 if gap_every else 0
    gaps = (count - 1) // gap_every if gap_every else 0
    picture = Image.new("L", (left + count * cell_width + gaps * wide, len(rows) * cell_height), PAPER)
    draw = ImageDraw.Draw(picture)
    for i, row in enumerate(rows):
        if labels:
            draw.text((4, i * cell_height + cell_height // 2 - 6), printable(shortened(labels[i])), fill=INK)
        for j, silhouette in enumerate(row):
            x = left + j * cell_width + (j // gap_every * wide if gap_every else 0)
            picture.paste(_enlarge(silhouette, scale), (x, i * cell_height))
    return picture


def _enlarge(silhouette: np.ndarray, scale: int) -> Image.Image:
    return Image.fromarray(repeat(silhouette, "h w -> (h y) (w x)", y=scale, x=scale))


def save_png(picture: Image.Image, path: Path | str) -> None:
    """Write a picture whole (temporary name, then renamed).

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_file(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


def save_gif(sequences: Sequence[np.ndarray], path: Path | str, fps: float = 25.0, scale: int = 3) -> None:
    """Write sequences side by side as an endless GIF.

    Args:
        sequences: each (T, H, W) uint8 0..255; all are cut to the shortest.
        path: of the GIF.
        fps: frames per second; a GIF counts in hundredths of a second and plays 50 a second at most.
        scale: pixels of the picture per pixel of a silhouette.

    Raises:
        OutputError: the file cannot be written.
    """
    path, length = Path(path), min(len(sequence) for sequence in sequences)
    wide = rearrange([sequence[:length] for sequence in sequences], "n t h w -> t h (n w)")
    frames = [_enlarge(frame, scale) for frame in wide]
    write_gif(path, frames, fps)
