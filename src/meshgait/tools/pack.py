"""`meshgait pack`: data sets as they are published -> the packed store that training reads, and back."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from meshgait.data.export import export_opengait
from meshgait.data.fitfiles import FitFiles
from meshgait.data.layouts import guess_layout
from meshgait.data.loaded_sequence import Align
from meshgait.data.opengait import as_written
from meshgait.data.pack import LAYOUT_NAMES, pack
from meshgait.data.packing import PackOptions
from meshgait.data.store import Store
from meshgait.errors import ConfigError
from meshgait.terminal import say

MOST_KINDS = 10
"""Kinds of figures in a data set that are printed after packing."""
EPILOG = """layouts: opengait = subject/condition/view/*.pkl of any depth (Gait3D's merged modalities too);
casia-b, gait3d, ccpg, grew (as OpenGait rearranges it), frames = subject/condition/view/*.png; oumvlp =
Silhouette_VIEW-CONDITION/SUBJECT/*.png; grew-raw = as its archives unpack; sustech1k = .../Sils_aligned/*.png;
usf = Gal.npz, PrbA.npz .. PrbG.npz of the USF HumanID challenge."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = subparsers.add_parser(
        "pack",
        help="convert a data set to a packed store",
        description="Converts a data set to a packed store, or (--to opengait) a store to OpenGait's pickles. "
        "SOURCE is only read; the same command continues an interrupted run.",
        epilog=EPILOG,
    )
    add = parser.add_argument
    add("source", type=Path, metavar="SOURCE", help="folder of the data set")
    add("dest", type=Path, metavar="DEST", help="folder to make; must not exist")
    add(
        "--layout",
        choices=LAYOUT_NAMES,
        default="auto",
        help="how the data set lies on disk (default: see for itself)",
    )
    add("--pattern", help="of an own tree, as {subject}/{condition}/{view} or run_{view}/{subject}-{condition}")
    add("--to", choices=("store", "opengait"), default="store", help="what to make (%(default)s)")
    add(
        "--size",
        type=int,
        nargs=2,
        default=(64, 44),
        metavar=("HEIGHT", "WIDTH"),
        help="of the silhouettes in pixels (64 44)",
    )
    add(
        "--bits",
        type=int,
        choices=(1, 8),
        default=8,
        help="8 keeps grey edges, 1 is black and white in an eighth of the room (%(default)s)",
    )
    add("--person", type=int, metavar="ID", help="class number of the person, if masks hold several")
    add("--no-crop", action="store_true", help="keep the published alignment of the figures")
    add("--files", default="*.pkl", metavar="GLOB", help="which pickles of a folder are read (%(default)s)")
    add("--partition", type=Path, metavar="JSON", help="training and test subjects, to copy into the store")
    add("--protocol", help="evaluation protocol to note in the store (default: the layout's)")
    add(
        "--body",
        metavar="FILE",
        help="body model of the SMPL fits (a file, or default), to align them to the silhouettes",
    )
    add(
        "--fits",
        metavar="PATH",
        help="fits beside the data set, as FITS/{subject}/{condition}/{view}.npz, or a folder with a file a frame",
    )
    add(
        "--fits-keys",
        metavar="KEYS",
        help="names of their arrays: romp, hmr2, smpl or pose=KEY[+KEY],betas=KEY[,camera=KEY]"
        "[,six=columns|interleaved|rows]",
    )
    add("--iou", type=float, default=0.5, help="overlap of mesh and silhouette from which a fit is valid (0.5)")
    add("--aligned-fits", action="store_true", help="take SMPL rows of pickles as `--to opengait` writes them")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    faults = parser.add_mutually_exclusive_group()
    faults.add_argument("--strict", action="store_true", help="whatever would be left out is an error")
    faults.add_argument("--lenient", action="store_true", help="leave broken sequences out, instead of stopping")


def run(args: argparse.Namespace) -> None:
    """Run the verb.

    Raises:
        ConfigError: arguments that contradict each other.
        DataError: the data set is not what it should be.
        StoreError: DEST exists, or a stopped run of other settings is there.
        OutputError: DEST cannot be written.
    """
    if args.to == "opengait":
        count = export_opengait(args.source, args.dest)
        say(f"{args.dest}: {count} sequences in OpenGait's layout")
        return
    aligner, fits = _fits(args.body, args.iou, args.aligned_fits, tuple(args.size))
    options = PackOptions(
        size=tuple(args.size),
        bits=args.bits,
        crop=False if args.no_crop else None,
        files=args.files,
        partition=args.partition,
        protocol=args.protocol,
        person=args.person,
        tolerance="none" if args.strict else "sequences" if args.lenient else "frames",
        fit_files=_fit_files(args.fits, args.fits_keys, args.aligned_fits),
        aligner=aligner,
        fits=fits,
    )
    layout = args.layout
    if layout == "auto" and args.pattern is None and not args.dest.exists():
        layout = guess_layout(args.source)
        say(f"{args.source} looks like {layout}")
    store = pack(args.source, args.dest, layout, args.pattern, options, args.workers)
    _summarise(store)


def _fits(
    body: str | None, iou: float, aligned: bool, size: tuple[int, int]
) -> tuple[Callable[[], Align] | None, dict[str, Any]]:
    """Function that aligns SMPL rows, and its description (`PackOptions`)."""
    if body is not None and aligned:
        raise ConfigError("--body aligns SMPL rows, --aligned-fits takes them as they are", "give one of them")
    if not 0 <= iou <= 1:
        raise ConfigError(f"--iou {iou} is out of range", "it must be between 0 and 1")
    if aligned:
        return _as_written, {"aligned": True}
    if body is None:
        return None, {}
    from meshgait.body.smpl import BodyModel  # it imports torch, so it is imported only when needed

    return partial(_aligner, body, size, iou), {"body": BodyModel.load(body).hash, "iou": iou}


def _fit_files(pattern: str | None, keys: str | None, aligned: bool) -> FitFiles | None:
    """Files of fits beside the data set."""
    if pattern is not None and aligned:
        raise ConfigError("--fits reads fits of an estimator, --aligned-fits those of a store", "give one of them")
    if (pattern is None) != (keys is None):
        raise ConfigError("--fits says where fits lie and --fits-keys what is in them", "give both or neither")
    return None if pattern is None or keys is None else FitFiles.of(pattern, keys)


def _as_written() -> Align:
    return as_written


def _aligner(body: str, size: tuple[int, int], iou: float) -> Align:
    """Function that aligns SMPL rows; made in each process, as PyTorch's threads do not survive a fork."""
    import torch

    from meshgait.body.alignment import Aligner
    from meshgait.body.smpl import BodyModel

    torch.set_num_threads(1)
    return Aligner(BodyModel.load(body), size, iou)


def _summarise(store: Store) -> None:
    """Print what is in a new store, and what was left out and why."""
    dest = store.path
    people = len({sequence.subject for sequence in store.sequences})
    megabytes = (dest / "silhouettes.npy").stat().st_size / 1e6
    say(
        f"{dest}: {people} subjects, {len(store.sequences)} sequences, {store.meta['frames']} frames, "
        f"{megabytes:.1f} MB; protocol: {store.meta.get('protocol', '(none)')}"
    )
    packing = store.meta.get("packing", {})
    kinds = list(packing.get("figures", {}).items())
    for kind, seen in kinds[:MOST_KINDS]:
        say(f"figure: {kind}: {seen['sequences']} sequences, the first: {seen['first']}")
    if len(kinds) > MOST_KINDS:
        say(f"figure: {len(kinds) - MOST_KINDS} more kinds; all of them: {dest / 'meta.json'}")
    for what, reasons in packing.get("dropped", {}).items():
        if what == "fits":
            count = sum(reasons.values())
            say(f"no file of fits, hence no truth: {count} sequences; each one: {dest / 'dropped.csv'}")
        elif reasons:
            each = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
            say(f"left out {sum(reasons.values())} {what}: {each}; each one: {dest / 'dropped.csv'}")
    if packing.get("strays"):
        say(f"passed over {packing['strays']} folders that do not fit, such as {packing['stray']}")
    if packing.get("fits"):
        say("SMPL rows were left out; give --body SMPL_NEUTRAL.npz to take them along")
    if store.has_smpl:
        valid = sum(int(store.smpl(index)["valid"].sum()) for index in range(len(store.sequences)))
        say(f"SMPL truth of {valid} of {store.meta['frames']} frames")
