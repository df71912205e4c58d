"""Volumes of a frame seen from any side, as a camera that walks around the figure would."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np
from einops import rearrange, reduce
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import map_coordinates

from meshgait.body.skeleton import PARENTS
from meshgait.viz.mesh import camera
from meshgait.viz.panels import GAP, HEAD, INK, PAPER


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
    # the root keeps faint limbs visible beside the trunk
    seen = [np.sqrt(project_volumes(volumes, frame, azimuth)) for azimuth in azimuths]
    brightest = max(view.max() for view in seen) or 1.0
    sheet = Image.new("RGB", (len(seen) * (width + GAP) - GAP, HEAD + height), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for number, (azimuth, view) in enumerate(zip(azimuths, seen, strict=True)):
        large = cv2.resize(view / brightest, (width, height), interpolation=cv2.INTER_LINEAR)
        picture = (matplotlib.colormaps["magma"](large)[..., :3] * 255).round().astype(np.uint8)
        if joints is not None:
            _draw_skeleton(picture, joints, frame, azimuth)
        left = number * (width + GAP)
        sheet.paste(Image.fromarray(picture), (left, HEAD))
        draw.text((left + 4, 3), f"{azimuth:g}°", fill=INK, font=font)
    return np.asarray(sheet)


def _draw_skeleton(picture: np.ndarray, joints: np.ndarray, frame: tuple[int, int], azimuth: float) -> None:
    """Draw bones where the camera of `project_volumes` sees them."""
    scale, (right, _, forward) = picture.shape[0] / frame[0], camera(azimuth)[0]
    across = (joints[:, 0] - frame[1] / 2) * right + joints[:, 2] * forward + frame[1] / 2
    places = np.round(np.stack([across, joints[:, 1]], axis=1) * scale - 0.5).astype(int).tolist()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            cv2.line(picture, places[parent], places[joint], INK, 1, cv2.LINE_AA)
