"""Pictures of a run folder and its meshes, small enough to lie within a page."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from einops import repeat
from PIL import Image, ImageSequence, features

from meshgait.errors import DataError
from meshgait.report.blocks import Grid, Picture, Section, Turnable
from meshgait.report.folder import Meshes, Run
from meshgait.viz.interactive import compare_meshes, error_colours, error_limit, mesh_figure, vertex_errors
from meshgait.viz.mesh import Mesh
from meshgait.viz.palette import MESH_COLOURS, PAPER
from meshgait.viz.render import views

KINDS = {
    "heatmaps": "Heatmaps: silhouette, volumes, skeleton and mesh of held-out walkers",
    "walk": "A walking sequence",
    "confusions": "The worst confusions",
}
"""Pictures that are shown; what is drawn from numbers (CMC, views, embeddings) the report draws itself."""

FORMATS = ("PNG", "GIF")
"""Others are not looked for: some are read by programs of their own."""
MOST_PIXELS = 50_000_000
"""Of a picture, all its frames together; ours have a tenth."""
DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error)
"""What the imaging library raises of damaged files."""
LEAST = 820
"""Pixels down to which a picture may shrink: less would not be read."""
ANIMATION_BYTES = 400_000
MESH_BYTES = 500_000
"""Of the data of one run's meshes to turn; bodies with many vertices show fewer frames."""
HEIGHT = 260


def gallery(runs: Sequence[Run]) -> Section:
    """The latest pictures of each kind."""
    blocks = []
    for kind, title in KINDS.items():
        members = [run for run in runs if kind in run.pictures]
        pictures = [_picture(run.pictures[kind], f"{title}: {run.name}", run.name) for run in members]
        if pictures:
            blocks.append(Grid(title, pictures))
    text = [] if blocks else ["No run folder holds pictures."]
    return Section("gallery", "Gallery", text, blocks)


def _picture(path: Path, alt: str, name: str) -> Picture:
    step = int(path.stem.rsplit("-", 1)[-1])
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height * getattr(image, "n_frames", 1) > MOST_PIXELS:
                raise ValueError(f"more than {MOST_PIXELS:,} pixels")
            least = min(LEAST, image.width)
            uri = _animation(image, path) if getattr(image, "n_frames", 1) > 1 else _still(image.convert("RGB"))
    except (*DAMAGED, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is no readable picture ({error})", "remove it or draw it anew") from error
    return Picture(uri, f"{alt}, step {step}.", f"{name}, step {step}", least=least)


def _still(image: Image.Image) -> str:
    """As WebP, a sixth of a PNG's size; as JPEG where the imaging library lacks it."""
    kind = "WEBP" if features.check("webp") else "JPEG"
    buffer = io.BytesIO()
    image.save(buffer, format=kind, quality=84)
    return _uri(buffer.getvalue(), kind.lower())


def _animation(image: Image.Image, path: Path) -> str:
    """As it is if small, as WebP otherwise."""
    content = path.read_bytes()
    if len(content) <= ANIMATION_BYTES or not features.check("webp"):
        return _uri(content, "gif")
    frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(image)]
    more = {"save_all": True, "append_images": frames[1:], "duration": image.info.get("duration", 40), "loop": 0}
    buffer = io.BytesIO()
    frames[0].save(buffer, format="WEBP", quality=70, **more)
    return _uri(buffer.getvalue(), "webp")


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def meshes(runs: Sequence[Run]) -> Section:
    """Reconstructed meshes to turn, and the same as still pictures."""
    members = [(run.name, run.meshes) for run in runs if run.meshes is not None]
    if not members:
        return Section("meshes", "Meshes", ["No run folder holds meshes (mesh.npz)."])
    # one scale of colours, so that runs can be compared
    errors = [
        vertex_errors(held.vertices, held.true_vertices) for _, held in members if held.true_vertices is not None
    ]
    limit = max(map(error_limit, errors), default=None)
    turnables = [turnable(name, number, held, limit) for number, (name, held) in enumerate(members)]
    blocks: list[Grid] = [Grid("", turnables)]
    for name, held in members:
        blocks.append(Grid(f"{name}: the same without turning", stills(name, held, limit), fold=True))
    text = "Single frames of held-out walkers. Drag to turn, or use the slider."
    if errors:
        text += " Colours: distance of each vertex from its true place, with the pelvis where the true one is."
    return Section("meshes", "Meshes", [text], blocks)


def turnable(name: str, number: int, found: Meshes, limit: float | None) -> Turnable:
    """Meshes of one run to turn, coloured by their errors up to ``limit`` mm; ``number`` tells runs apart."""
    figures = []
    for frame, vertices in enumerate(found.vertices):
        if found.true_vertices is None:
            figure = mesh_figure(vertices, found.faces)
        else:
            figure = compare_meshes(vertices, found.true_vertices[frame], found.faces, limit=limit)
        figures.append(figure.to_json())
        if sum(map(len, figures)) + len(figures[0]) > MESH_BYTES:
            break
    return Turnable(f"mesh-{number}", name, figures, found.names[: len(figures)])


def stills(name: str, found: Meshes, limit: float | None) -> list[Picture]:
    """The same meshes from the front and the side, beside their silhouettes."""
    shown = []
    for frame, (sequence, figure, vertices) in enumerate(
        zip(found.names, found.silhouettes, found.vertices, strict=True)
    ):
        caption, what = sequence, "silhouette, predicted mesh"
        true = None if found.true_vertices is None else found.true_vertices[frame]
        tall = max(np.ptp(mesh[:, 1]) for mesh in (vertices, true) if mesh is not None)
        width = round(HEIGHT * figure.shape[1] / figure.shape[0])
        large = cv2.resize(figure, (width, HEIGHT), interpolation=cv2.INTER_NEAREST)
        parts = [repeat(large, "h w -> h w rgb", rgb=3)]
        if true is None:
            meshes = [Mesh.of(vertices, found.faces, MESH_COLOURS["predicted"])]
        else:
            errors = vertex_errors(vertices, true)
            meshes = [Mesh.of(vertices, found.faces, error_colours(errors, limit))]
            meshes.append(Mesh.of(true, found.faces, MESH_COLOURS["true"]))
            caption, what = f"{sequence}, mean error {errors.mean():.0f} mm", f"{what}, true mesh"
        parts += [views(mesh, (0, 90), HEIGHT, tall, PAPER) for mesh in meshes]
        sheet = Image.fromarray(np.concatenate(parts, axis=1))
        shown.append(Picture(_still(sheet), f"{name}, {caption}: {what}, from the front and the side.", caption))
    return shown
