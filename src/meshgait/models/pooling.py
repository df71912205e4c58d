"""From maps to vectors: temporal pooling over valid frames, horizontal strips."""

from __future__ import annotations

import torch
from einops import rearrange, reduce
from torch import Tensor


def blank_padding(maps: Tensor, mask: Tensor, value: float = 0.0) -> Tensor:
    """Fill the maps (B T, C, h, w) of padding frames (False in mask (B, T)) with ``value``."""
    # an exported graph must not depend on values, so it always fills
    if not torch.compiler.is_exporting() and mask.all():
        return maps
    return maps.masked_fill(~rearrange(mask, "b t -> (b t) 1 1 1"), value)


def temporal_max(maps: Tensor, mask: Tensor) -> Tensor:
    """Set pooling of GaitSet (AAAI 2019): the maximum over the valid frames.

    Args:
        maps: (B T, C, h, w), frames folded into the batch.
        mask: (B, T) bool, True on real frames; at least one in each row.

    Returns:
        (B, C, h, w).
    """
    return reduce(blank_padding(maps, mask, float("-inf")), "(b t) c h w -> b c h w", "max", b=mask.shape[0])


def strips(maps: Tensor, count: int) -> Tensor:
    """Horizontal pyramid of one scale (GaitSet): mean plus maximum over each of ``count`` strips.

    Args:
        maps: (B, C, h, w), h a multiple of ``count``.
        count: S.

    Returns:
        (B, S, C).
    """
    cells = rearrange(maps, "b c (s h) w -> b s c (h w)", s=count)
    return reduce(cells, "b s c x -> b s c", "mean") + reduce(cells, "b s c x -> b s c", "max")
