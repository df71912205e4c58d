"""What retrieval is built of: ranks of the matches, distances between persons, kinds of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor

from meshgait.evaluation.distances import Distance, blocks


class Ranking(NamedTuple):
    """Per probe (P,): rank of the first match (from 1), AP, INP, number of matches, row of the nearest."""

    first: Tensor
    ap: Tensor
    inp: Tensor
    matches: Tensor
    nearest: Tensor


class Side(NamedTuple):
    """Embeddings (n, S, D), labels (n,) and views (n,) of the probes or of the gallery."""

    embeddings: Tensor
    labels: Tensor
    views: Tensor


def rank(distances: Tensor, match: Tensor, removed: Tensor) -> Ranking:
    """Rank the gallery for each probe.

    Args:
        distances: (P, G).
        match: (P, G) bool, same person.
        removed: (P, G) bool, pairs that do not count.
    """
    # removed pairs go behind all others, where they change no rank
    order = distances.masked_fill(removed, torch.inf).argsort(dim=1, stable=True)
    hits = (match & ~removed).gather(1, order)
    ranks = torch.arange(1, hits.shape[1] + 1, device=hits.device)
    found = hits.cumsum(1)
    matches = found[:, -1]
    ap = (found.double() / ranks * hits).sum(1) / matches.clamp(min=1)
    inp = matches.double() / (ranks * hits).amax(1).clamp(min=1)
    first = torch.where(hits, ranks, hits.shape[1] + 1).amin(1)
    return Ranking(first, ap, inp, matches, order[:, 0])


def subject_distances(probe: Side, gallery: Side, distance: Distance) -> tuple[Tensor, Tensor, Tensor]:
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
