"""Moving pictures: GIF files, and animated PNG, which is shown wherever pictures are, if only its first frame."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from meshgait.atomic import atomic_file

COLOURS = 128
"""Of the one palette that all frames share; fewer make smaller files."""


def animated_png(pictures: Sequence[np.ndarray], fps: float = 12.5) -> bytes:
    """Pictures as an endless animation.

    Args:
        pictures: at least one, each (H, W) or (H, W, 3) uint8.
        fps: pictures per second.

    Returns:
        The PNG file.
    """
    sample = Image.fromarray(np.concatenate(pictures[:: max(1, len(pictures) // 4)])).convert("RGB")
    palette = sample.quantize(COLOURS)
    first, *rest = (
        Image.fromarray(picture).convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
        for picture in pictures
    )
    file = io.BytesIO()
    first.save(file, format="PNG", save_all=True, append_images=rest, duration=1000 / fps, loop=0, optimize=True)
    return file.getvalue()


def write_gif(path: Path, frames: Sequence[Image.Image], fps: float) -> None:
    """Frames as an endless GIF, which appears only when it is whole.

    Args:
        path: the file; its folder is made.
        frames: at least one.
        fps: frames a second; GIF counts in hundredths of a second, and viewers slow down what is faster than 50.

    Raises:
        OutputError: the file cannot be written.
    """
    duration = max(round(100 / fps), 2) * 10
    with atomic_file(path) as temporary:
        frames[0].save(
            temporary, format="GIF", save_all=True, append_images=list(frames[1:]), duration=duration, loop=0
        )
