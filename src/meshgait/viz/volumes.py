"""Volumes of a frame seen from any side, as a camera that walks around the figure would."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np
from einops import rearrange, reduce
from scipy.ndimage import map_coordinates

from meshgait.viz.bones import draw_bones
from meshgait.viz.palette import INK
from meshgait.viz.render import camera
from meshgait.viz.sheets import picture_table


def project_volumes(volumes: np.ndarray, frame: tuple[int, int], azimuth: float) -> np.ndarray:
    """Sum of all volumes along the lines of sight of a parallel camera.

    Args:
        volumes: (K, D, H', W') probabilities over a crop; see `meshgait.body.heatmaps` for what they span.
        frame: (H, W) of that crop in pixels.
        azimuth: degrees; 0 sees what the silhouette's camera saw, 90 stands at the right of the picture.

    Returns:
        (H', W) sums at the crop's pixel columns, float64.
    """
    height, width = frame
    depth, rows, columns = volumes.shape[1:]
    density = reduce(volumes.astype(np.float64), "k d h w -> d h w", "sum")
    # places along the camera's right and along the line of sight, a pixel apart, around the volume's middle
    right, reach = np.arange(width) + 0.5 - width / 2, int(np.ceil(np.hypot(height, width)))
    sight = np.arange(reach) + 0.5 - reach / 2
    turn = camera(azimuth)
    u, d = (
        rearrange(right, "r -> r 1") * turn[0, axis] + rearrange(sight, "s -> 1 s") * turn[2, axis]
        for axis in (0, 2)
    )
    # voxel i of n covers [i, i + 1) / n of its axis; depth spans as many pixels as the crop is high
    cells = [(d / height + 0.5) * depth - 0.5, (u / width + 0.5) * columns - 0.5]
    return np.stack(
        [map_coordinates(density[:, row], cells, order=1, mode="grid-constant").sum(-1) for row in range(rows)]
    )


def coloured_view(view: np.ndarray, size: tuple[int, int], brightest: float | None = None) -> np.ndarray:
    """A projection of volumes as a picture.

    Args:
        view: of `project_volumes`.
        size: (H, W) of the picture in pixels.
        brightest: value of the brightest colour; None takes the largest of the view.

    Returns:
        RGB picture (H, W, 3) uint8.
    """
    # the root keeps faint limbs visible beside the trunk
    shares = np.sqrt(view / ((view.max() if brightest is None else brightest) or 1.0))
    large = cv2.resize(shares, size[::-1], interpolation=cv2.INTER_LINEAR)
    return (matplotlib.colormaps["magma"](large)[..., :3] * 255).round().astype(np.uint8)


def volume_views(
    volumes: np.ndarray,
    frame: tuple[int, int],
    azimuths: Sequence[float] = (0, 45, 90, 135),
    height: int = 256,
    joints: np.ndarray | None = None,
) -> np.ndarray:
    """One picture with the volumes of a frame seen from several sides, at one scale of brightness.

    Args:
        volumes: (K, D, H', W') probabilities.
        frame: (H, W) of the crop in pixels.
        azimuths: degrees, see `project_volumes`.
        height: of one view in pixels.
        joints: (24, 3) = (u, v, d) in crop pixels, drawn as a skeleton into each view, or None.

    Returns:
        RGB picture uint8.
    """
    width = round(height * frame[1] / frame[0])
    seen = [project_volumes(volumes, frame, azimuth) for azimuth in azimuths]
    brightest = max(view.max() for view in seen)
    pictures = [coloured_view(view, (height, width), brightest) for view in seen]
    if joints is not None:
        for picture, azimuth in zip(pictures, azimuths, strict=True):
            (right, _, forward), scale = camera(azimuth)[0], height / frame[0]
            across = (joints[:, 0] - frame[1] / 2) * right + joints[:, 2] * forward + frame[1] / 2
            draw_bones(picture, np.stack([across, joints[:, 1]], axis=1) * scale, INK)
    return picture_table([pictures], [f"{azimuth:g}°" for azimuth in azimuths])
