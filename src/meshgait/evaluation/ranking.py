"""Parts of retrieval: ranks of the matches, distances between persons, kinds of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor

from meshgait.evaluation.distances import Distance, blocks

COUNTED = 200
"""Gallery sequences per match of a probe from which on nearer ones are counted match by match, not sorted."""


class Ranking(NamedTuple):
    """Per probe (P,): rank of the first match (from 1), AP, INP, number of matches, row of the nearest."""

    first: Tensor
    ap: Tensor
    inp: Tensor
    matches: Tensor
    nearest: Tensor


class LabelledEmbeddings(NamedTuple):
    """Embeddings (n, S, D), labels (n,) and views (n,) of the probes or of the gallery."""

    embeddings: Tensor
    labels: Tensor
    views: Tensor


def rank(
    distances: Tensor, match: Tensor, removed: Tensor | None = None, order: np.ndarray | None = None
) -> Ranking:
    """Rank the gallery for each probe; equal distances: the earlier gallery sequence comes first.

    Only the matches are sorted: the rank of a match is the number of nearer sequences, plus the earlier ones at
    the same distance, plus one.

    Args:
        distances: (P, G).
        match: (P, G) bool, same person.
        removed: (P, G) bool, pairs that do not count; by default none.
        order: (G,) which of the columns is the earlier; by default they are in order. ``nearest`` is the first of
            the columns in any case.
    """
    values, counted = distances.cpu().numpy(), match.cpu().numpy()
    if removed is not None:
        # removed pairs come after all others, where they change no rank
        values = np.where(removed.cpu().numpy(), np.float32(np.inf), values)
        counted = counted & ~removed.cpu().numpy()
    rows, columns = np.nonzero(counted)
    matches = np.bincount(rows, minlength=len(values))
    valid = np.arange(matches.max(initial=1)) < rearrange(matches, "p -> p 1")
    own: np.ndarray = np.full(valid.shape, np.inf, np.float32)
    own[valid] = values[rows, columns]
    place: np.ndarray = np.zeros(valid.shape, np.int64)
    place[valid] = columns
    nearest_first = own.argsort(axis=1, kind="stable")  # what is not valid is infinite and last, hence stays so
    own, place = (np.take_along_axis(x, nearest_first, axis=1) for x in (own, place))
    before, through = _nearer(values, own)
    for row, column in np.argwhere(valid & (through - before > 1)):
        gallery = place[row, column]
        equal = values[row] == own[row, column]
        earlier = slice(gallery) if order is None else order < order[gallery]
        before[row, column] += np.count_nonzero(equal[earlier])
    # equal distances of matches come in any order here; what is not valid stays last
    ranks = np.sort(np.where(valid, before + 1, values.shape[1] + 1), axis=1)
    last = ranks[np.arange(len(ranks)), np.maximum(matches - 1, 0)]

    def tensor(column: np.ndarray) -> Tensor:
        return torch.from_numpy(column).to(distances.device)

    precision = np.where(valid, np.arange(1, valid.shape[1] + 1) / ranks, 0.0)
    return Ranking(
        first=tensor(ranks[:, 0]),
        ap=tensor(precision.sum(1) / np.maximum(matches, 1)),
        inp=tensor(np.where(matches > 0, matches / last, 0.0)),
        matches=tensor(matches),
        nearest=tensor(values.argmin(1)),
    )


def _nearer(values: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many values of each row (P, G) are below, and at or below, the rising values ``own`` (P, M)."""
    if COUNTED * own.shape[1] >= values.shape[1]:
        ordered, wanted = torch.from_numpy(np.sort(values, axis=1)), torch.from_numpy(own)
        below, through = (torch.searchsorted(ordered, wanted, side=side).numpy() for side in ("left", "right"))
        return below, through
    # a pass for each is faster than putting all in order
    below, through = np.empty(own.shape, np.int64), np.empty(own.shape, np.int64)
    for row, (every, wanted) in enumerate(zip(values, own, strict=True)):
        below[row] = [np.count_nonzero(every < value) for value in wanted]
        through[row] = [np.count_nonzero(every <= value) for value in wanted]
    return below, through


def subject_distances(
    probe: LabelledEmbeddings, gallery: LabelledEmbeddings, distance: Distance
) -> tuple[Tensor, Tensor, Tensor]:
    """Distances between persons: (probe persons, gallery persons), labels of the rows, of the columns.

    Mean over the probe person's samples of the least squared distance to a sample of the gallery person: of the
    ways to pool samples we tried, the one that gives the measured USF HumanID baseline to the last digit.
    """
    rows, row_of = probe.labels.unique(return_inverse=True)
    columns, column_of = gallery.labels.unique(return_inverse=True)
    total = torch.zeros(len(rows), len(columns), device=probe.labels.device)
    for part, block in blocks(probe.embeddings, gallery.embeddings, distance):
        least = torch.full((len(block), len(columns)), torch.inf, device=block.device)
        least.scatter_reduce_(1, repeat(column_of, "g -> b g", b=len(block)), block**2, "amin")
        total.index_add_(0, row_of[part], least)
    return total / rearrange(row_of.bincount(), "p -> p 1"), rows, columns


def error_breakdown(wrong: np.ndarray, attributes: Mapping[str, Sequence[object]]) -> dict[str, int]:
    """What the wrongly found person has in common with the true one.

    Args:
        wrong: (E, 2) labels, as in `Scores`.
        attributes: for each attribute ("body", "style") its value for every label.

    Returns:
        "wrong": E; "same NAME" for each attribute (a pair that shares two counts in both); "other": shares none.
    """
    shared = {}
    for name, values in attributes.items():
        codes = np.unique([str(value) for value in values], return_inverse=True)[1]
        shared[f"same {name}"] = codes[wrong[:, 0]] == codes[wrong[:, 1]]
    none = ~np.logical_or.reduce(list(shared.values())) if shared else np.ones(len(wrong), bool)
    counts = {name: int(mask.sum()) for name, mask in shared.items()}
    return {"wrong": len(wrong), **counts, "other": int(none.sum())}
