"""Pictures of the 3D branch's output: silhouette, volumes from two sides, skeleton and mesh, beside the truth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from einops import rearrange

from meshgait.body.skeleton import NUM_JOINTS
from meshgait.viz.bones import draw_bones
from meshgait.viz.mesh import Mesh
from meshgait.viz.palette import INK, MESH_COLOURS, PAPER, PREDICTED, TRUE
from meshgait.viz.render import render
from meshgait.viz.sheets import picture_table
from meshgait.viz.volumes import coloured_view, project_volumes


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
    size = (height, round(height * frame_width / frame_height))
    known = rows[0].true_points is not None
    names = ["silhouette", "volumes, front", "volumes, side", "skeleton, front", "skeleton, side", "mesh"]
    names += ["true mesh"] * known + ["mesh, side"] + ["true, side"] * known
    colours = [PREDICTED if known and "skeleton" in name else INK for name in names]
    return picture_table([row_pictures(row, faces, size) for row in rows], names, colours)


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
    frame = row.silhouette.shape
    scale = size[0] / frame[0]
    meshes = [("predicted", row.vertices)]
    if row.true_vertices is not None:
        meshes.append(("true", row.true_vertices))
    return [
        figure,
        _over_outline(coloured_view(project_volumes(row.volumes, frame, 0), size), figure),
        coloured_view(project_volumes(row.volumes, frame, -90), size),
        _skeletons(row, figure // 3, (0, 1), scale),
        _skeletons(row, np.full_like(figure, PAPER), (2, 1), scale),
        *(
            _mesh(vertices, faces, size, scale, side, MESH_COLOURS[name])
            for side in ((False, True) if sides else (False,))
            for name, vertices in meshes
        ),
    ]


def _over_outline(picture: np.ndarray, figure: np.ndarray) -> np.ndarray:
    """A picture with the outline of the silhouette."""
    outline = cv2.morphologyEx(figure[..., 0], cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 60
    picture[outline] = (picture[outline] * 0.4 + np.array(INK) * 0.6).astype(np.uint8)
    return picture


def _skeletons(row: PanelRow, canvas: np.ndarray, axes: tuple[int, int], scale: float) -> np.ndarray:
    """True (green) and predicted (orange) skeletons, from the front (u, v) or from the side (d, v)."""
    canvas = np.ascontiguousarray(canvas)
    for points, colour in ((row.true_points, TRUE), (row.points, PREDICTED)):
        if points is None:
            continue
        places = points[:, list(axes)] * scale
        if axes[0] == 2:  # depth zero lies in the middle
            places = places + np.array([canvas.shape[1] / 2, 0])
        draw_bones(canvas, places[:NUM_JOINTS], colour, 2)
        for point in places[NUM_JOINTS:]:
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
    mesh = Mesh.of(upright, faces, colour)
    return render(mesh, size, scale=scale, centre=centre, background=PAPER, samples=2)
