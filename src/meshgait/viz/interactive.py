"""Meshes to turn with the mouse, as plotly figures: for notebooks and reports.

Vertices are metres with y up and z towards the viewer, as in `meshgait.viz.render`. Plotly's turntable needs z up,
so figures hold (x, -z, y).
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Literal

import matplotlib
import numpy as np
import plotly.graph_objects as go

from meshgait.errors import DataError
from meshgait.text import printable, shortened
from meshgait.viz.palette import MESH_COLOURS

CONFIG = {"displaylogo": False, "displayModeBar": False, "responsive": True, "scrollZoom": False}
"""For plotly's `to_html` and `show`: no tool bar, and the wheel scrolls the page."""

SCALE = "YlOrRd"
"""Colour scale of errors; matplotlib and plotly know it by the same name."""

INKS = {"light": "rgb(40, 44, 52)", "dark": "rgb(225, 228, 235)"}
_LIGHTING = {"ambient": 0.65, "diffuse": 0.55, "specular": 0.12, "roughness": 0.7, "fresnel": 0.1}
_LIGHT = {"x": -1e5, "y": 1e5, "z": -40}  # from the upper left wherever the camera goes; z counts most by far
_STEP = 10.0  # mm; colour scales end at a multiple of it


def vertex_errors(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Distance of each vertex from its true place: (V, 3) metres twice, one common origin -> (V,) mm.

    Raises:
        DataError: the meshes differ in their vertices.
    """
    if predicted.shape != true.shape or predicted.shape[-1] != 3:
        raise DataError(
            f"the predicted mesh is {predicted.shape}, the true one {true.shape}",
            "compare meshes of one body model",
        )
    return 1000 * np.linalg.norm(predicted.astype(np.float64) - true.astype(np.float64), axis=-1)


def error_limit(errors: np.ndarray) -> float:
    """Where a colour scale of errors (mm) ends: nearly all are below it, and it is a round number."""
    return float(max(_STEP, _STEP * np.ceil(np.percentile(errors, 98) / _STEP)))


def error_colours(errors: np.ndarray, limit: float | None = None) -> np.ndarray:
    """The colours that `mesh_figure` gives to errors, for pictures: (V,) mm -> (V, 3) RGB, 0..255.

    Args:
        errors: per vertex.
        limit: error at the end of the scale; None takes `error_limit`.
    """
    share = errors / (error_limit(errors) if limit is None else limit)
    return 255 * matplotlib.colormaps[SCALE](np.clip(share, 0, 1))[..., :3]


def mesh_figure(
    vertices: np.ndarray,
    faces: np.ndarray,
    intensity: np.ndarray | None = None,
    others: Mapping[str, np.ndarray] | None = None,
    *,
    name: str = "predicted",
    label: str = "error, mm",
    limit: float | None = None,
    theme: Literal["light", "dark"] = "light",
    height: int = 420,
) -> go.Figure:
    """A mesh to turn, coloured by a value per vertex, and other meshes of the same body beside it.

    Args:
        vertices: (V, 3) in metres, y up.
        faces: (F, 3) vertex indices.
        intensity: (V,) values that colour the mesh, or None for one colour.
        others: further meshes (V, 3) by name, drawn to its right in one colour each.
        name: what the mesh is.
        label: of the colour scale.
        limit: intensity at the end of the colour scale, which begins at 0; None takes `error_limit`.
        theme: of the page that it is shown on; the background is transparent.
        height: in pixels; the width is the page's.

    Raises:
        DataError: shapes do not fit each other.
    """
    meshes = {name: vertices, **(others or {})}
    meshes = {title: np.asarray(points, np.float32) for title, points in meshes.items()}
    if intensity is not None and intensity.shape != vertices.shape[:1]:
        raise DataError(f"{intensity.shape} values cannot colour {len(vertices)} vertices", "give one for each")
    for title, points in meshes.items():
        _check(title, points, faces)
    # side by side, each as far from the next as the widest needs while it turns
    width = max(np.ptp(points[:, [0, 2]], axis=0).max() for points in meshes.values())
    figure, titles, clouds = go.Figure(), [], []
    for number, (title, points) in enumerate(meshes.items()):
        colour = {"color": _css(MESH_COLOURS.get(title, MESH_COLOURS["predicted"]))}
        if number == 0 and intensity is not None:
            colour = _scale(intensity, label, error_limit(intensity) if limit is None else limit, INKS[theme])
        # only the height is left as it is: origins may lie elsewhere, such as at the camera
        middle = (points.min(0) + points.max(0)) / 2
        placed = points + np.array([1.15 * number * width - middle[0], 0, -middle[2]])
        placed = (placed * (1, 1, -1))[:, [0, 2, 1]]
        figure.add_trace(_trace(title, placed, faces, colour))
        above = {"x": 1.15 * number * width, "y": 0, "z": placed[:, 2].max() + 0.08}
        titles.append({"text": _words(title), "showarrow": False, **above})
        clouds.append(placed)
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        font={"color": INKS[theme]},
        scene={
            **_space(np.concatenate(clouds)),
            "dragmode": "turntable",
            "annotations": titles,
            "domain": {"y": [0.0 if intensity is None else 0.17, 1.0]},
        },
    )
    return figure


def compare_meshes(
    predicted: np.ndarray,
    true: np.ndarray,
    faces: np.ndarray,
    *,
    limit: float | None = None,
    theme: Literal["light", "dark"] = "light",
    height: int = 420,
) -> go.Figure:
    """Predicted mesh, coloured by the error of each vertex in mm, beside the true one; both turn together.

    Args:
        predicted: (V, 3) in metres, y up.
        true: (V, 3), with the same origin (such as the pelvis).
        faces: (F, 3).
        limit: error at the end of the colour scale in mm; None takes `error_limit`.
        theme: of the page.
        height: in pixels.

    Raises:
        DataError: the meshes differ in their vertices.
    """
    errors = vertex_errors(predicted, true)
    return mesh_figure(predicted, faces, errors, {"true": true}, limit=limit, theme=theme, height=height)


def _check(title: str, points: np.ndarray, faces: np.ndarray) -> None:
    if points.ndim != 2 or points.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise DataError(f"{title}: vertices are {points.shape}, faces {faces.shape}", "give (V, 3) and (F, 3)")
    if faces.min() < 0 or faces.max() >= len(points):
        raise DataError(
            f"{title}: faces name vertex {faces.max()} of {len(points)}", "give those of this body model"
        )


def _space(points: np.ndarray) -> dict:
    """Scene without axes in which a metre is a metre in all directions, seen from afar."""
    low, high = points.min(0) - 0.1, points.max(0) + 0.1
    # the projection is parallel, so that the nearer mesh is not the larger; its size is set by the aspect alone
    zoom = 1.9 / max(high[2] - low[2], (high[0] - low[0]) / 1.1)
    axes = {
        f"{name}axis": {"visible": False, "range": [float(low[i]), float(high[i])]} for i, name in enumerate("xyz")
    }
    camera = {"eye": {"x": 0.6, "y": -1.9, "z": 0.25}, "projection": {"type": "orthographic"}}
    aspect = dict(zip("xyz", ((high - low) * zoom).tolist(), strict=True))
    return {**axes, "aspectmode": "manual", "aspectratio": aspect, "camera": camera}


def _trace(title: str, points: np.ndarray, faces: np.ndarray, colour: dict) -> go.Mesh3d:
    # plotly packs arrays as they are, so the smallest types keep pages small
    x, y, z = points.astype(np.float32).T
    index = np.uint16 if len(points) < 2**16 else np.uint32
    i, j, k = faces.astype(index).T
    look = {"lighting": _LIGHTING, "lightposition": _LIGHT, "flatshading": False}
    return go.Mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, name=_words(title), **look, **colour)


def _scale(intensity: np.ndarray, label: str, limit: float, ink: str) -> dict:
    # below the meshes: on a telephone there is no room beside them
    place = {"orientation": "h", "x": 0.5, "xanchor": "center", "y": 0, "yanchor": "bottom", "len": 0.6}
    title = {"text": _words(label), "side": "top"}
    bar = {"title": title, "thickness": 10, "tickfont": {"color": ink}, "outlinewidth": 0, **place}
    return {
        "intensity": intensity.astype(np.float32),
        "colorscale": SCALE,
        "cmin": 0,
        "cmax": limit,
        "colorbar": bar,
        "meta": _words(label),
        "hovertemplate": "%{meta}: %{intensity:.0f}<extra></extra>",
    }


def _words(name: str) -> str:
    """A name escaped for plotly, which would interpret some HTML in it, such as links."""
    return escape(printable(shortened(name)), quote=False)


def _css(colour: tuple[int, ...]) -> str:
    return f"rgb({', '.join(map(str, colour))})"
