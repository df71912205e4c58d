"""Findings in SMPL truth, and how well the meshes agree with the silhouettes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange

from meshgait.body.outline import iou, outline_masks
from meshgait.body.raster import Topology
from meshgait.body.smpl import BodyModel
from meshgait.body.targets import to_pixels
from meshgait.data.store import Store
from meshgait.data.storefiles import SMPL_WIDTHS
from meshgait.inspection.findings import Findings
from meshgait.inspection.index import Index, stored
from meshgait.progress import Progress

CIRCLE = 2 * np.pi * 1.05
"""Radians; trackers leave a full circle in some joints, and rounding a little more."""

MESHES = 256
"""Posed at once: 4 MB of the default body, 21 MB of SMPL."""

BINS = 50
"""Of the histogram of IoU, over 0 to 1."""

MOST_WORST = 24
"""Frames that are kept for a picture."""


@dataclass(frozen=True)
class Sampled:
    """A frame whose mesh was compared with its silhouette.

    Attributes:
        name: subject/condition/view.
        frame: within the sequence.
        iou: intersection over union of mesh and silhouette.
        silhouette: (H, W) uint8.
        mask: (H, W) bool, what the mesh covers.
    """

    name: str
    frame: int
    iou: float
    silhouette: np.ndarray
    mask: np.ndarray


@dataclass
class Alignment:
    """Agreement of meshes and silhouettes over sampled frames.

    Attributes:
        counts: (BINS,) histogram of IoU over 0 to 1.
        total: sum of all IoU.
        low: frames whose mesh disagrees.
        worst: frames of the lowest IoU, worst first; one a sequence.
    """

    counts: np.ndarray = field(default_factory=lambda: np.zeros(BINS, int))
    total: float = 0.0
    low: int = 0
    worst: list[Sampled] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """How many frames were sampled."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean IoU."""
        return self.total / max(1, self.frames)

    def quantile(self, share: float) -> float:
        """IoU that the share of all frames stays below, to the width of a bin."""
        return float(np.searchsorted(np.cumsum(self.counts), share * self.frames) + 0.5) / BINS


def check_truth(store: Store, index: Index, found: Findings, show: bool = True) -> int:
    """Look at the SMPL parameters of every frame.

    Returns:
        Number of valid frames.
    """
    total, valid_frames = int(index.lengths[index.inside].sum()), 0
    with Progress("checking SMPL truth", total, "frames", show=show) as progress:
        for block in index.blocks():
            rows = {name: stored(store, name, block.start, block.stop) for name in (*SMPL_WIDTHS, "valid")}
            finite = np.logical_and.reduce([np.isfinite(rows[name]).all(axis=1) for name in SMPL_WIDTHS])
            usable = finite & rows["valid"]
            turns = np.linalg.norm(rearrange(rows["poses"], "n (j c) -> n j c", c=3), axis=-1).max(axis=1)
            first = np.cumsum(block.lengths) - block.lengths
            for code, flags in (
                ("not-finite", ~finite),
                ("camera", usable & (rows["cameras"][:, 0] <= 0)),
                ("angles", usable & (turns > CIRCLE)),
            ):
                found.frames(code, index, block.numbers, np.add.reduceat(flags.astype(np.int64), first))
            valid_frames += int(rows["valid"].sum())
            progress.advance(block.stop - block.start)
    return valid_frames


