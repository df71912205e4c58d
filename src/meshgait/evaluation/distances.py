"""Distances between sequences: embeddings are compared strip by strip, then averaged over the strips.

Embeddings are (N, S, D) as the network gives them: N sequences, S strips, D channels. Files of other programs
that hold (N, D, S) are to be rearranged before they come here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import torch
from einops import einsum, rearrange
from torch import Tensor
from torch.nn.functional import normalize

from meshgait.errors import ConfigError, DataError

Distance = Literal["euclidean", "cosine"]

# distances held at a time: 16 MB in float32, some ten times that with what is computed from them
BLOCK_ELEMENTS = 2**22


def pairwise(
    probe: Tensor, gallery: Tensor, distance: Distance = "euclidean", block_elements: int = BLOCK_ELEMENTS
) -> Tensor:
    """Distances of every probe to every gallery sequence: (P, S, D), (G, S, D) -> (P, G) float32.

    euclidean: mean over strips of sqrt(relu(|x|² + |y|² - 2 x·y)); cosine: 1 - mean over strips of cos(x, y).
    Always in float32, also under autocast: the difference of squares cancels in half precision.

    Raises:
        DataError: strips or channels of the two differ.
        ConfigError: unknown distance.
    """
    result = torch.empty(len(probe), len(gallery), device=probe.device)
    for rows, block in blocks(probe, gallery, distance, block_elements):
        result[rows] = block
    return result


def blocks(
    probe: Tensor, gallery: Tensor, distance: Distance = "euclidean", block_elements: int = BLOCK_ELEMENTS
) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of rows of `pairwise`, so that memory stays bounded whatever the number of sequences.

    Yields:
        Rows (slice of the probes) and their distances (b, G).
    """
    if distance not in get_args(Distance):
        raise ConfigError(f"distance {distance!r} is unknown; choose one of {', '.join(get_args(Distance))}")
    if probe.shape[1:] != gallery.shape[1:] or probe.ndim != 3:
        raise DataError(
            f"probe embeddings are {tuple(probe.shape)}, gallery embeddings {tuple(gallery.shape)}: both must be "
            "(sequences, strips, channels) with equal strips and channels; embed both with one model"
        )
    step = max(1, block_elements // max(1, len(gallery)))
    for start in range(0, len(probe), step):
        rows = slice(start, min(start + step, len(probe)))
        yield rows, _block(probe[rows], gallery, distance)


def _block(probe: Tensor, gallery: Tensor, distance: Distance) -> Tensor:
    with torch.autocast(probe.device.type, enabled=False):
        probe, gallery = probe.float(), gallery.float()
        strips = probe.shape[1]
        if distance == "cosine":
            probe, gallery = normalize(probe, dim=-1), normalize(gallery, dim=-1)
            return 1 - einsum(probe, gallery, "p s d, g s d -> p g") / strips
        total = torch.zeros(len(probe), len(gallery), device=probe.device)
        # strip by strip: all strips at once would take S times the memory
        for x, y in zip(probe.unbind(1), gallery.unbind(1), strict=True):
            squares = rearrange((x**2).sum(-1), "p -> p 1") + rearrange((y**2).sum(-1), "g -> 1 g")
            total += squares.addmm_(x, y.T, alpha=-2).relu_().sqrt_()
        return total / strips
