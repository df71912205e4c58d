"""Lifter of the 3D branch: early silhouette features -> volumes of joints and markers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from meshgait.batch import BodyEstimate
from meshgait.body.heatmaps import read_volumes
from meshgait.models.activation_checkpointing import enable_checkpointing, is_checkpointed, maybe_checkpoint
from meshgait.models.backbone import Stem, as_images
from meshgait.models.blocks import GlobalContext, conv_bn, multiply_per_frame
from meshgait.models.size import NetworkSize

LOGIT_GAIN = 8.0
"""Factor on the volumes' logits. Over thousands of voxels a softmax of small logits is flat, its expectation
rests in the middle and its gradient is tiny; a larger gain lets peaks grow at the same learning rate."""
# The volumes are by far the largest tensors of the network (88 x 8 x 16 x 11 floats a frame in the narrow
# configuration), and on a CPU each pass over them costs about as much as a convolution. So one matrix product
# writes them in the layout that the softmax wants, another reads them (`HeatmapEncoder`), and gains and biases are
# put on the small side of those products.


def _conv_relu(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*conv_bn(inputs, outputs, 3, stride), nn.ReLU(inplace=True))


class Lifter(nn.Module):
    """Light encoder-decoder from early features to one probability volume a point.

    Two strided steps lead to a coarse map whose global context is added; two upsampling steps with skips lead
    back to the volume's height and width; a 1x1 convolution gives depth slices as channels.
    """

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.points, self.depth = size.points, size.volume_depth
        width = size.lifter_channels
        _, height, breadth = size.volume
        self.entry = _conv_relu(size.channels[0], width, size.volume_stride // size.early_stride)
        self.down = _conv_relu(width, width, 2)
        self.deep = _conv_relu(width, 2 * width, 2)
        coarse = (ceil(ceil(height / 2) / 2), ceil(ceil(breadth / 2) / 2))
        self.context = GlobalContext(2 * width, coarse, size.lifter_hidden)
        self.up = _conv_relu(2 * width, width)
        self.out = _conv_relu(width, width)
        self.head = nn.Parameter(torch.empty(size.points * size.volume_depth, width + 1))
        nn.init.normal_(self.head, std=width**-0.5 / LOGIT_GAIN)

    def forward(self, early: Tensor) -> Tensor:
        """(N, channels, H / s, W / s) -> probability volumes (N, K, D, H', W'), float32."""
        return self.volumes(self.features(early))

    def features(self, early: Tensor) -> Tensor:
        """Features that the volumes are computed from: (N, channels, H / s, W / s) -> (N, C, H', W')."""
        fine = self.entry(early)
        middle = self.down(fine)
        coarse = self.context(self.deep(middle))
        middle = middle + self.up(_resize(coarse, middle))
        return fine + self.out(_resize(middle, fine))

    def volumes(self, fine: Tensor) -> Tensor:
        """(N, C, H', W') -> probability volumes (N, K, D, H', W'), float32."""
        features = rearrange(pad(fine, (0, 0, 0, 0, 0, 1), value=1.0) * LOGIT_GAIN, "n c h w -> n c (h w)")
        logits = multiply_per_frame(self.head, features)  # the padded channel of ones carries the bias
        volumes = torch.softmax(rearrange(logits, "n (k d) x -> n k (d x)", k=self.points).float(), dim=-1)
        return rearrange(volumes, "n k (d h w) -> n k d h w", d=self.depth, h=fine.shape[-2])


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return interpolate(x, like.shape[-2:], mode="nearest")


BLOCK_BYTES = {"cpu": 2**22}
"""Bytes of volumes held at once where they are not kept, by kind of device; on a CPU they stay in its cache."""


def read_by_blocks(
    lifter: Lifter, early: Tensor, read: Callable[[Tensor], tuple[Tensor, ...]]
) -> tuple[Tensor, ...]:
    """Make the volumes of a few frames at a time, read them and drop them.

    For inference, and for training with checkpointing, where the gradient makes each block again.

    Args:
        lifter: that makes the volumes.
        early: (N, channels, H / s, W / s).
        read: from volumes (n, K, D, H', W') of some frames to tensors of as many rows.

    Returns:
        The tensors that ``read`` would have made of all volumes, (N, ...) each.
    """
    fine = maybe_checkpoint(lifter, early, step=lifter.features)
    voxels = lifter.points * lifter.depth * fine.shape[-2] * fine.shape[-1]
    count = max(1, BLOCK_BYTES.get(early.device.type, 2**30) // (4 * voxels))
    blocks = (
        maybe_checkpoint(lifter, block, step=lambda fine: read(lifter.volumes(fine)))
        for block in fine.split(count)
    )
    return tuple(torch.cat(part) for part in zip(*blocks, strict=True))


class Reconstructor(nn.Module):
    """Stem and lifter alone: what stage 1 trains. Silhouettes (N, H, W) -> `BodyEstimate` of N frames."""

    def __init__(self, size: NetworkSize, stem: Stem, lifter: Lifter, checkpointing: bool = False) -> None:
        super().__init__()
        self.frame = size.frame
        self.stem, self.lifter = stem, lifter
        if checkpointing:
            enable_checkpointing([*stem.checkpointed_parts(), lifter])

    def forward(self, frames: Tensor) -> BodyEstimate:
        """Estimate from silhouettes in [0, 1]; it holds the volumes unless checkpointing drops them."""
        early, read = self.stem(as_images(frames)), partial(read_volumes, frame=self.frame)
        if is_checkpointed(self.lifter):
            return BodyEstimate(*read_by_blocks(self.lifter, early, read))
        volumes = self.lifter(early)
        return BodyEstimate(*read(volumes), volumes)
