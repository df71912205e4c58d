"""`meshgait pack`: data sets as they are published -> the packed store that training reads."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from rich.console import Console

from meshgait.data.store import Store
from meshgait.data.usf import pack_usf
from meshgait.errors import ConfigError, StoreError
from meshgait.progress import track

# each packs (source, dest, size, bits, crop, track); a new layout is a reader in data/ and a line here
LAYOUTS: dict[str, Callable[..., None]] = {"usf": pack_usf}


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declares the verb's arguments."""
    parser = subparsers.add_parser(
        "pack",
        help="convert a data set to a packed store",
        description="Converts a data set to a packed store; a stopped run is taken up by the same command. "
        "usf: Gal.npz, PrbA.npz .. PrbG.npz of the USF HumanID challenge.",
    )
    parser.add_argument("layout", choices=tuple(LAYOUTS), help="how the data set lies on disk")
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder of the data set")
    parser.add_argument("dest", type=Path, metavar="DEST", help="folder of the store to make; must not exist")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(64, 44),
        metavar=("HEIGHT", "WIDTH"),
        help="of the silhouettes in pixels (64 44)",
    )
    parser.add_argument(
        "--bits",
        type=int,
        choices=(1, 8),
        default=8,
        help="8 keeps grey edges, 1 is black and white in an eighth of the room (%(default)s)",
    )
    parser.add_argument("--no-crop", action="store_true", help="keep the published alignment of the figures")


def run(args: argparse.Namespace) -> None:
    """Runs the verb.

    Raises:
        DataError: the data set is not as published.
        StoreError: DEST exists, or a stopped run of other settings is there.
        OutputError: DEST cannot be written.
    """
    pack(args.layout, args.source, args.dest, tuple(args.size), args.bits, not args.no_crop)


def pack(
    layout: str,
    source: Path,
    dest: Path,
    size: tuple[int, int] = (64, 44),
    bits: Literal[1, 8] = 8,
    crop: bool = True,
) -> None:
    """Pack a data set into a store; a run that was stopped is taken up again by the same command.

    Args:
        layout: how the data set lies on disk: usf = Gal.npz, PrbA.npz .. PrbG.npz of the USF HumanID challenge.
        source: its folder.
        dest: folder of the store to make; must not exist.
        size: height and width of the silhouettes in pixels.
        bits: 8 keeps grey edges, 1 is black and white in an eighth of the room.
        crop: centre each figure by the crop rule; False keeps the published alignment.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"layout {layout!r} is unknown; there are {', '.join(LAYOUTS)}")
    if min(size) < 1:
        raise ConfigError(f"size is {tuple(size)}; height and width must be at least 1 pixel")
    dest = Path(dest)
    if dest.exists():  # before anything is read
        raise StoreError(f"{dest} already exists; choose another folder or remove it")
    LAYOUTS[layout](
        Path(source),
        dest,
        size=tuple(size),
        bits=bits,
        crop=crop,
        track=lambda items: track(items, f"packing {layout}", len(items), "sequences"),
    )
    store = Store(dest)
    people = len({sequence.subject for sequence in store.sequences})
    megabytes = (dest / "silhouettes.npy").stat().st_size / 1e6
    Console().print(
        f"{dest}: {people} subjects, {len(store.sequences)} sequences, {store.meta['frames']} frames, "
        f"{megabytes:.1f} MB; protocol: {store.meta.get('protocol', '(none)')}",
        soft_wrap=True,
        highlight=False,
    )
