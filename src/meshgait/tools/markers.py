"""`meshgait markers`: learn virtual markers of a body, or take them from the cache; print their errors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from meshgait.arrays import read_npy
from meshgait.body.cache import markers_for
from meshgait.body.markers import Markers, MarkerSettings
from meshgait.body.published import STEPS, import_markers
from meshgait.body.smpl import BodyModel, rest_mesh
from meshgait.errors import ConfigError, DataError, UnsafeFileError, python_command
from meshgait.pickles import load_pickle, to_array
from meshgait.progress import Progress
from meshgait.terminal import PlainTable, console
from meshgait.tools.body import require_writable
from meshgait.viz.mesh import Mesh, spheres
from meshgait.viz.render import views
from meshgait.viz.silhouettes import save_png

LEFT, RIGHT, MIDLINE = (214, 84, 48), (40, 100, 200), (40, 150, 90)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = subparsers.add_parser(
        "markers",
        help="learn virtual markers of a body, or import published ones",
        description="Learns virtual markers by archetypal analysis; known sets are not learnt again. --import "
        "takes those of the publication (CVPR 2023) for a licensed SMPL body instead.",
    )
    parser.add_argument("--body", type=Path, metavar="FILE", help="body model; the default body if left out")
    parser.add_argument("--k", type=int, default=64, help="number of markers (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the people and poses learnt from (%(default)s)")
    parser.add_argument("--force", action="store_true", help="learn even if shipped or in the cache")
    parser.add_argument("--import", dest="folder", type=Path, metavar="FOLDER",
                        help="published markers: vm_A_sym.npz, vm_B_sym.npz, vm_info.npz")  # fmt: skip
    parser.add_argument("--vertex-indices", type=Path, metavar="FILE",
                        help="with --import: the body's vertices they are made of (.npy), or those of each part "
                        "of the body (.pkl), of which the head's are left out")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the markers as .npz")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw them on the body from three sides")


def run(args: argparse.Namespace) -> None:
    """Run the verb.

    Raises:
        OutputError: a file cannot be written; checked before any work.
        BodyModelError: the body or the published markers are missing or malformed.
        ConfigError: options that contradict each other, or too few vertices for that many markers.
    """
    if args.vertex_indices and not args.folder:
        raise ConfigError("--vertex-indices goes with --import FOLDER", "add it or leave them out")
    if args.folder and args.force:
        raise ConfigError("--force learns markers, --import reads them", "leave one out")
    for path in (args.out, args.picture):
        require_writable(path)
    out = console(100, soft_wrap=True)
    body = BodyModel.load(args.body)
    markers, origin = _published(args, body) if args.folder else _learnt(args, body)
    out.print(f"{markers.k} markers of {body.source} ({body.hash}), {origin}")
    out.print(describe(markers))
    if args.out:
        markers.save(args.out)
        out.print(f"wrote {args.out}")
    if args.picture:
        save_png(Image.fromarray(draw(body, markers)), args.picture)
        out.print(f"wrote {args.picture}")


def _learnt(args: argparse.Namespace, body: BodyModel) -> tuple[Markers, str]:
    """Markers that are shipped, cached or learnt now, and a word for which."""
    with Progress("learning markers", MarkerSettings().steps) as bar:

        def report(step: int, steps: int, error: float) -> None:
            bar.reach(step, f"{error:.1f} mm")

        return markers_for(body, args.k, args.seed, report, args.force)


def _published(args: argparse.Namespace, body: BodyModel) -> tuple[Markers, str]:
    """Markers of a publication, and where they are from."""
    kept = read_indices(args.vertex_indices, body.num_vertices) if args.vertex_indices else None
    with Progress("importing markers", STEPS) as bar:
        return import_markers(args.folder, body, kept, bar.reach), f"from {args.folder}"


def read_indices(path: Path, vertices: int) -> np.ndarray:
    """Indices (V',) of the vertices that published markers are computed from.

    Args:
        path: .npy or .pkl of an integer array, or a .pkl of a dict of one for each part of the body: then all
            vertices count but those of the part "head".
        vertices: V of the body.

    Raises:
        DataError: the file is missing or holds something else.
        UnsafeFileError: a pickle that asks for anything but arrays.
    """
    remedy = "tensors must be made arrays where you trust the file: " + python_command(
        f'import pickle, numpy as np; content = pickle.load(open({json.dumps(str(path))}, "rb")); '
        f'np.save("kept.npy", np.setdiff1d(np.arange({vertices}), content["head"]))'
    )
    try:
        content = load_pickle(path) if path.suffix == ".pkl" else read_npy(path, "give vertex indices as .npy")
    except UnsafeFileError as error:
        raise UnsafeFileError(str(error), remedy) from None
    if isinstance(content, dict):
        if "head" not in content:
            raise DataError(
                f"{path} has the parts {', '.join(map(str, content))}, no head", "give indices as .npy"
            )
        return np.setdiff1d(np.arange(vertices), _head(path, content["head"]))
    if not isinstance(content, np.ndarray) or content.ndim != 1 or content.dtype.kind not in "iu":
        raise DataError(f"{path} does not hold a list of whole numbers", "give vertex indices as .npy")
    return content.astype(np.int64)


def _head(path: Path, value: object) -> np.ndarray:
    try:
        indices = to_array(value)
    except ValueError:
        indices = np.zeros(0)
    if indices.dtype.kind not in "iu":
        raise DataError(f"{path}: its part head is not a list of whole numbers", "give indices as .npy")
    return indices


def describe(markers: Markers) -> PlainTable:
    """Errors of both decoders as a table."""
    table = PlainTable("mean mesh error, mm", "simplex", "ridge", box=None, padding=(0, 2, 0, 0))
    rows = (
        ("people and poses not learnt from", "held_out"),
        ("walking", "walking"),
        ("walking, markers off by 10 mm (sd per axis)", "noise10"),
        ("walking, markers off by 30 mm", "noise30"),
        ("walking, vertices that the publication leaves out", "left_out"),
    )
    for text, key in rows:
        if f"simplex_{key}" not in markers.errors:
            continue
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
