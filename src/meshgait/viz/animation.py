"""Moving pictures for notebooks: animated PNG, which is shown wherever pictures are, if only its first frame."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

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
