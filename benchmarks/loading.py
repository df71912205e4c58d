"""How fast training data are loaded, beside plain loading of pickles, and what a million sequences cost.

    python benchmarks/loading.py --json runs/loading.json

makes the same random figures as a packed store and in OpenGait's layout (one pickle a sequence), and loads batches
of 8 x 4 sequences of 30 frames, as floats of 64 x 44, from both in turn: from the store as training does, from the
pickles the straightforward way (load, choose frames, cut, divide, stack; augmentation frame by frame with OpenCV).
Augmentation: mirrored, turned by up to 10 degrees, seen in another perspective and erased, with probability 0.2
each. Rates are medians over rounds of wall time, and of processor time, which other load on the machine hardly
moves; files are in the page cache. Then a store of a million sequences with an empty (sparse) array is opened and
sampled.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from torch import Tensor

from meshgait.allocator import reuse_freed_memory
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.data.store import Store, StoreWriter
from meshgait.data.table import CSV_FIELDS
from meshgait.data.transforms import Augmentation
from meshgait.progress import track

SUBJECTS, WALKS, LENGTH, FRAMES, P, K = 40, 10, 100, 30, 8, 4
RECIPE = Augmentation(flip=0.2, rotate=10, rotate_chance=0.2, perspective=0.1, perspective_chance=0.2, erase=0.2)
MILLION = 10**6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=60, help="batches a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each kind")
    parser.add_argument("--sequences", type=int, default=MILLION, help="of the large store")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    reuse_freed_memory()  # as `meshgait fit` does
    cv2.setNumThreads(1)
    figures: dict[str, object] = {"rates": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_data(root)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            figures["rates"] += measure(root, threads, arguments.batches, arguments.rounds)
        figures["large"] = large_store(root / "large", arguments.sequences)
    show(figures)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def make_data(root: Path) -> None:
    """The same random figures as a store and as pickles (T, 64, 64)."""
    rng, writer = np.random.default_rng(0), StoreWriter(root / "store")
    for subject in track(range(SUBJECTS), "writing", SUBJECTS, "subjects"):
        for walk in range(WALKS):
            figures = np.zeros((LENGTH, 64, 64), np.uint8)
            figures[:, :, 10:54] = 255 * (rng.random((LENGTH, 64, 44)) > 0.5)
            names = (f"{subject:03d}", f"nm-{walk:02d}", "000")
            writer.add(*names, np.ascontiguousarray(figures[:, :, 10:54]))
            place = root / "pickles" / Path(*names)
            place.mkdir(parents=True)
            (place / "000.pkl").write_bytes(pickle.dumps(figures))
    people = [f"{subject:03d}" for subject in range(SUBJECTS)]
    writer.finish({"TRAIN_SET": people[:-1], "TEST_SET": people[-1:]})


def measure(root: Path, threads: int, batches: int, rounds: int) -> list[dict[str, object]]:
    """Rates of each way of loading, with and without augmentation, taken in turn."""
    generator = torch.Generator().manual_seed(0)
    data = SilhouetteDataModule(str(root / "store"), protocol="gait3d", subjects=P, sequences=K, frames=FRAMES)
    data.batches = batches
    loader = data.train_dataloader()

    def packed(augment: bool) -> Iterator[Tensor]:
        for batch in loader:
            yield RECIPE(batch.silhouettes, generator)[0] if augment else batch.silhouettes

    ways: dict[tuple[str, bool], Callable[[], Iterator[Tensor]]] = {
        (name, augment): lambda way=way, augment=augment: way(augment)
        for name, way in (("packed store", packed), ("plain pickles", PlainPickles(root / "pickles", batches)))
        for augment in (False, True)
    }
    times: dict[tuple[str, bool], list[tuple[float, float]]] = {key: [] for key in ways}
    for _ in range(rounds):
        for key, way in ways.items():
            begun, used = time.perf_counter(), time.process_time()
            for batch in way():
                assert batch.shape == (P * K, FRAMES, 64, 44)
            times[key].append((time.perf_counter() - begun, time.process_time() - used))
    count = batches * P * K
    return [
        {
            "loading": name, "augmented": augment, "threads": threads,
            "sequences_per_s": count / median(wall for wall, _ in spent),
            "sequences_per_processor_s": count / median(cpu for _, cpu in spent),
        }
        for (name, augment), spent in times.items()
    ]  # fmt: skip


class PlainPickles:
    """One pickle a sequence, one sequence after the other, one frame after the other where frames are changed."""

    def __init__(self, root: Path, batches: int) -> None:
        self.paths = [sorted(subject.rglob("*.pkl")) for subject in sorted(root.iterdir())]
        self.batches, self.rng = batches, np.random.default_rng(0)

    def __call__(self, augment: bool) -> Iterator[Tensor]:
        """Batches of float silhouettes."""
        for _ in range(self.batches):
            people = self.rng.choice(len(self.paths), P, replace=False)
            chosen = [self.paths[p][i] for p in people for i in self.rng.choice(WALKS, K, replace=False)]
            yield torch.from_numpy(np.stack([self._read(path, augment) for path in chosen]))

    def _read(self, path: Path, augment: bool) -> np.ndarray:
        with path.open("rb") as file:
            figures = pickle.load(file)  # written by this program
        frames = np.sort(self.rng.choice(len(figures), FRAMES, replace=False))
        silhouettes = figures[frames][:, :, 10:54].astype(np.float32) / 255
        return self._augment(silhouettes) if augment else silhouettes

    def _augment(self, frames: np.ndarray) -> np.ndarray:
        flip, turn, bend, erase = self.rng.random(4) < 0.2
        if flip:
            frames = frames[:, :, ::-1]
        if turn:
            matrix = cv2.getRotationMatrix2D((21.5, 31.5), self.rng.uniform(-10, 10), 1)
            frames = np.stack([cv2.warpAffine(np.ascontiguousarray(frame), matrix, (44, 64)) for frame in frames])
        if bend:
            corners = np.float32([[0, 0], [44, 0], [0, 64], [44, 64]])
            moves = self.rng.uniform(-0.1, 0.1, (4, 2)) * (44, 64)
            matrix = cv2.getPerspectiveTransform(corners, (corners + moves).astype(np.float32))
            frames = np.stack(
                [cv2.warpPerspective(np.ascontiguousarray(frame), matrix, (44, 64)) for frame in frames]
            )
        if erase:
            top, left = self.rng.integers(0, (40, 27))
            frames = frames.copy()
            frames[:, top : top + 18, left : left + 12] = 0
        return frames


def large_store(path: Path, count: int) -> dict[str, float]:
    """Seconds to open a store of so many sequences and until its first batch; memory that sampling it adds."""
    path.mkdir()
    with (path / "sequences.csv").open("w") as file:
        file.write(",".join(CSV_FIELDS) + "\n")
        file.writelines(
            f"{i // 50:05d},nm-{i // 10 % 5:02d},{i % 10 * 18:03d},{i * LENGTH},{LENGTH}\n" for i in range(count)
        )
    np.lib.format.open_memmap(path / "silhouettes.npy", "w+", np.uint8, (count * LENGTH, 64, 6)).flush()  # sparse
    meta = {"version": 1, "size": [64, 44], "bits": 1, "sequences": count, "frames": count * LENGTH, "sha256": {}}
    (path / "meta.json").write_text(json.dumps(meta))
    people = [f"{subject:05d}" for subject in range(-(-count // 50))]
    (path / "partition.json").write_text(json.dumps({"TRAIN_SET": people[1:], "TEST_SET": people[:1]}))
    before, begun = resident(), time.perf_counter()
    Store(path)
    opened = time.perf_counter() - begun
    data = SilhouetteDataModule(str(path), protocol="gait3d", subjects=P, sequences=K, frames=FRAMES, batches=300)
    begun, first = time.perf_counter(), 0.0
    memory = []
    for batch in data.train_dataloader():
        first = first or time.perf_counter() - begun
        memory.append(resident())
        del batch
    return {
        "sequences": count,
        "bytes": count * LENGTH * 64 * 6,
        "open_s": opened,
        "first_batch_s": first,  # the store opened once more, split, labels, sampler, first batch
        "memory_after_first_batch_mib": (memory[0] - before) / 2**20,
        "memory_most_mib": (max(memory) - before) / 2**20,
    }


def resident() -> int:
    """Bytes of memory that this process uses, mapped files included (Linux; 0 elsewhere)."""
    status = Path("/proc/self/status")
    return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status.read_text()).group(1)) if status.exists() else 0


def show(figures: dict) -> None:
    """Print the figures as a table."""
    print(f"{'loading':15s}{'augmented':>10s}{'threads':>9s}{'sequences/s':>13s}{'of one core':>13s}")
    for row in figures["rates"]:
        rates = f"{row['sequences_per_s']:13,.0f}{row['sequences_per_processor_s']:13,.0f}"
        print(f"{row['loading']:15s}{'yes' if row['augmented'] else 'no':>10s}{row['threads']:9d}{rates}")
    large = figures["large"]
    print(
        f"store of {large['sequences']:,} sequences ({large['bytes'] / 1e9:.0f} GB): "
        f"opened in {large['open_s']:.2f} s, first batch after {large['first_batch_s']:.2f} s; "
        f"memory +{large['memory_after_first_batch_mib']:.0f} MiB then, "
        f"at most +{large['memory_most_mib']:.0f} MiB over 300 batches"
    )


if __name__ == "__main__":
    main()
