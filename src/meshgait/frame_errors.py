"""Reconstructions of single frames whose truth is known: errors per vertex, worst frames.

For notebooks; `meshgait fit` reports means alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange

from meshgait.batch import GaitBatch
from meshgait.body.targets import to_metres
from meshgait.callbacks.panels import panel_rows
from meshgait.data.datamodule import BodyDataModule
from meshgait.data.dataset import read_batch
from meshgait.data.frame_sampler import FrameNumbers, sample_frames
from meshgait.data.store import Store
from meshgait.recogniser import Recogniser
from meshgait.viz.interactive import vertex_errors
from meshgait.viz.panels import PanelRow

BLOCK = 64  # frames at once


class FrameAddress(NamedTuple):
    """A frame of a store: which sequence, which of its frames."""

    sequence: int
    frame: int


@dataclass(frozen=True)
class FrameErrors:
    """Meshes of N frames in metres, y up, each with its own pelvis joint at the origin.

    Attributes:
        places: of the frames.
        vertices: (N, V, 3) predicted.
        true_vertices: (N, V, 3).
    """

    places: tuple[FrameAddress, ...]
    vertices: np.ndarray
    true_vertices: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """(N, V) distance of each vertex from its true place in mm; the mean over all is MPVPE."""
        return vertex_errors(self.vertices, self.true_vertices)

    def worst(self, count: int) -> np.ndarray:
        """Indices of the frames with the largest mean errors, of one sequence at most one, the worst first."""
        chosen: dict[int, int] = {}
        for index in np.argsort(-self.errors.mean(1), kind="stable").tolist():
            chosen.setdefault(self.places[index].sequence, index)
        return np.array(list(chosen.values())[:count])


def held_out_frames(data: BodyDataModule) -> tuple[FrameAddress, ...]:
    """Frames with valid truth on which a fit with these data is validated."""
    places = []
    for sequence in np.flatnonzero(data.split.test).tolist():
        frames = sample_frames(data.store.sequences[sequence].frames, data.eval_frames, "spread")
        valid = data.store.smpl(sequence, frames)["valid"]
        places += [FrameAddress(sequence, frame) for frame in frames[valid].tolist()]
    return tuple(places)


def read_frames(store: Store, places: Sequence[FrameAddress]) -> GaitBatch:
    """The frames as a batch of sequences of length one, with truth."""
    indices, frames = np.array(places, np.int64).T
    numbers = rearrange(frames, "b -> b 1")
    return read_batch(store, indices, FrameNumbers(numbers, np.ones_like(numbers, bool)), truth=True)


@torch.no_grad()
def measure_frame_errors(recogniser: Recogniser, store: Store, places: Sequence[FrameAddress]) -> FrameErrors:
    """Reconstruct frames and compare them with the truth.

    Args:
        recogniser: with a 3D branch.
        store: of the frames, with SMPL truth.
        places: which frames.

    Raises:
        ConfigError: the recogniser has no 3D branch.
    """
    supervision = recogniser.require_3d()
    reconstructor = recogniser.network.reconstructor().eval()
    meshes: list[list[np.ndarray]] = []
    for start in range(0, len(places), BLOCK):
        batch = read_frames(store, places[start : start + BLOCK])
        assert batch.truth is not None  # `read_frames` asks for it
        estimate = reconstructor(rearrange(batch.silhouettes, "b 1 h w -> b h w"))
        truth = (rearrange(x, "b 1 c -> b c") for x in (batch.truth.poses, batch.truth.betas, batch.truth.cameras))
        target = supervision.targets(*truth)
        pairs = ((supervision.decode_mesh(estimate), estimate.points), (target.vertices, target.joints))
        meshes.append([to_metres(mesh - points[:, :1], target.scale).numpy() for mesh, points in pairs])
    predicted, true = (np.concatenate(blocks) for blocks in zip(*meshes, strict=True))
    return FrameErrors(tuple(places), predicted, true)


def frame_rows(recogniser: Recogniser, store: Store, places: Sequence[FrameAddress]) -> list[PanelRow]:
    """The frames as rows of a picture (`heatmap_panel`), true markers included.

    Raises:
        ConfigError: the recogniser has no 3D branch.
    """
    supervision = recogniser.require_3d()
    reconstructor = recogniser.network.reconstructor().eval()
    markers = supervision.targets.indices.numpy()
    rows = panel_rows(reconstructor, supervision, read_frames(store, places))
    return [
        replace(row, true_points=np.concatenate([row.true_points, row.true_vertices[markers]]))
        for row in rows
        if row.true_points is not None and row.true_vertices is not None
    ]
