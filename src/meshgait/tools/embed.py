"""`meshgait embed PATH...`: embeddings of walks, one for each, in a file."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from meshgait.atomic import atomic_file
from meshgait.data.readers import Silhouettes
from meshgait.errors import ConfigError, OutputError
from meshgait.progress import Progress
from meshgait.recogniser import MAX_FRAMES, Recogniser
from meshgait.terminal import say


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "embed",
        help="write the embeddings of walks",
        description=f"Write the embeddings of walks. An embedding is made of {MAX_FRAMES} frames at most, spread "
        "evenly over a longer walk. The file holds `embeddings` (N, strips, channels) and `walks`, the N paths.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help=WALK)
    add_model_arguments(parser)
    parser.add_argument("--out", type=Path, help="file to write, .npz (default: embeddings/NAME.npz)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


WALK = "folder of frames, .gif, .npy, .npz or .pkl of silhouettes"


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments for the model, and for the person in masks of several."""
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


def run(arguments: argparse.Namespace) -> None:
    """Read, embed, write; the file appears only when it is complete."""
    out = arguments.out or Path("embeddings") / f"{walk_name(arguments.paths[0])}.npz"
    if out.suffix != ".npz":
        raise ConfigError(f"--out is {out}", "give the name of an .npz file")
    if out.exists() and not arguments.overwrite:
        raise OutputError(f"{out} exists", "give another --out, or --overwrite")
    recogniser = Recogniser.load(arguments.checkpoint, arguments.body, arguments.markers)
    embeddings, used = [], []
    with Progress("embedding", len(arguments.paths), "walks") as progress:
        for path in arguments.paths:
            walk = read_walk(recogniser, path, arguments.person)
            embeddings.append(recogniser.embed(walk)[0])
            used.append(min(len(walk.frames), MAX_FRAMES))
            progress.advance()
    walks = [str(path) for path in arguments.paths]
    with atomic_file(out) as partial, partial.open("wb") as stream:
        np.savez_compressed(stream, embeddings=np.stack(embeddings), walks=walks)
    frames = f"{min(used)} to {max(used)}" if min(used) < max(used) else f"{used[0]}"
    say(f"{out}: embeddings {np.shape(embeddings)} (walks, strips, channels) of {frames} frames each")


def walk_name(path: Path) -> str:
    """Name of the output for a walk."""
    return path.resolve().stem or "walker"


def read_walk(recogniser: Recogniser, path: Path, person: int | None) -> Silhouettes:
    """Read a walk, and print which frames were read and which were left out."""
    walk = recogniser.read(path, person)
    report = walk.report
    say(f"{report.source}: {len(walk.frames)} of {report.total} frames hold a figure ({report.figure})")
    for name, reason in list(report.dropped.items())[:10]:
        say(f"  {name}: left out, {reason}")
    if len(report.dropped) > 10:
        say(f"  and {len(report.dropped) - 10} more")
    for text in report.warnings:
        say(f"  note: {text}")
    return walk
