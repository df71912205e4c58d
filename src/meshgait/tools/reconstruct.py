"""`meshgait reconstruct PATH`: joints, markers, heatmaps, skeleton and mesh of one walker, in a folder."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from meshgait.atomic import atomic_folder
from meshgait.data.readers import Silhouettes
from meshgait.errors import ConfigError, OutputError
from meshgait.progress import Progress
from meshgait.recogniser import Recogniser, Reconstruction
from meshgait.terminal import say
from meshgait.tools.embed import WALK, add_model_arguments, read_walk, walk_name
from meshgait.viz.mesh import Mesh, skeleton, write_obj
from meshgait.viz.panels import PanelRow, heatmap_panel
from meshgait.viz.render import turntable

POINTS = "body.npz"
PANEL_ROWS = 6


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "reconstruct",
        help="write joints, markers, heatmaps, skeleton and mesh of one walker",
        description="Joints and markers of every frame in metres, heatmaps of some frames, skeleton and mesh of "
        "one frame, and a picture of it turning.",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help=WALK)
    add_model_arguments(parser)
    parser.add_argument("--out", type=Path, help="folder to make (default: reconstructions/NAME)")
    parser.add_argument("--overwrite", action="store_true", help="replace the folder if it exists")
    parser.add_argument(
        "--frame", type=int, help="number of the source frame whose mesh is written (default: middle)"
    )
    parser.add_argument(
        "--stature", type=float, default=1.7, help="assumed body height in metres: silhouettes have no scale"
    )


def run(arguments: argparse.Namespace) -> None:
    """Read, reconstruct, draw; the folder appears only when it is complete."""
    if not 0.3 <= arguments.stature <= 2.6:
        raise ConfigError(f"--stature is {arguments.stature} m", "give the body height in metres, 0.3 to 2.6")
    out = arguments.out or Path("reconstructions") / walk_name(arguments.path)
    if out.exists() and not arguments.overwrite:
        raise OutputError(f"{out} exists", "give another --out, or --overwrite")
    if out.exists() and not (out / POINTS).is_file():
        raise OutputError(f"{out} is not an earlier reconstruction, so it is not replaced", "give another --out")
    recogniser = Recogniser.load(arguments.checkpoint, arguments.body, arguments.markers)
    recogniser.require_3d()
    walk = read_walk(recogniser, arguments.path, arguments.person)
    chosen = choose_frame(walk, arguments.frame)
    with atomic_folder(out) as partial:
        with Progress("reconstructing", len(walk.frames), "frames") as progress:
            body = recogniser.reconstruct(walk, arguments.stature, progress)
        written = write_reconstruction(body, chosen, panel_rows(recogniser, walk), partial)
    for name, text in written.items():
        say(f"{out / name}: {text}")


def choose_frame(walk: Silhouettes, wanted: int | None) -> int:
    """Index among the kept frames of the source frame ``wanted``; the middle one by default."""
    if wanted is None:
        return len(walk.kept) // 2
    places = np.flatnonzero(walk.kept == wanted)
    if not len(places):
        raise ConfigError(
            f"--frame {wanted} holds no figure or is not there", f"frames {walk.kept[0]} to {walk.kept[-1]} do"
        )
    return int(places[0])


def panel_rows(recogniser: Recogniser, walk: Silhouettes) -> list[PanelRow]:
    """Rows of a picture for a few frames, spread over the walk."""
    shown = np.unique(np.linspace(0, len(walk.frames) - 1, PANEL_ROWS).round().astype(int))
    pictures = iter(walk.frames[shown].astype(np.float32) / 255)
    rows: list[PanelRow] = []
    for estimate, vertices in recogniser.estimate(walk.frames[shown]):
        assert estimate.volumes is not None  # they are kept outside of training
        parts = zip(estimate.volumes.numpy(), estimate.points.numpy(), vertices, strict=True)
        rows += [PanelRow(next(pictures), *part) for part in parts]
    return rows


def write_reconstruction(body: Reconstruction, chosen: int, rows: list[PanelRow], folder: Path) -> dict[str, str]:
    """Write all files to ``folder``; returns a description of each."""
    names = np.array(body.joint_names)
    np.savez_compressed(
        folder / POINTS, joints=body.joints, markers=body.markers, joint_names=names, frames=body.kept
    )
    mesh, bones = Mesh.of(body.vertices[chosen], body.faces), skeleton(body.joints[chosen])
    write_obj(folder / "mesh.obj", mesh)
    write_obj(folder / "skeleton.obj", bones)
    with Progress("drawing", 2, "pictures") as progress:
        Image.fromarray(heatmap_panel(rows, body.faces)).save(folder / "heatmaps.png")
        progress.advance()
        pictures = [Image.fromarray(picture) for picture in turntable(mesh, 36)]
        pictures[0].save(folder / "turn.gif", save_all=True, append_images=pictures[1:], duration=80, loop=0)
        progress.advance()
    return {
        POINTS: f"joints and markers of {len(body.kept)} frames in metres, pelvis at the origin",
        "heatmaps.png": f"volumes, skeleton and mesh of {len(rows)} frames",
        "mesh.obj": f"mesh of one frame, {len(mesh.vertices)} vertices, metres",
        "skeleton.obj": "joints and bones of the same frame",
        "turn.gif": "the mesh, turning",
    }