def check_alignment(
    store: Store, index: Index, found: Findings, body: BodyModel, frames: int, least: float, seed: int,
    show: bool = True,
) -> Alignment:  # fmt: skip
    """Project meshes by the store's cameras into the crop and compare them with the silhouettes.

    Args:
        store: the packed store.
        index: its sequences.
        found: takes what is found.
        body: model that the truth is of.
        frames: valid ones sampled of each sequence.
        least: IoU below which a mesh disagrees.
        seed: of the sampling.
        show: whether progress is shown.
    """
    alignment, topology = Alignment(), Topology.of(body.faces)
    with Progress(
        "comparing meshes with silhouettes", int(index.inside.sum()), "sequences", show=show
    ) as progress:
        for batch in sample(store, index, frames, seed):
            compared = _compare(store, index, body, topology, batch)
            numbers, first, of = np.unique(compared.numbers, return_index=True, return_inverse=True)
            low = np.bincount(of.reshape(-1), compared.overlaps < least, minlength=len(numbers)).astype(np.int64)
            order = np.argsort(first)
            found.frames("misaligned", index, numbers[order], low[order], detail=f"IoU below {least:g}")
            alignment.low += int(low.sum())
            _remember(alignment, compared, index)
            progress.advance(len(batch))
    return alignment


class _Compared(NamedTuple):
    """Sampled frames: (n,) sequences, (n,) frames and IoU, (n, H, W) silhouettes and masks."""

    numbers: np.ndarray
    frames: np.ndarray
    overlaps: np.ndarray
    silhouettes: np.ndarray
    masks: np.ndarray


def sample(store: Store, index: Index, frames: int, seed: int) -> Iterator[list[tuple[int, np.ndarray]]]:
    """(sequence, sampled frames) in file order, some hundred frames at a time."""
    batch, size = [], 0
    for number in index.order.tolist():
        start = int(index.starts[number])
        usable = np.flatnonzero(stored(store, "valid", start, start + index.length(number)))
        # seeded by sequence: the same frames, whatever else is in the store
        picks = np.sort(np.random.default_rng((seed, number)).permutation(usable)[:frames])
        batch.append((number, picks))
        size += len(picks)
        if size >= MESHES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _compare(
    store: Store, index: Index, body: BodyModel, topology: Topology, batch: list[tuple[int, np.ndarray]]
) -> _Compared:
    """Draw the meshes of sampled frames; frames that are empty or whose truth is unusable are found elsewhere."""
    numbers = np.repeat([number for number, _ in batch], [len(frames) for _, frames in batch])
    frames = np.concatenate([frames for _, frames in batch])
    silhouettes = np.concatenate([store.silhouettes(number, frames) for number, frames in batch])
    smpl = [store.smpl(number, frames) for number, frames in batch]
    truth = {name: np.concatenate([one[name] for one in smpl]) for name in SMPL_WIDTHS}
    usable = np.logical_and.reduce([np.isfinite(array).all(axis=1) for array in truth.values()])
    usable &= (truth["cameras"][:, 0] > 0) & (silhouettes > 127).any(axis=(1, 2))
    numbers, frames, silhouettes = numbers[usable], frames[usable], silhouettes[usable]
    poses, betas, cameras = (torch.from_numpy(truth[name][usable]) for name in ("poses", "betas", "cameras"))
    with torch.no_grad():
        posed = body(betas, poses)
        vertices = to_pixels(posed.vertices - posed.joints[:, :1], cameras).numpy()
    masks = outline_masks(vertices, topology, store.size)
    return _Compared(numbers, frames, iou(masks, silhouettes > 127), silhouettes, masks)


def _remember(alignment: Alignment, compared: _Compared, index: Index) -> None:
    """Take a batch into the histogram, and its worst frames among the worst: one a sequence."""
    alignment.counts += np.histogram(compared.overlaps, bins=BINS, range=(0, 1))[0]
    alignment.total += float(compared.overlaps.sum())
    worst = np.argsort(compared.overlaps, kind="stable")
    _, first = np.unique(compared.numbers[worst], return_index=True)
    candidates = [
        Sampled(
            index.name(int(compared.numbers[k])), int(compared.frames[k]), float(compared.overlaps[k]),
            compared.silhouettes[k], compared.masks[k],
        )
        for k in worst[np.sort(first)][:MOST_WORST].tolist()
    ]  # fmt: skip
    alignment.worst = sorted([*alignment.worst, *candidates], key=lambda one: one.iou)[:MOST_WORST]
