"""Bones of SMPL's skeleton as lines."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from meshgait.body.skeleton import PARENTS

_BITS = 4  # OpenCV takes places as integers with this number of fractional bits


def draw_bones(
    picture: np.ndarray, joints: np.ndarray, colours: Sequence[Sequence[int]] | Sequence[int], width: int = 1
) -> None:
    """Draw a line from each joint to its parent.

    Args:
        picture: (H, W, 3) uint8, changed in place.
        joints: (24, 2) column and row in pixels; pixel i covers [i, i + 1).
        colours: one RGB colour, or one for each joint's bone.
        width: of the lines in pixels.
    """
    # OpenCV puts the centre of pixel i at i
    places = np.round((joints - 0.5) * (1 << _BITS)).astype(int).tolist()
    each = np.broadcast_to(np.asarray(colours), (len(PARENTS), 3)).tolist()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            cv2.line(picture, places[parent], places[joint], each[joint], width, cv2.LINE_AA, _BITS)
