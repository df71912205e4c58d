"""`meshgait body`: describe the default body, import a licensed SMPL file, draw it."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from meshgait.body.files import write_arrays
from meshgait.body.smpl import BodyModel, rest_mesh
from meshgait.errors import ConfigError, OutputError
from meshgait.terminal import PlainTable, console
from meshgait.viz.mesh import Mesh, write_obj
from meshgait.viz.render import views
from meshgait.viz.silhouettes import save_png


class _Moved(argparse.Action):
    """An option that no longer exists."""

    def __call__(self, *_: object) -> None:
        """Refuse it, naming its replacement.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "the default body is baked by a script of the repository", "run python scripts/bake_body.py --help"
        )


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = subparsers.add_parser(
        "body",
        help="describe or import a body model",
        description="Describes the default body; --import describes another one.",
    )
    parser.add_argument("--import", dest="source", type=Path, metavar="SMPL_FILE",
                      help="read a licensed SMPL file: .npz, or the official .pkl without chumpy")  # fmt: skip
    parser.add_argument("--bake", "--anny", "--check", action=_Moved, nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the body as .npz")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw the T-pose from four sides")
    parser.add_argument("--obj", type=Path, metavar="FILE", help="write the T-pose as Wavefront .obj")


def run(args: argparse.Namespace) -> None:
    """Run the verb.

    Raises:
        OutputError: a file cannot be written; checked before any work.
        BodyModelError: the source is missing or malformed.
    """
    for path in (args.out, args.picture, args.obj):
        require_writable(path)
    out = console(100, soft_wrap=True)

    body = BodyModel.load(args.source)
    out.print(describe(body))
    if args.out:
        write_arrays(args.out, {**body.arrays, "meta": np.array(json.dumps(body.meta))})
        out.print(f"wrote {args.out}")
    solid = Mesh.of(rest_mesh(body), body.faces)
    if args.picture:
        save_png(Image.fromarray(views(solid)), args.picture)
        out.print(f"wrote {args.picture}")
    if args.obj:
        write_obj(args.obj, solid)
        out.print(f"wrote {args.obj}")


def describe(body: BodyModel) -> PlainTable:
    """Table of a body's properties and errors."""
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
        if isinstance(values := meta.get(f"stature_{sex}_m"), list):
            table.add_row("", f"{pronoun} {values[0]:.3f} +- {values[1]:.3f} m as sampled when baking")
    if "shape_rms_mm" in meta:
        table.add_row("errors", f"shape {meta['shape_rms_mm']:.2f} mm RMS by {body.num_betas} betas, on "
                                f"{meta['held_out']} people not used for baking")  # fmt: skip
        worst = f"{meta['joint_max_mm']:.1f} mm worst ({str(meta['worst_joint']).replace('_', ' ')})"
        table.add_row("", f"joints from the surface {meta['joint_mean_mm']:.2f} mm mean, {worst}")
    return table


def require_writable(path: Path | None) -> None:
    """Check that a file can be written before work is done for it.

    Raises:
        OutputError: its folder is missing or cannot be written, or it is itself a folder.
    """
    if path is None:
        return
    folder = path.resolve().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        reason = "is a folder" if path.is_dir() else f"cannot be written: {folder} is not a writable folder"
        raise OutputError(f"{path} {reason}", "choose another place")
