"""The course of a walk in one picture: a skeleton at each instant, where it was (Marey's chronophotographs)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from meshgait.body.skeleton import JOINT_NAMES
from meshgait.viz.bones import draw_bones
from meshgait.viz.render import BACKGROUND, camera

TRUNK, LEFT, RIGHT = (120, 126, 138), (214, 84, 48), (0, 114, 178)
MARGIN = 0.12
"""Metres around the figure."""


def motion_trail(walks: Sequence[np.ndarray], height: int = 240, azimuth: float = -90.0) -> np.ndarray:
    """Skeletons of all instants, seen from afar: left limbs red, right limbs blue.

    Args:
        walks: one below the other, each (T, 24, 3) in metres in a standing world, y up, SMPL's order.
        height: of each walk in pixels.
        azimuth: degrees, see `meshgait.viz.render.camera`; from -90, who walks along +z walks to the right.

    Returns:
        RGB picture uint8, as wide as the longest walk.
    """
    seen = [(joints @ camera(azimuth).T)[..., :2] for joints in walks]
    low = np.min([points.min((0, 1)) for points in seen], axis=0) - MARGIN
    high = np.max([points.max((0, 1)) for points in seen], axis=0) + MARGIN
    scale = height / (high[1] - low[1])
    picture = np.empty((len(walks) * height, round((high[0] - low[0]) * scale), 3), np.uint8)
    picture[:] = BACKGROUND
    colours, width = [_colour(name) for name in JOINT_NAMES], max(1, round(height / 150))
    for number, points in enumerate(seen):
        part = picture[number * height :][:height]
        for joints in np.stack([points[..., 0] - low[0], high[1] - points[..., 1]], axis=-1) * scale:
            draw_bones(part, joints, colours, width)
    return picture


def _colour(name: str) -> tuple[int, int, int]:
    return LEFT if name.startswith("left") else RIGHT if name.startswith("right") else TRUNK
