"""Shaded pictures of meshes without a graphics card or display: orthographic, several samples a pixel.

Camera frame: x right, y up, z towards the camera, in metres; images are RGB uint8 (H, W, 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from einops import einsum, rearrange

from meshgait.viz.mesh import Mesh, vertex_normals
from meshgait.viz.rasteriser import rasterise, twice_area

BACKGROUND = (246, 247, 249)


def camera(azimuth: float, elevation: float = 0.0) -> np.ndarray:
    """Rotation from the body's axes to the camera frame of a camera that circles the y axis.

    Args:
        azimuth: degrees; 0 sees the front (looks along -z), 90 stands at the body's left (+x).
        elevation: degrees above the horizon.

    Returns:
        (3, 3), rows are the camera's right, up and backward axes.
    """
    a, e = np.radians([azimuth, elevation])
    turn = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    tilt = np.array([[1, 0, 0], [0, np.cos(e), -np.sin(e)], [0, np.sin(e), np.cos(e)]])
    return tilt @ turn


def render(
    mesh: Mesh,
    size: tuple[int, int] = (480, 320),
    rotation: np.ndarray | None = None,
    scale: float | None = None,
    centre: np.ndarray | None = None,
    background: Sequence[int] = BACKGROUND,
    samples: int = 3,
) -> np.ndarray:
    """Draw a mesh, shaded smoothly.

    Args:
        mesh: what to draw; closed surfaces, whose inside is never seen.
        size: (H, W) in pixels.
        rotation: (3, 3) from the mesh's axes to the camera frame, see `camera`; None looks from the front.
        scale: pixels per metre; None fits the mesh into the picture.
        centre: (3,) point in metres that is drawn in the middle; None takes the middle of the box.
        background: RGB colour.
        samples: along each side of a pixel; 2 is enough for small pictures and half the time.

    Returns:
        RGB picture (H, W, 3) uint8.
    """
    rotation = np.eye(3) if rotation is None else rotation
    if centre is None:
        centre = (mesh.vertices.min(0) + mesh.vertices.max(0)) / 2
    seen = (mesh.vertices - centre) @ rotation.T
    if scale is None:
        reach = np.maximum(np.abs(seen[:, :2]).max(0), 1e-6)
        scale = float((0.5 * 0.94 * np.array([size[1], size[0]]) / reach).min())
    height, width = size[0] * samples, size[1] * samples
    pixels = seen * (1, -1, 1) * (scale * samples) + (width / 2, height / 2, 0)
    a, b, c = rearrange(pixels[mesh.faces], "f k x -> k f x")
    facing = mesh.faces[twice_area(a, b, c) < 0]  # counter-clockwise with y up is clockwise with rows down
    pixel, face, weights, _ = rasterise(pixels, facing, (height, width))
    of_vertices = np.concatenate([vertex_normals(seen, mesh.faces), mesh.colours], axis=1).astype(np.float32)
    interpolated = einsum(weights.astype(np.float32), of_vertices[facing[face]], "p k, p k c -> p c")
    normals, colours = interpolated[:, :3], interpolated[:, 3:]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)

    picture = np.empty((height * width, 3), np.float32)
    picture[:] = np.asarray(background, np.float32)
    picture[pixel] = shade(normals, colours)
    picture = rearrange(picture, "(h w) rgb -> h w rgb", h=height)
    resized = cv2.resize(picture, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.clip(np.round(resized), 0, 255).astype(np.uint8)


def shade(normals: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Key light from the upper left, weak fill from the right, sky above, and a dark rim (Blinn-Phong)."""
    key = np.array([-0.45, 0.55, 0.70], normals.dtype)
    key /= np.linalg.norm(key)
    fill = np.array([0.8, 0.1, 0.6], normals.dtype)
    fill /= np.linalg.norm(fill)
    half = key + np.array([0, 0, 1.0], normals.dtype)
    half /= np.linalg.norm(half)
    light = 0.36 + 0.10 * normals[:, 1] + 0.62 * (normals @ key).clip(0) + 0.18 * (normals @ fill).clip(0)
    light *= 0.72 + 0.28 * np.sqrt(np.abs(normals[:, 2]).clip(0, 1))
    gloss = 26.0 * (normals @ half).clip(0) ** 24
    return colours * light[:, None] + gloss[:, None]


def views(
    mesh: Mesh,
    azimuths: Sequence[float] = (0, 35, 90, 180),
    height: int = 480,
    tall: float | None = None,
    background: Sequence[int] = BACKGROUND,
) -> np.ndarray:
    """One picture with a mesh seen from several sides, at one scale.

    Args:
        mesh: what to draw.
        azimuths: degrees, see `camera`.
        height: of the picture in pixels.
        tall: metres that nearly fill the height; None takes the height of the mesh.
        background: RGB colour.

    Returns:
        RGB picture (height, W, 3) uint8.
    """
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    centre = (low + high) / 2
    scale = 0.92 * height / (high[1] - low[1] if tall is None else tall)
    panels = []
    for azimuth in azimuths:
        rotation = camera(azimuth)
        width = 2.0 * np.abs((mesh.vertices - centre) @ rotation[0]).max() * scale
        size = (height, int(width + 0.1 * height))
        panels.append(render(mesh, size, rotation, scale, centre, background))
    return np.concatenate(panels, axis=1)


def turntable(mesh: Mesh, frames: int = 36, size: tuple[int, int] = (360, 360)) -> list[np.ndarray]:
    """Pictures of a mesh that turns once about the vertical, for an animation.

    Args:
        mesh: what to draw.
        frames: number of pictures T.
        size: (H, W) in pixels.

    Returns:
        T pictures (H, W, 3) uint8.
    """
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    centre = (low + high) / 2
    radius = np.linalg.norm((mesh.vertices - centre)[:, [0, 2]], axis=1).max()
    scale = 0.94 * min(size[0] / (high[1] - low[1]), size[1] / (2 * radius))
    return [render(mesh, size, camera(a), scale, centre) for a in np.linspace(0, 360, frames, endpoint=False)]
