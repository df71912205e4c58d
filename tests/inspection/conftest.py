"""Stores of blocks that pass for people, and with one thing wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from meshgait.data.store import StoreWriter

FRAMES = 12
CONDITIONS, VIEWS = ("nm-01", "nm-02", "nm-03"), ("000", "090")
PARTITION = {"TRAIN_SET": ["s0", "s1"], "TEST_SET": ["s2", "s3"]}
Change = Callable[[tuple[str, str, str], np.ndarray], np.ndarray | None]


def walker(seed: int, frames: int = FRAMES) -> np.ndarray:
    """(T, 64, 44) uint8: a trunk that fills the height and is centred, with arms of its own."""
    rng = np.random.default_rng(seed)
    walk = np.zeros((frames, 64, 44), np.uint8)
    walk[:, :, 17:28] = 255
    for frame in walk:
        row, long = rng.integers(8, 40), rng.integers(3, 9)
        frame[row : row + 6, 17 - long : 28 + long] = 255  # on both sides, so the middle stays
    return walk


def names() -> list[tuple[str, str, str]]:
    return [(f"s{n}", condition, view) for n in range(4) for condition in CONDITIONS for view in VIEWS]


@pytest.fixture
def make(tmp_path) -> Callable[..., Path]:
    """Writes a store; `change` gets a name and silhouettes and returns others, or None to leave it out."""

    def write(
        change: Change = lambda _, walk: walk,
        bits: int = 1,
        rename: dict[tuple[str, str, str], tuple[str, str, str]] | None = None,
        partition: dict | None = PARTITION,
        truth: dict[str, np.ndarray] | None = None,
        **extra: str,
    ) -> Path:
        dest = tmp_path / "store"
        writer = StoreWriter(dest, bits=bits, smpl=truth is not None)
        for seed, name in enumerate(names()):
            walk = change(name, walker(seed))
            if walk is not None:
                smpl = {key: array[: len(walk)] for key, array in (truth or {}).items()}
                writer.add(*(rename or {}).get(name, name), walk, **smpl)
        writer.finish(partition=partition, extra=extra)
        return dest

    return write
