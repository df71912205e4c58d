"""A walking sequence as an animation: silhouette, volumes, skeletons and meshes, predicted beside true."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from meshgait.viz.animation import write_gif
from meshgait.viz.panels import INK, PAPER, PanelRow, row_pictures

COLUMNS = ("silhouette", "heatmaps, front", "heatmaps, side", "skeleton", "skeleton, side", "mesh", "true mesh")
COLOURS = 96
"""Colours of an animation; a GIF can hold 256, fewer make it smaller."""
GAP, HEAD = 4, 18


def walk_frames(rows: Sequence[PanelRow], faces: np.ndarray, height: int = 160) -> list[np.ndarray]:
    """Pictures of the frames of one sequence.

    Args:
        rows: T frames in order.
        faces: (F, 3) of the mesh.
        height: of one part in pixels.

    Returns:
        T RGB pictures uint8, all of one size.
    """
    tall, wide = rows[0].silhouette.shape
    width = round(height * wide / tall)
    count = len(COLUMNS) - (rows[0].true_vertices is None)
    sheet = _head(COLUMNS[:count], width, height)
    pictures = []
    for row in rows:
        picture = sheet.copy()
        for column, part in enumerate(row_pictures(row, faces, (height, width), sides=False)):
            left = column * (width + GAP)
            picture[HEAD:, left : left + width] = part
        pictures.append(picture)
    return pictures


def _head(names: Sequence[str], width: int, height: int) -> np.ndarray:
    image = Image.new("RGB", (len(names) * (width + GAP) - GAP, HEAD + height), PAPER)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=12)
    for column, name in enumerate(names):
        draw.text((column * (width + GAP) + 3, 2), name, fill=INK, font=font)
    return np.asarray(image).copy()


def save_animation(pictures: Sequence[np.ndarray], path: Path | str, fps: float = 12.5) -> None:
    """Write RGB pictures as an endless GIF with one palette.

    Args:
        pictures: T pictures (H, W, 3) uint8.
        path: of the GIF.
        fps: frames per second; a GIF counts in hundredths of a second and plays 50 a second at most.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    # one palette for all frames: no flicker, and what stands still is not written again
    sample = Image.fromarray(np.concatenate(pictures[:: max(1, len(pictures) // 4)]))
    palette = sample.quantize(COLOURS, Image.Quantize.MEDIANCUT)
    frames = [Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    write_gif(path, frames, fps)
