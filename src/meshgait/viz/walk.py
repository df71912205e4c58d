"""A walking sequence as an animation: silhouette, volumes, skeletons and meshes, predicted beside true."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from meshgait.viz.animation import write_gif
from meshgait.viz.panels import PanelRow, row_pictures
from meshgait.viz.sheets import picture_table

COLUMNS = ("silhouette", "heatmaps, front", "heatmaps, side", "skeleton", "skeleton, side", "mesh", "true mesh")
COLOURS = 96
"""Colours of an animation; a GIF can hold 256, fewer make it smaller."""


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
    size = (height, round(height * wide / tall))
    names = COLUMNS[: len(COLUMNS) - (rows[0].true_vertices is None)]
    return [picture_table([row_pictures(row, faces, size, sides=False)], names) for row in rows]


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
