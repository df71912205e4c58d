"""Verb `walkers`: make a data set of synthetic walkers with SMPL truth."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from meshgait.body.smpl import BodyModel
from meshgait.data.store import Store
from meshgait.errors import ConfigError
from meshgait.synthetic.generate import generate
from meshgait.synthetic.motions import Motions
from meshgait.synthetic.population import WalkerSettings
from meshgait.synthetic.segmentation import NOISES
from meshgait.terminal import say
from meshgait.viz.silhouettes import montage, save_gif, save_png

HELP = "make synthetic walkers (silhouettes with exact SMPL truth) as a packed store"

FRAMES = 8
"""Frames of a sequence in a montage, spread over its first second."""

MAX_VIEWS = 5

VARIETIES = {
    "camera": "another camera for each sequence: place, direction, frame rate",
    "wardrobe": "rare clothes, hats, luggage and ways to hold the arms",
    "body": "bodies beyond the common: stout, slim, old, children",
}
"""Settings, 0 to 1, that make walkers more varied."""


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the verb's arguments."""
    default = WalkerSettings()
    parser = subparsers.add_parser("walkers", help=HELP, description=HELP)
    add = parser.add_argument
    add("dest", type=Path, metavar="DEST", help="folder to make; the same command continues an interrupted run")
    add("--bodies", type=int, default=default.bodies, help="body shapes (default %(default)s)")
    add("--styles", type=int, default=None, help="gait styles (default: as many as bodies)")
    add(
        "--test-fraction",
        type=float,
        default=default.test_fraction,
        help="share of bodies and styles kept for the test set (default 1/3)",
    )
    add("--views", default=",".join(map(str, default.views)), help="azimuths in degrees (default %(default)s)")
    add("--conditions", default=",".join(default.conditions), help="conditions (default %(default)s)")
    add("--frames", type=int, default=default.frames, help="frames a sequence (default %(default)s)")
    add("--fps", type=float, default=default.fps, help="frames per second (default %(default)s)")
    add("--seed", type=int, default=default.seed, help="seed of everything (default %(default)s)")
    add(
        "--camera-height",
        type=float,
        default=default.camera_height,
        metavar="M",
        help="metres above the ground (default %(default)s)",
    )
    add(
        "--camera-distance",
        type=float,
        default=default.camera_distance,
        metavar="M",
        help="metres to the middle of the path (default %(default)s)",
    )
    add("--noise", default=default.noise, help=f"segmentation noise: {', '.join(NOISES)} (default %(default)s)")
    add(
        "--noise-strength",
        type=float,
        default=default.noise_strength,
        metavar="0..2",
        help="of subtraction, learned and mixed noise; 1 is as bad as old footage (default %(default)s)",
    )
    for name, what in VARIETIES.items():
        add(
            f"--{name}-variety",
            type=float,
            default=getattr(default, f"{name}_variety"),
            metavar="0..1",
            help=f"{what} (default %(default)s: none)",
        )
    add("--style-spread", type=float, default=default.style_spread, help="differences of gait between people")
    add("--style-jitter", type=float, default=default.style_jitter, help="the same between walks of one person")
    add("--clothes-jitter", type=float, default=default.clothes_jitter, help="relative change of clothes")
    add("--view-jitter", type=float, default=default.view_jitter, help="degrees around a nominal view")
    add(
        "--motions",
        type=Path,
        nargs="+",
        metavar="FILE_OR_FOLDER",
        help="recorded walks of AMASS (.npz) in place of styles; files in a sub-folder are of one person",
    )
    add("--body", default=None, metavar="FILE", help="body model (default: the one that comes with Mesh-Gait)")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    add("--montage", type=Path, default=None, metavar="PNG", help="also draw a few walkers")
    add("--gif", type=Path, default=None, metavar="GIF", help="also draw a moving walker")
    add("--overwrite", action="store_true", help="replace walkers made with other settings")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Make the data set and the pictures asked for; returns the exit status."""
    settings = WalkerSettings(
        bodies=args.bodies,
        styles=args.bodies if args.styles is None else args.styles,
        test_fraction=args.test_fraction,
        views=_views(args.views),
        conditions=tuple(_items(args.conditions)),
        frames=args.frames,
        fps=args.fps,
        seed=args.seed,
        camera_height=args.camera_height,
        camera_distance=args.camera_distance,
        noise=args.noise,
        noise_strength=args.noise_strength,
        **{f"{name}_variety": getattr(args, f"{name}_variety") for name in VARIETIES},
        style_spread=args.style_spread,
        style_jitter=args.style_jitter,
        clothes_jitter=args.clothes_jitter,
        view_jitter=args.view_jitter,
    )
    body = BodyModel.load(args.body)
    motions = None
    if args.motions:
        motions = Motions.collect(args.motions, settings.styles, (settings.frames - 1) / settings.fps)
        say(f"motions: {motions}")
    made = generate(args.dest, settings, args.workers, body, overwrite=args.overwrite, motions=motions)
    store = Store(args.dest)
    state = "made" if made else "already there with the same settings, nothing done:"
    people = f"{2 * settings.bodies} subjects ({2 * settings.test_bodies} for testing)"
    say(f"{state} {args.dest}: {people}, {len(store.sequences)} sequences, {store.meta['frames']} frames")
    if args.montage:
        save_montage(store, args.montage)
        say(f"montage: {args.montage}")
    if args.gif:
        save_animation(store, args.gif, settings.fps)
        say(f"animation: {args.gif}")
    return 0


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _views(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(item) for item in _items(text))
    except ValueError as error:
        raise ConfigError(f"--views {text} is not a list of whole degrees such as 0,36,72") from error


def _spread(names: list[str], count: int) -> list[str]:
    """At most `count` of the names, evenly spread."""
    places = np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)
    return [names[i] for i in places]


def save_montage(store: Store, path: Path | str, subjects: int = 3) -> None:
    """Rows: a few subjects, one sequence of each kind of condition; columns: views, frames of each."""
    index = {row[:3]: i for i, row in enumerate(store.sequences)}
    names = sorted({row.subject for row in store.sequences})
    views = _spread(sorted({row.view for row in store.sequences}), MAX_VIEWS)
    kinds = {row.condition.split("-")[0]: row.condition for row in reversed(store.sequences)}
    rows, labels = [], []
    for name in _spread(names, subjects):
        for kind in sorted(kinds, key=("nm", "bg", "cl").index):
            blocks = []
            for view in views:
                number = index[(name, kinds[kind], view)]
                last = store.sequences[number].frames - 1
                chosen = np.linspace(0, min(last, 24), FRAMES).round().astype(int)
                blocks.append(store.silhouettes(number, chosen))
            rows.append(np.concatenate(blocks))
            labels.append(f"{name} {kinds[kind]}")
    save_png(montage(rows, labels, scale=1 if len(views) > 2 else 2, gap_every=FRAMES), path)


def save_animation(store: Store, path: Path | str, fps: float) -> None:
    """The first subject's kinds of condition side by side, seen as nearly from the side as there is."""
    first = store.sequences[0].subject
    rows = [(i, row) for i, row in enumerate(store.sequences) if row.subject == first]
    view = min({row.view for _, row in rows}, key=lambda v: abs(int(v) - 90))
    kinds: dict[str, int] = {}
    for i, row in rows:
        if row.view == view:
            kinds.setdefault(row.condition.split("-")[0], i)
    save_gif([store.silhouettes(i) for i in kinds.values()], path, fps)
