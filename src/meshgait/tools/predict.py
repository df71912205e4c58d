"""`meshgait predict PATH`: what the network says of one walker: embedding, heatmaps, skeleton, mesh."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from meshgait.atomic import atomic_folder
from meshgait.body.skeleton import JOINT_NAMES, NUM_JOINTS
from meshgait.body.targets import to_metres
from meshgait.data.readers import Silhouettes
from meshgait.errors import ConfigError, OutputError
from meshgait.progress import Progress
from meshgait.recogniser import MAX_FRAMES, Recogniser, pixels_per_metre
from meshgait.terminal import say
from meshgait.viz.mesh import Mesh, skeleton, turntable, write_obj
from meshgait.viz.panels import PanelRow, heatmap_panel

EMBEDDING = "walker.npz"
PANEL_ROWS = 6


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "predict",
        help="embedding, heatmaps, skeleton and mesh of one walker",
        description="Embedding, joints, markers, heatmaps, skeleton and mesh of one walker. The embedding is made "
        f"of {MAX_FRAMES} frames at most, spread evenly over a longer walk; joints and markers are read from all.",
    )
    parser.add_argument("path", type=Path, help="folder of frames, .gif, .npy, .npz or .pkl of silhouettes")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        help="checkpoint of stage 2, folder of `meshgait export` or owner/name at Hugging Face (default: the "
        "model that comes with the package)",
    )
    parser.add_argument("--body", help="body file of a model that was trained with another than the default one")
    parser.add_argument("--markers", help="marker file of that body")
    parser.add_argument(
        "--person", type=int, metavar="ID", help="class number of the person, if masks hold several"
    )
    parser.add_argument("--out", type=Path, help="folder to make (default: predictions/NAME)")
    parser.add_argument("--overwrite", action="store_true", help="replace the folder if it exists")
    parser.add_argument(
        "--frame", type=int, help="number of the source frame whose mesh is written (default: middle)"
    )
    parser.add_argument(
        "--stature", type=float, default=1.7, help="assumed body height in metres: silhouettes have no scale"
    )


def run(arguments: argparse.Namespace) -> None:
    """Read, embed, draw; the folder appears only when all of it is written."""
    if not 0.3 <= arguments.stature <= 2.6:
        raise ConfigError(f"--stature is {arguments.stature} m", "give the body height in metres, 0.3 to 2.6")
    out = arguments.out or Path("predictions") / (arguments.path.resolve().stem or "walker")
    if out.exists() and not arguments.overwrite:
        raise OutputError(f"{out} exists", "give another --out, or --overwrite")
    if out.exists() and not (out / EMBEDDING).is_file():
        raise OutputError(f"{out} is no earlier prediction, so it is not replaced", "give another --out")
    recogniser = Recogniser.load(arguments.checkpoint, arguments.body, arguments.markers)
    walker = recogniser.read(arguments.path, arguments.person)
    for line in report_lines(walker):
        say(line)
    chosen = choose_frame(walker, arguments.frame)
    with atomic_folder(out) as partial:
        written = write_prediction(recogniser, walker, chosen, arguments.stature, partial)
    for name, text in written.items():
        say(f"{out / name}: {text}")


def report_lines(walker: Silhouettes) -> list[str]:
    """What was read and what was left out, in words."""
    report = walker.report
    lines = [f"{report.source}: {len(walker.frames)} of {report.total} frames hold a figure ({report.figure})"]
    lines += [f"  {name}: left out, {reason}" for name, reason in list(report.dropped.items())[:10]]
    if len(report.dropped) > 10:
        lines.append(f"  and {len(report.dropped) - 10} more")
    return lines + [f"  note: {text}" for text in report.warnings]


def choose_frame(walker: Silhouettes, wanted: int | None) -> int:
    """Place, among the kept frames, of the source frame ``wanted``; the middle one by default."""
    if wanted is None:
        return len(walker.kept) // 2
    places = np.flatnonzero(walker.kept == wanted)
    if not len(places):
        raise ConfigError(
            f"--frame {wanted} holds no figure or is not there", f"frames {walker.kept[0]} to {walker.kept[-1]} do"
        )
    return int(places[0])


@dataclass
class Body:
    """What the 3D branch says of T frames.

    Attributes:
        points: (T, K, 3) joints, then markers, in crop pixels (u, v, d).
        heights: (T,) of the meshes in crop pixels.
        rows: all there is to draw of some frames, by their place.
    """

    points: np.ndarray
    heights: np.ndarray
    rows: dict[int, PanelRow]


def write_prediction(
    recogniser: Recogniser, walker: Silhouettes, chosen: int, stature: float, folder: Path
) -> dict[str, str]:
    """Write all files to ``folder``; returns what each one is."""
    total, supervision = len(walker.frames), recogniser.stage.supervision
    used = min(total, MAX_FRAMES)
    shown = np.unique(np.linspace(0, total - 1, PANEL_ROWS).round().astype(int)).tolist()
    body = None
    with Progress("predicting", used + total * (supervision is not None), "frames") as progress:
        progress.reach(0, "embedding")
        embedding = recogniser.embed(walker)[0]
        progress.reach(used, "3D" if supervision else "")
        if supervision is not None:
            body = read_body(recogniser, walker.frames, {*shown, chosen}, progress)
    some = f"{used} of {total} frames, spread evenly" if used < total else f"{total} frames"
    arrays = {"embedding": embedding, "frames": walker.kept}
    written = {EMBEDDING: f"embedding {embedding.shape} (strips, channels) of {some}"}
    if body is not None:
        scale = pixels_per_metre(body.heights, stature)
        points = to_metres(torch.from_numpy(body.points), torch.full((total,), scale)).numpy()
        points -= points[:, :1].copy()
        arrays |= {"joints": points[:, :NUM_JOINTS], "markers": points[:, NUM_JOINTS:]}
        arrays["joint_names"] = np.array(JOINT_NAMES)
        written[EMBEDDING] += f"; joints and markers of {total} frames in metres, pelvis at the origin"
        faces = supervision.faces.numpy()
        written |= _write_body([body.rows[i] for i in shown], body.rows[chosen], faces, scale, folder)
    np.savez_compressed(folder / EMBEDDING, **arrays)
    return written


def read_body(recogniser: Recogniser, frames: np.ndarray, wanted: set[int], progress: Progress) -> Body:
    """What the 3D branch says of frames (T, H, W) uint8, block by block; volumes are kept of ``wanted`` alone."""
    points, heights, rows, start = [], [], {}, 0
    for estimate, vertices in recogniser.estimate(frames, progress):
        count = len(estimate.points)
        points.append(estimate.points.numpy())
        heights.append(np.ptp(vertices[..., 1], axis=1))
        block = frames[start : start + count].astype(np.float32) / 255
        for place in wanted.intersection(range(start, start + count)):
            row = place - start  # the block may go, so what is kept is copied
            volume, point = estimate.volumes[row].numpy().copy(), points[-1][row].copy()
            rows[place] = PanelRow(block[row], volume, point, vertices[row].copy())
        start += count
    return Body(np.concatenate(points), np.concatenate(heights), rows)


def _write_body(
    shown: list[PanelRow], row: PanelRow, faces: np.ndarray, scale: float, folder: Path
) -> dict[str, str]:
    origin = row.points[:1]
    upright = np.array([1.0, -1.0, 1.0]) / scale
    mesh = Mesh.of((row.vertices - origin) * upright, faces)
    bones = skeleton((row.points[:NUM_JOINTS] - origin) * upright)
    write_obj(folder / "mesh.obj", mesh)
    write_obj(folder / "skeleton.obj", bones)
    with Progress("drawing", 2, "pictures") as progress:
        Image.fromarray(heatmap_panel(shown, faces)).save(folder / "heatmaps.png")
        progress.advance()
        pictures = [Image.fromarray(picture) for picture in turntable(mesh, 36)]
        pictures[0].save(folder / "turn.gif", save_all=True, append_images=pictures[1:], duration=80, loop=0)
        progress.advance()
    return {
        "heatmaps.png": f"volumes, skeleton and mesh of {len(shown)} frames",
        "mesh.obj": f"mesh of one frame, {len(mesh.vertices)} vertices, metres",
        "skeleton.obj": "joints and bones of the same frame",
        "turn.gif": "the mesh, turning",
    }
