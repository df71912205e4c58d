"""Distances between sequences: embeddings are compared strip by strip, then averaged over the strips.

Embeddings are (N, S, D) as the network gives them: N sequences, S strips, D channels. Files of other programs
that hold (N, D, S) are to be rearranged before they come here; a rearranged view will do, of any float type.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import normalize

from meshgait.errors import ConfigError, DataError

Distance = Literal["euclidean", "cosine"]

# distances held at a time: 16 MB in float32, some ten times that with what is computed from them
BLOCK_ELEMENTS = 2**22
# columns at a time: with 128 rows, what is computed strip by strip stays in the processor's cache
TILE = 512


class Comparison:
    """A gallery made ready to be compared with any number of probes.

    It holds one float32 copy of the gallery, strips first, already scaled as the products need it.

    Args:
        gallery: (N, S, D), of any float type.
        distance: how embeddings are compared.
        rows: (G,) which of the N are compared; by default all.

    Raises:
        ConfigError: unknown distance.
        DataError: not (N, S, D).
    """

    def __init__(self, gallery: Tensor, distance: Distance = "euclidean", rows: Tensor | None = None) -> None:
        if distance not in get_args(Distance):
            raise ConfigError(
                f"distance {distance!r} is unknown", f"choose one of {', '.join(get_args(Distance))}"
            )
        if gallery.ndim != 3:
            raise DataError(f"embeddings are {tuple(gallery.shape)}: they must be (sequences, strips, channels)")
        self.shape, self.distance = gallery.shape[1:], distance
        self.count = len(gallery) if rows is None else len(rows)
        strips, channels = self.shape
        # the mean of cosines is one product of all strips side by side, the mean of roots is one a strip
        layout = (1, strips * channels) if distance == "cosine" else (strips, channels)
        self._columns = torch.empty(layout[0], self.count, layout[1], device=gallery.device)
        self._squares = torch.empty(layout[0], self.count, device=gallery.device)
        with torch.no_grad():
            for start in range(0, self.count, TILE):
                part = slice(start, start + TILE)
                chunk = self._side(gallery[part] if rows is None else gallery[rows[part]])
                self._squares[:, part] = (chunk**2).sum(-1)
                self._columns[:, part] = chunk.mul_(-1 / strips if distance == "cosine" else -2)

    def _side(self, embeddings: Tensor) -> Tensor:
        """(n, S, D) -> (S, n, D), or (1, n, S * D) of unit strips; a float32 copy."""
        if self.distance == "cosine":
            return rearrange(normalize(embeddings.float(), dim=-1), "n s d -> 1 n (s d)").contiguous()
        # a copy in any case: the caller's array must not be scaled
        return rearrange(embeddings, "n s d -> s n d").to(
            torch.float32, memory_format=torch.contiguous_format, copy=True
        )

    @torch.no_grad()
    def distances(self, probe: Tensor) -> Tensor:
        """Distances (P, G) float32 of probes (P, S, D) to the gallery.

        Raises:
            DataError: strips or channels of the two differ.
        """
        if probe.shape[1:] != self.shape or probe.ndim != 3:
            raise DataError(
                f"probe embeddings are {tuple(probe.shape)}, gallery embeddings {(self.count, *self.shape)}: both "
                "must be (sequences, strips, channels) with equal strips and channels",
                "embed both with one model",
            )
        result = torch.empty(len(probe), self.count, device=probe.device)
        # in float32 also under autocast: the difference of squares cancels in half precision
        with torch.autocast(probe.device.type, enabled=False):
            rows = self._side(probe)
            squares = (rows**2).sum(-1, keepdim=True)
            for start in range(0, self.count, TILE):
                part = slice(start, start + TILE)
                if self.distance == "cosine":
                    result[:, part] = 1 + rows[0] @ self._columns[0, part].T
                else:
                    result[:, part] = self._roots(rows, squares, part)
        return result

    def _roots(self, rows: Tensor, squares: Tensor, part: slice) -> Tensor:
        """Mean over strips of the Euclidean distances to a part of the gallery: (S, P, D) -> (P, part)."""
        columns, sums = self._columns[:, part], self._squares[:, part]
        total = rows.new_zeros(rows.shape[1], columns.shape[1])
        square = torch.empty_like(total)
        for x, y, x_square, y_square in zip(rows, columns, squares, sums, strict=True):
            torch.addmm(y_square, x, y.T, out=square)
            total += square.add_(x_square).relu_().sqrt_()
        return total.div_(len(rows))


def pairwise(
    probe: Tensor, gallery: Tensor, distance: Distance = "euclidean", block_elements: int = BLOCK_ELEMENTS
) -> Tensor:
    """Distances of every probe to every gallery sequence: (P, S, D), (G, S, D) -> (P, G) float32.

    euclidean: mean over strips of sqrt(relu(|x|² + |y|² - 2 x·y)); cosine: 1 - mean over strips of cos(x, y).

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
    comparison = Comparison(gallery, distance)
    step = max(1, block_elements // max(1, len(gallery)))
    for start in range(0, len(probe), step):
        rows = slice(start, min(start + step, len(probe)))
        yield rows, comparison.distances(probe[rows])
