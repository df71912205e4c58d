"""Typed containers that are passed between data, network, losses and evaluation."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import torch
from einops import rearrange
from torch import Tensor, device

T = TypeVar("T", bound="_Movable")


@dataclass
class _Movable:
    """Dataclass of tensors (or nested ones, or None) that can be moved to another device."""

    def to(self: T, target: device | str, non_blocking: bool = False) -> T:
        """The same container with every tensor on ``target`` (Lightning calls this)."""
        moved = {}
        for field in fields(self):
            value = getattr(self, field.name)
            moves = isinstance(value, (Tensor, _Movable))
            moved[field.name] = value.to(target, non_blocking=non_blocking) if moves else value
        return type(self)(**moved)

    def pin_memory(self: T) -> T:
        """The same container in page-locked memory."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return type(self)(
            **{k: v.pin_memory() if isinstance(v, (Tensor, _Movable)) else v for k, v in values.items()}
        )


@dataclass
class SmplTruth(_Movable):
    """SMPL parameters per frame; see `meshgait.body.targets` for the frames of reference.

    Attributes:
        poses: (B, T, 72) axis-angle in radians, global orientation in the camera frame.
        betas: (B, T, 10).
        cameras: (B, T, 3) = s [px / m], tx, ty [px] in the crop.
        valid: (B, T) bool; False where the parameters are wrong or are padding.
    """

    poses: Tensor
    betas: Tensor
    cameras: Tensor
    valid: Tensor

    def every(self, step: int) -> SmplTruth:
        """The truth of every ``step``-th frame."""
        return SmplTruth(*(getattr(self, field.name)[:, ::step] for field in fields(self)))


@dataclass
class GaitBatch(_Movable):
    """Silhouette sequences, padded to one length.

    Attributes:
        silhouettes: (B, T, H, W) float in [0, 1].
        mask: (B, T) bool, True on real frames.
        labels: (B,) int64, index of the subject among the training subjects (-1: not one of them).
        indices: (B,) int64, index of the sequence in its store.
        truth: SMPL parameters of the frames, or None.
    """

    silhouettes: Tensor
    mask: Tensor
    labels: Tensor
    indices: Tensor
    truth: SmplTruth | None = None

    def at(self, frames: Tensor) -> GaitBatch:
        """One frame of each sequence, those numbered ``frames`` (B,)."""
        place = torch.arange(len(frames)), frames
        truth = self.truth and SmplTruth(
            *(rearrange(getattr(self.truth, field.name)[place], "b ... -> b 1 ...") for field in fields(SmplTruth))
        )
        silhouettes, mask = (rearrange(x[place], "b ... -> b 1 ...") for x in (self.silhouettes, self.mask))
        return GaitBatch(silhouettes, mask, self.labels, self.indices, truth)


@dataclass
class BodyTargets(_Movable):
    """Truth for the 3D branch, for N frames, in crop pixels (see `meshgait.body.targets`).

    Attributes:
        joints: (N, 24, 3) = (u right, v down, d towards the camera; d = 0 at the pelvis).
        markers: (N, K, 3), same frame.
        vertices: (N, V, 3), same frame.
        scale: (N,) pixels per metre, to report errors in millimetres.
    """

    joints: Tensor
    markers: Tensor
    vertices: Tensor
    scale: Tensor


@dataclass
class BodyEstimate(_Movable):
    """Output of the 3D branch for N frames.

    Attributes:
        points: (N, K, 3) soft-argmax in crop pixels (u, v, d); joints first, then markers.
        marginals: (N, K, W' + H' + D) of each volume along u, v, d, concatenated.
        confidence: (N, K) probability of the voxel that each point lies in, without gradient.
        volumes: (N, K, D, H', W') probabilities, each volume summing to one, or None where they are not kept.
    """

    points: Tensor
    marginals: Tensor
    confidence: Tensor
    volumes: Tensor | None = None


@dataclass
class GaitOutput(_Movable):
    """Output of the network.

    Attributes:
        embeddings: (B, S, C), one vector a strip; compare with mean-over-strips distances.
        logits: (B, S, classes) cosine logits, or None outside of training.
        body: output of the 3D branch for the frames that it processed (batch-major, padding included), or None.
    """

    embeddings: Tensor
    logits: Tensor | None = None
    body: BodyEstimate | None = None
