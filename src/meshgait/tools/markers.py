"""`meshgait markers`: learn virtual markers of a body, or take them from the cache; print their errors."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from meshgait.body.cache import markers_for
from meshgait.body.markers import Markers, Settings
from meshgait.body.smpl import BodyModel, rest_mesh
from meshgait.progress import Progress
from meshgait.tools.body import require_writable, write_picture
from meshgait.viz.mesh import Mesh, spheres, views

LEFT, RIGHT, MIDLINE = (214, 84, 48), (40, 100, 200), (40, 150, 90)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declares the verb's arguments."""
    parser = subparsers.add_parser(
        "markers",
        help="learn virtual markers of a body",
        description="Learns virtual markers by archetypal analysis; known sets are not learnt again.",
    )
    parser.add_argument("--body", type=Path, metavar="FILE", help="body model; the default body if left out")
    parser.add_argument("--k", type=int, default=64, help="number of markers (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the people and poses learnt from (%(default)s)")
    parser.add_argument("--force", action="store_true", help="learn even if shipped or in the cache")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the markers as .npz")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw them on the body from three sides")


def run(args: argparse.Namespace) -> None:
    """Runs the verb.

    Raises:
        OutputError: a file cannot be written, found out before any work.
        BodyModelError: the body is missing or malformed.
        ConfigError: the body has too few vertices for that many markers.
    """
    for path in (args.out, args.picture):
        require_writable(path)
    console = Console(width=None if Console().is_terminal else 100, soft_wrap=True)
    body = BodyModel.load(args.body)
    with Progress("learning markers", Settings().steps) as bar:

        def report(step: int, steps: int, error: float) -> None:
            bar.reach(step, f"{error:.1f} mm")

        markers, origin = markers_for(body, args.k, args.seed, report, args.force)
    console.print(f"{markers.k} markers of {body.source} ({body.hash}), {origin}")
    console.print(describe(markers))
    if args.out:
        markers.save(args.out)
        console.print(f"wrote {args.out}")
    if args.picture:
        write_picture(args.picture, draw(body, markers))
        console.print(f"wrote {args.picture}")


def describe(markers: Markers) -> Table:
    """Errors of both decoders as a table."""
    table = Table("mean mesh error, mm", "simplex", "ridge", box=None, padding=(0, 2, 0, 0))
    rows = (
        ("people and poses not learnt from", "held_out"),
        ("walking", "walking"),
        ("walking, markers off by 10 mm (sd per axis)", "noise10"),
        ("walking, markers off by 30 mm", "noise30"),
    )
    for text, key in rows:
        table.add_row(text, *(f"{markers.errors[f'{decoder}_{key}']:.1f}" for decoder in ("simplex", "ridge")))
    middle = int((markers.flip == np.arange(markers.k)).sum())
    table.add_row(f"{(markers.k - middle) // 2} flip pairs, {middle} on the midline", "", "")
    table.add_row(f"mirror error at most {markers.errors['mirror']:.2f} mm", "", "")
    return table


def draw(body: BodyModel, markers: Markers, height: int = 600) -> np.ndarray:
    """The T-posed body with its markers from the front, its left and the back.

    Args:
        body: the body.
        markers: its markers; left ones red, right ones blue, midline ones green.
        height: of the picture in pixels.

    Returns:
        RGB picture (height, W, 3) uint8.
    """
    vertices = rest_mesh(body)
    points = markers.pick(vertices)
    sides = np.where(points[:, :1] > 0, LEFT, RIGHT)
    colours = np.where((markers.flip == np.arange(markers.k))[:, None], MIDLINE, sides)
    return views(Mesh.of(vertices, body.faces) + spheres(points, colours=colours), (0, 90, 180), height)
