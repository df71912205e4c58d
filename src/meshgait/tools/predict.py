"""`meshgait predict PATH`: what the network says of one walker: embedding, heatmaps, skeleton, mesh."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch
from einops import rearrange, reduce
from PIL import Image

from meshgait.batch import BodyEstimate
from meshgait.body.skeleton import JOINT_NAMES, NUM_JOINTS
from meshgait.body.targets import to_metres
from meshgait.data.readers import Silhouettes, read_silhouettes
from meshgait.errors import ConfigError, OutputError
from meshgait.stages.recognise import RecogniseStage
from meshgait.viz.mesh import Mesh, skeleton, turntable, write_obj
from meshgait.viz.panels import PanelRow, heatmap_panel

CHECKPOINT = Path("runs/finetune/checkpoints/last.ckpt")
EMBEDDING = "walker.npz"
PANEL_ROWS = 6
BLOCK = 64  # frames at once, so that memory does not grow with the sequence


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser("predict", help="embedding, heatmaps, skeleton and mesh of one walker")
    parser.add_argument("path", type=Path, help="folder of frames, .gif, .npy, .npz or .pkl of silhouettes")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT, help="of stage 2 (default: %(default)s)")
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
        raise ConfigError(f"--stature is {arguments.stature} m; give the body height in metres, 0.3 to 2.6")
    out = arguments.out or Path("predictions") / arguments.path.stem
    if out.exists() and not arguments.overwrite:
        raise OutputError(f"{out} exists; give another --out, or --overwrite")
    if out.exists() and not (out / EMBEDDING).is_file():
        raise OutputError(f"{out} is no earlier prediction, so it is not replaced; give another --out")
    stage = RecogniseStage.load(arguments.checkpoint)
    walker = read_silhouettes(arguments.path, stage.network.size.frame)
    for line in report_lines(walker):
        print(line)
    chosen = choose_frame(walker, arguments.frame)
    partial = out.with_name(out.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        written = write_prediction(stage, walker, chosen, arguments.stature, partial)
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror}); choose another --out") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for name, text in written.items():
        print(f"{out / name}: {text}")


def report_lines(walker: Silhouettes) -> list[str]:
    """What was read and what was left out, in words."""
    report = walker.report
    lines = [f"{report.source}: {len(walker.frames)} of {report.total} frames hold a figure"]
    lines += [f"  frame {index}: left out, {reason}" for index, reason in list(report.dropped.items())[:10]]
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
            f"--frame {wanted} holds no figure or is not there; frames {walker.kept[0]} to {walker.kept[-1]} do"
        )
    return int(places[0])


@torch.no_grad()
def write_prediction(
    stage: RecogniseStage, walker: Silhouettes, chosen: int, stature: float, folder: Path
) -> dict[str, str]:
    """Write all files to ``folder``; returns what each one is."""
    frames = torch.from_numpy(walker.frames).float() / 255
    embedding = stage(
        rearrange(frames, "t h w -> 1 t h w"), torch.ones(1, len(frames), dtype=torch.bool)
    ).embeddings
    arrays = {"embedding": embedding[0].numpy(), "frames": walker.kept}
    written = {EMBEDDING: f"embedding {tuple(embedding.shape[1:])} (strips, channels)"}
    if stage.supervision is not None:
        rows = body_rows(stage, frames)
        scale = pixels_per_metre(rows, stature)
        points = to_metres(
            torch.from_numpy(np.stack([row.points for row in rows])), torch.full((len(rows),), scale)
        )
        points = (points - points[:, :1]).numpy()
        arrays |= {"joints": points[:, :NUM_JOINTS], "markers": points[:, NUM_JOINTS:]}
        arrays["joint_names"] = np.array(JOINT_NAMES)
        written[EMBEDDING] += f", joints and markers of {len(rows)} frames in metres, pelvis at the origin"
        written |= _write_body(stage, rows, chosen, scale, folder)
    np.savez_compressed(folder / EMBEDDING, **arrays)
    return written


def body_rows(stage: RecogniseStage, frames: torch.Tensor) -> list[PanelRow]:
    """What the 3D branch says of frames (T, H, W), block by block."""
    network, rows = stage.network.reconstructor().eval(), []
    for block in frames.split(BLOCK):
        estimate: BodyEstimate = network(block)
        vertices = stage.supervision.decode_mesh(estimate)
        parts = (block, estimate.volumes, estimate.points, vertices)
        rows += [PanelRow(*row) for row in zip(*(x.numpy() for x in parts), strict=True)]
    return rows


def pixels_per_metre(rows: list[PanelRow], stature: float) -> float:
    """Scale at which the tallest mesh (90th percentile over frames) is ``stature`` high."""
    heights = reduce(
        np.stack([row.vertices[:, 1] for row in rows]), "t v -> t", lambda x, axes: np.ptp(x, axis=axes)
    )
    return float(np.percentile(heights, 90) / stature)


def _write_body(
    stage: RecogniseStage, rows: list[PanelRow], chosen: int, scale: float, folder: Path
) -> dict[str, str]:
    faces = stage.supervision.faces.numpy()
    shown = np.unique(np.linspace(0, len(rows) - 1, PANEL_ROWS).round().astype(int))
    Image.fromarray(heatmap_panel([rows[i] for i in shown], faces)).save(folder / "heatmaps.png")
    row = rows[chosen]
    origin = row.points[:1]
    upright = np.array([1.0, -1.0, 1.0]) / scale
    mesh = Mesh.of((row.vertices - origin) * upright, faces)
    bones = skeleton((row.points[:NUM_JOINTS] - origin) * upright)
    write_obj(folder / "mesh.obj", mesh)
    write_obj(folder / "skeleton.obj", bones)
    pictures = [Image.fromarray(picture) for picture in turntable(mesh, 36)]
    pictures[0].save(folder / "turn.gif", save_all=True, append_images=pictures[1:], duration=80, loop=0)
    return {
        "heatmaps.png": f"volumes, skeleton and mesh of {len(shown)} frames",
        "mesh.obj": f"mesh of one frame, {len(mesh.vertices)} vertices, metres",
        "skeleton.obj": "joints and bones of the same frame",
        "turn.gif": "the mesh, turning",
    }
