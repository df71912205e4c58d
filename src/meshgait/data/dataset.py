"""Sequences of a packed store as samples, and their collation into `GaitBatch`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from meshgait.batch import GaitBatch, SmplTruth
from meshgait.data.sampling import Draw, FrameMode, choose_frames
from meshgait.data.store import Store


class Sample(NamedTuple):
    """One sequence as read: silhouettes (T, H, W) uint8, its label and place in the store, SMPL arrays or None."""

    silhouettes: np.ndarray
    label: int
    index: int
    truth: dict[str, np.ndarray] | None


class SequenceDataset(Dataset[Sample]):
    """Read chosen frames of sequences; keyed by `Draw` (or by a plain index, with seed 0).

    Args:
        store: packed store.
        labels: subject index of each sequence of the store (-1: none).
        frames: frames a sample; 0 with mode "all" reads every frame.
        mode: how frames are chosen.
        truth: whether SMPL parameters are read along.
    """

    def __init__(self, store: Store, labels: list[int], frames: int, mode: FrameMode, truth: bool) -> None:
        self.store, self.labels, self.frames, self.mode, self.truth = store, labels, frames, mode, truth

    def __len__(self) -> int:
        return len(self.store.sequences)

    def __getitem__(self, draw: Draw | int) -> Sample:
        index, seed = draw if isinstance(draw, tuple) else (draw, 0)
        frames = choose_frames(self.store.sequences[index].frames, self.frames, self.mode, seed)
        truth = self.store.smpl(index, frames) if self.truth else None
        return Sample(self.store.silhouettes(index, frames), self.labels[index], index, truth)


def collate(samples: list[Sample]) -> GaitBatch:
    """Pad samples to the longest with empty, masked frames."""
    longest = max(len(sample.silhouettes) for sample in samples)
    mask = torch.zeros(len(samples), longest, dtype=torch.bool)
    for row, sample in zip(mask, samples, strict=True):
        row[: len(sample.silhouettes)] = True
    truth = None
    if all(sample.truth is not None for sample in samples):
        truth = SmplTruth(
            **{name: _pad([sample.truth[name] for sample in samples], longest) for name in samples[0].truth}
        )
    return GaitBatch(
        silhouettes=_pad([sample.silhouettes for sample in samples], longest).float().div_(255),
        mask=mask,
        labels=torch.tensor([sample.label for sample in samples]),
        indices=torch.tensor([sample.index for sample in samples]),
        truth=truth,
    )


def _pad(arrays: list[np.ndarray], length: int) -> torch.Tensor:
    """Stack (T_i, ...) arrays to (B, length, ...), zeros (False) behind the end."""
    out = np.zeros((len(arrays), length, *arrays[0].shape[1:]), arrays[0].dtype)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(out)
