"""How fast `meshgait pack` is, beside plain ways of doing the same in the same run.

    python benchmarks/packing.py [--json OUT]

makes, in a temporary folder, a tree of PNG frames like CASIA-B's (240 x 320, a walking figure, OpenCV's encoder),
one of frames as a detector cuts them (128 to 240 rows), and one of OpenGait's pickles (64 x 64), and packs each
with one and two processes, everything included: listing, reading, crop, writing, checksums. Beside it stand

- plain frames: OpenCV reads each frame, numpy sums rows and columns, OpenCV resizes, one pickle a sequence;
- plain pickles: `pickle.load`, the cut to 44 columns, one `numpy.save` a sequence;

each with as many processes (`multiprocessing.Pool`). Figures are medians of wall time in turn; processor time,
which other load on the machine moves less, stands beside. Files are read from the page cache.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pickle
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np

from meshgait.data.layouts import LAYOUTS
from meshgait.data.packing import PackOptions, pack_tree
from meshgait.data.silhouettes import normalise

KINDS = {"frames 240 x 320": "casia-b", "frames of 128 to 240 rows": "casia-b", "OpenGait pickles": "opengait"}


class Figure(NamedTuple):
    """Medians of one way of packing."""

    data: str
    way: str
    processes: int
    frames_per_second: float
    processor_microseconds_per_frame: float


def main() -> None:
    """Make the data, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=80, help="of each tree")
    parser.add_argument("--frames", type=int, default=100, help="of each sequence")
    parser.add_argument("--times", type=int, default=40, help="so many times as many sequences of pickles")
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each kind")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), arguments.sequences, arguments.frames, arguments.times, arguments.repeats)
    print(f"{'data':26} {'way':14} {'processes':>9} {'frames/s':>9} {'cpu us/frame':>13}")
    for figure in figures:
        print(f"{figure[0]:26} {figure[1]:14} {figure[2]:9d} {figure[3]:9.0f} {figure[4]:13.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps([figure._asdict() for figure in figures], indent=1) + "\n")


def measure(root: Path, sequences: int, frames: int, times: int, repeats: int) -> list[Figure]:
    """Figures of all data, ways and numbers of processes."""
    trees = {name: root / f"tree{number}" for number, name in enumerate(KINDS)}
    counts = {name: sequences * frames for name in trees}
    large, cut, pickles = trees
    write_frames(trees[large], sequences, frames, lambda rng: (240, 320))
    write_frames(trees[cut], sequences, frames, lambda rng: (rows := int(rng.integers(128, 241)), rows * 2 // 3))
    write_pickles(trees[pickles], sequences * times, frames)
    counts[pickles] *= times
    figures = []
    for name, source in trees.items():
        plain = plain_pickles if name == pickles else plain_frames
        ways: dict[tuple[str, int], Callable[[Path], object]] = {}
        for processes in (1, 2):
            ways["plain", processes] = partial(plain, source, processes)
            ways["meshgait pack", processes] = partial(_pack, source, KINDS[name], processes)
        spent: dict[tuple[str, int], list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(repeats):
            for way, run in ways.items():
                spent[way].append(_seconds(run, root / "dest"))
        for (way, processes), seconds in spent.items():
            wall, processor = (median(pair[column] for pair in seconds) for column in (0, 1))
            figures.append(Figure(name, way, processes, counts[name] / wall, 1e6 * processor / counts[name]))
    return figures


def _seconds(run: Callable[[Path], object], dest: Path) -> tuple[float, float]:
    """Wall and processor seconds of one run, with its children."""

    def processor() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(used.ru_utime + used.ru_stime for used in both)

    before, begun = processor(), time.perf_counter()
    run(dest)
    spent = time.perf_counter() - begun, processor() - before
    shutil.rmtree(dest)
    return spent


def _pack(source: Path, layout: str, processes: int, dest: Path) -> None:
    pack_tree(source, dest, LAYOUTS[layout], PackOptions(), processes, progress=False)


def draw(shape: tuple[int, int], step: int) -> np.ndarray:
    """Image (h, w) uint8 of a figure that walks through it."""
    height, width = shape
    image = np.zeros(shape, np.uint8)
    # a figure fills three quarters of the height, and moves on by some pixels a frame if there is room
    unit, room = height * 3 / 4 / 8, max(width - height // 2, 1)
    x, top = int(width / 2 - room / 2 + 2 * step % room), height / 8

    def at(share: float) -> int:
        return int(top + share * unit)

    swing = int(1.2 * unit * np.sin(step / 4))
    cv2.ellipse(image, (x, at(0.5)), (int(unit * 0.38), int(unit * 0.5)), 0, 0, 360, 255, -1)
    cv2.ellipse(image, (x, at(2.6)), (int(unit * 0.8), int(unit * 1.7)), 0, 0, 360, 255, -1)
    for side in (-1, 1):
        cv2.line(image, (x, at(4)), (x + side * swing, at(7.8)), 255, int(unit * 0.55))
        cv2.line(image, (x, at(1.4)), (x - side * swing * 2 // 3, at(4)), 255, int(unit * 0.35))
    return image


def _folder(root: Path, number: int) -> Path:
    folder = root / f"{number // 4:04d}" / "nm-01" / f"{number % 4 * 36:03d}"
    folder.mkdir(parents=True)
    return folder


def write_frames(
    root: Path, sequences: int, frames: int, shape: Callable[[np.random.Generator], tuple[int, int]]
) -> None:
    """Tree of PNG frames; all of a sequence have one shape."""
    rng = np.random.default_rng(0)
    for number in range(sequences):
        folder, size = _folder(root, number), shape(rng)
        for step in range(frames):
            cv2.imwrite(str(folder / f"{step + 1:03d}.png"), draw(size, step + 7 * number))


def write_pickles(root: Path, sequences: int, frames: int) -> None:
    """Tree of OpenGait's pickles, whose figures are in the silhouette frame."""
    arrays = [
        np.stack([normalise(draw((240, 320), step + 7 * number), (64, 64))[0] for step in range(frames)])
        for number in range(20)
    ]
    for number in range(sequences):
        folder = _folder(root, number)
        with (folder / f"{folder.name}.pkl").open("wb") as file:
            pickle.dump(arrays[number % len(arrays)], file)


def plain_frames(source: Path, processes: int, dest: Path) -> None:
    """The common way: frame by frame, one pickle a sequence."""
    _plainly(_plain_sequence, source, processes, dest)


def plain_pickles(source: Path, processes: int, dest: Path) -> None:
    """The common way: unpickle, cut, save."""
    _plainly(_plain_pickle, source, processes, dest)


def _plainly(work: Callable[[tuple[Path, Path]], None], source: Path, processes: int, dest: Path) -> None:
    dest.mkdir()
    jobs = [(folder, dest / f"{n}") for n, folder in enumerate(sorted(source.glob("*/*/*")))]
    if processes == 1:
        for job in jobs:
            work(job)
        return
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        pool.map(work, jobs, chunksize=1)


def _plain_sequence(job: tuple[Path, Path]) -> None:
    folder, target = job
    silhouettes = []
    for file in sorted(folder.glob("*.png")):
        image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        if image.sum() <= 10_000:
            continue
        rows = np.flatnonzero(image.sum(axis=1))
        image = image[rows[0] : rows[-1] + 1]
        image = cv2.resize(image, (int(64 * image.shape[1] / len(image)), 64), interpolation=cv2.INTER_CUBIC)
        mass = image.sum(axis=0).cumsum()
        centre = int(np.flatnonzero(mass > mass[-1] / 2)[0])
        silhouettes.append(np.pad(image, ((0, 0), (32, 32)))[:, centre : centre + 64])
    with target.open("wb") as file:
        pickle.dump(np.stack(silhouettes), file)


def _plain_pickle(job: tuple[Path, Path]) -> None:
    folder, target = job
    with next(folder.glob("*.pkl")).open("rb") as file:
        silhouettes = pickle.load(file)
    np.save(target, silhouettes[:, :, 10:54])


if __name__ == "__main__":
    main()
