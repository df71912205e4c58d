"""Pictures of the 3D branch's output: silhouette, volumes from two sides, skeleton and mesh, beside the truth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import matplotlib
import numpy as np
from einops import rearrange, reduce
from PIL import Image, ImageDraw, ImageFont

from meshgait.body.skeleton import NUM_JOINTS, PARENTS
from meshgait.viz.mesh import Mesh
from meshgait.viz.paint import paint

PREDICTED = (255, 150, 60)
TRUE = (70, 200, 120)
INK, PAPER = (225, 228, 235), (22, 24, 30)
GAP, HEAD = 4, 22
MESH_COLOURS = {"predicted": (236, 176, 130), "true": (150, 205, 170)}


@dataclass(frozen=True)
class PanelRow:
    """One frame to draw; pixel coordinates (u right, v down, d towards the camera) are those of the crop.

    Attributes:
        silhouette: (H, W) in [0, 1].
        volumes: (K, D, H', W') probabilities.
        points: (K, 3) predicted, joints first.
        vertices: (V, 3) predicted mesh.
        true_points: (P, 3) true joints (markers may follow), or None.
        true_vertices: (V, 3), or None.
    """

    silhouette: np.ndarray
    volumes: np.ndarray
    points: np.ndarray
    vertices: np.ndarray
    true_points: np.ndarray | None = None
    true_vertices: np.ndarray | None = None


def heatmap_panel(rows: list[PanelRow], faces: np.ndarray, height: int = 256) -> np.ndarray:
    """Table of pictures, one row a frame, columns named on top.

    Args:
        rows: frames to draw.
        faces: (F, 3) of the mesh.
        height: of one picture in pixels.

    Returns:
        RGB picture uint8.
    """
    frame_height, frame_width = rows[0].silhouette.shape
    width = round(height * frame_width / frame_height)
    known = rows[0].true_points is not None
    columns = ["silhouette", "volumes, front", "volumes, side", "skeleton, front", "skeleton, side", "mesh"]
    columns += ["true mesh"] * known + ["mesh, side"] + ["true, side"] * known
    sheet = np.full(
        (HEAD + len(rows) * (height + GAP), len(columns) * (width + GAP) - GAP, 3), PAPER, dtype=np.uint8
    )
    for line, row in enumerate(rows):
        top = HEAD + line * (height + GAP)
        for column, picture in enumerate(row_pictures(row, faces, (height, width))):
            left = column * (width + GAP)
            sheet[top : top + height, left : left + width] = picture
    return _headed(sheet, columns, width + GAP, known)


def row_pictures(row: PanelRow, faces: np.ndarray, size: tuple[int, int], sides: bool = True) -> list[np.ndarray]:
    """Pictures of one frame: silhouette, volumes and skeletons from two sides, mesh, true mesh if it is known.

    Args:
        row: the frame.
        faces: (F, 3) of the mesh.
        size: (H, W) of each picture in pixels.
        sides: whether the meshes from the side follow.

    Returns:
        RGB pictures uint8.
    """
    figure = cv2.resize(row.silhouette.astype(np.float32), size[::-1], interpolation=cv2.INTER_NEAREST)
    figure = rearrange((figure * 205 + 15).astype(np.uint8), "h w -> h w 1").repeat(3, axis=2)
    scale = size[0] / row.silhouette.shape[0]
    meshes = [("predicted", row.vertices)]
    if row.true_vertices is not None:
        meshes.append(("true", row.true_vertices))
    return [
        figure,
        _projection(row.volumes, "k d h w -> h w", size, figure),
        _projection(row.volumes, "k d h w -> h d", size, None),
        _skeletons(row, figure // 3, (0, 1), scale),
        _skeletons(row, np.full_like(figure, PAPER), (2, 1), scale),
        *(
            _mesh(vertices, faces, size, scale, side, MESH_COLOURS[name])
            for side in ((False, True) if sides else (False,))
            for name, vertices in meshes
        ),
    ]


def _projection(volumes: np.ndarray, pattern: str, size: tuple[int, int], under: np.ndarray | None) -> np.ndarray:
    """Sum of all volumes along one axis, coloured; seen from the front over the silhouette's outline."""
    flat = np.sqrt(reduce(volumes, pattern, "sum"))  # the root keeps faint limbs visible beside the trunk
    height, width = size
    if under is None:  # the side view spans as many pixels of depth as the crop is high: cut it to the width
        flat = cv2.resize(flat, (height, height), interpolation=cv2.INTER_LINEAR)
        flat = flat[:, (height - width) // 2 :][:, :width]
    else:
        flat = cv2.resize(flat, (width, height), interpolation=cv2.INTER_LINEAR)
    picture = (matplotlib.colormaps["magma"](flat / max(flat.max(), 1e-9))[..., :3] * 255).astype(np.uint8)
    if under is not None:
        outline = cv2.morphologyEx(under[..., 0], cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 60
        picture[outline] = (picture[outline] * 0.4 + np.array(INK) * 0.6).astype(np.uint8)
    return picture


def _skeletons(row: PanelRow, canvas: np.ndarray, axes: tuple[int, int], scale: float) -> np.ndarray:
    """True (green) and predicted (orange) skeletons, from the front (u, v) or from the side (d, v)."""
    canvas = np.ascontiguousarray(canvas)
    for points, colour in ((row.true_points, TRUE), (row.points, PREDICTED)):
        if points is None:
            continue
        flat = points[:, list(axes)] * scale
        if axes[0] == 2:  # depth zero lies in the middle
            flat = flat + np.array([canvas.shape[1] / 2, 0])
        for joint in range(1, NUM_JOINTS):
            child, parent = np.round(flat[[joint, PARENTS[joint]]]).astype(int).tolist()
            cv2.line(canvas, child, parent, colour, 2, cv2.LINE_AA)
        for point in flat[NUM_JOINTS:]:
            cv2.circle(canvas, tuple(np.round(point).astype(int).tolist()), 1, colour, -1, cv2.LINE_AA)
    return canvas


def _mesh(
    vertices: np.ndarray, faces: np.ndarray, size: tuple[int, int], scale: float, side: bool, colour: tuple
) -> np.ndarray:
    """Mesh in the crop's frame, from the camera or from the figure's right as the camera sees it."""
    u, v, d = vertices.T
    height, width = size
    # the camera frame has y up; the picture's centre is the crop's, or depth zero
    if side:
        upright, middle = np.stack([d, -v, -u], axis=1), 0.0
    else:
        upright, middle = np.stack([u, -v, d], axis=1), width / scale / 2
    centre = np.array([middle, -height / scale / 2, 0.0])
    return paint(Mesh.of(upright, faces, colour), size, scale, centre, PAPER, split=height > 200)


def _headed(sheet: np.ndarray, columns: list[str], pitch: int, known: bool) -> np.ndarray:
    image = Image.fromarray(sheet)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=13)
    for number, name in enumerate(columns):
        colour = INK if "skeleton" not in name or not known else PREDICTED
        draw.text((number * pitch + 4, 3), name, fill=colour, font=font)
    return np.asarray(image)
