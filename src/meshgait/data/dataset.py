"""Sequences of a packed store as batches: a whole batch is read, unpacked and turned to numbers at once."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Protocol, TypeVar

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.utils.data import Dataset

from meshgait.batch import GaitBatch, SmplTruth
from meshgait.data.batch_samplers import SeededIndex
from meshgait.data.frame_sampler import FrameNumbers, FrameSampler
from meshgait.data.storefiles import GREY_BITS

T = TypeVar("T")


class FrameStore(Protocol):
    """What a batch is read from: `meshgait.data.store.Store`, and what joins several."""

    @property
    def bits(self) -> int:
        """As `Store.bits`."""

    @property
    def sequences(self) -> Sized:
        """As `Store.sequences`."""

    def spans(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First rows and numbers of frames of sequences (B,)."""

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Silhouettes of rows (N,)."""

    def truth(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """SMPL truth of rows (N,)."""


class SequenceDataset(Dataset[GaitBatch]):
    """Read chosen frames of sequences; keyed by `SeededIndex` (or by a plain index, with seed 0).

    A `DataLoader` asks for a batch at once (``__getitems__``), so its ``collate_fn`` is `identity_collate`.

    Args:
        store: packed store, or what reads like one.
        labels: (N,) subject index of each sequence of the store (-1: none); None if they are not needed.
        choice: which frames are read.
        truth: whether SMPL parameters are read too.
    """

    def __init__(
        self, store: FrameStore, labels: Sequence[int] | np.ndarray | None, choice: FrameSampler, truth: bool
    ) -> None:
        self.store, self.choice, self.truth = store, choice, truth
        self.labels = None if labels is None else np.asarray(labels, np.int64)

    def __len__(self) -> int:
        return len(self.store.sequences)

    def __getitem__(self, draw: SeededIndex | int) -> GaitBatch:
        """One sequence, as a batch of one."""
        return self.__getitems__([draw])

    def __getitems__(self, draws: Sequence[SeededIndex | int]) -> GaitBatch:
        """Sequences as one batch, padded to the longest with empty, masked frames."""
        pairs = [draw if isinstance(draw, tuple) else (draw, 0) for draw in draws]
        indices, seeds = np.array(pairs, np.int64).T
        frames = self.choice(self.store.spans(indices)[1], seeds)
        return read_batch(self.store, indices, frames, self.labels_of(indices), self.truth)

    def labels_of(self, indices: np.ndarray) -> np.ndarray | None:
        """(B,) labels of sequences, or None."""
        return None if self.labels is None else self.labels[indices]


def identity_collate(batch: T) -> T:
    """Collate function of batches that are read whole."""
    return batch


def read_batch(
    store: FrameStore,
    indices: Sequence[int] | np.ndarray,
    frames: FrameNumbers,
    labels: np.ndarray | None = None,
    truth: bool = False,
) -> GaitBatch:
    """Read frames of sequences as one batch.

    Args:
        store: packed store.
        indices: (B,) sequences.
        frames: of each of them.
        labels: (B,) of these sequences; None: -1.
        truth: whether SMPL parameters are read too.
    """
    indices = np.asarray(indices, np.int64)
    numbers, mask = frames.numbers + store.spans(indices)[0][:, None], frames.mask
    rows = rearrange(numbers, "b t -> (b t)") if mask.all() else numbers[mask]
    # by numpy, which has no threads to wait for: they gain nothing here, and lose much on a busy machine
    silhouettes = store.read(rows).astype(np.float32, order="C")
    if store.bits == GREY_BITS:
        silhouettes /= 255
    return GaitBatch(
        silhouettes=_placed(silhouettes, mask),
        mask=torch.from_numpy(mask),
        labels=torch.from_numpy(np.full(len(indices), -1) if labels is None else labels),
        indices=torch.from_numpy(indices),
        truth=_truth(store, rows, mask) if truth else None,
    )


def _truth(store: FrameStore, rows: np.ndarray, mask: np.ndarray) -> SmplTruth:
    return SmplTruth(**{name: _placed(x, mask) for name, x in store.truth(rows).items()})


def _placed(values: np.ndarray, mask: np.ndarray) -> Tensor:
    """Values (N, ...) of the real frames in their places (B, T, ...); zeros (False) elsewhere."""
    if mask.all():
        placed = rearrange(values, "(b t) ... -> b t ...", b=len(mask))
    else:
        placed = np.zeros((*mask.shape, *values.shape[1:]), values.dtype)
        placed[mask] = values
    return torch.from_numpy(placed)
