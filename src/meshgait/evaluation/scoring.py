"""Retrieval: rank-k, mAP and mINP of probes against a gallery, by the rules of the field.

Four ways of scoring, named by the protocol (`meshgait.data.protocols`):

- ``cells`` (CASIA-B, OUMVLP): rank-1 for each pair (probe view, gallery view), the gallery being that view alone.
  A probe without a match there is an error. Each cell is percent rounded to two decimals; the mean is over gallery
  views other than the probe's, then over probe views. rank-5, mAP and mINP are those of ``pooled``.
- ``pooled`` (Gait3D): each probe against the whole gallery; means over the probes that have a match.
- ``views`` (CASIA-B's cross-view variant): as ``pooled``, but each rate is percent rounded to two decimals per
  probe view, then averaged over probe views.
- ``subjects`` (USF HumanID): samples are pooled by person. Distance of two persons = mean over the probe person's
  samples of the least squared distance to a sample of the gallery person; then as ``pooled``.

AP = mean of the precision at each hit (not interpolated); INP = matches / rank of the last match (Ye et al., *Deep
Learning for Person Re-Identification*, TPAMI 2021). Equal distances: the earlier gallery sequence wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from meshgait.errors import ConfigError, DataError
from meshgait.evaluation.distances import Comparison, Distance
from meshgait.evaluation.parallel import over_blocks
from meshgait.evaluation.ranking import LabelledEmbeddings, Ranking, rank, subject_distances
from meshgait.progress import Progress

ROWS = 256
"""Probes of a block: with `meshgait.evaluation.distances.TILE` columns what is computed stays in the cache."""
SEARCHED_ELEMENTS = 2**24
"""Distances of a block at most, 64 MB; with what is made of them some three times that, for each thread."""
FINITE_ROWS = 4096


class Task(Protocol):
    """Who is looked for among whom; `meshgait.data.protocols.Selection` has this form."""

    @property
    def labels(self) -> np.ndarray:
        """(N,) integer, the person of each sequence."""

    @property
    def views(self) -> np.ndarray:
        """(N,) integer index into view_names."""

    @property
    def gallery(self) -> np.ndarray:
        """(N,) bool."""

    @property
    def probes(self) -> Mapping[str, np.ndarray]:
        """For each named condition (N,) bool."""

    @property
    def exclude(self) -> str:
        """Pairs that do not count: "none", "same_view" or "same_subject_and_view"."""

    @property
    def scoring(self) -> str:
        """One of "cells", "pooled", "views", "subjects" (or "hidden": labels are not public)."""

    @property
    def view_names(self) -> Sequence[str]:
        """Names of the views."""


class Scores(NamedTuple):
    """Scores of one probe condition; all rates in percent.

    Attributes:
        rank1: the protocol's headline: mean of the cells, or pooled rank-1.
        pooled_rank1, rank5, rank10: each probe against the whole gallery without excluded pairs.
        mean_ap, mean_inp: over the same.
        probes: how many probes (persons, where scored by subject).
        unmatched: probes without a match in the gallery; not in the pooled rates.
        cells: (probe views, gallery views) rank-1, or None.
        probe_views, gallery_views: names of the cells' rows and columns.
        wrong: (E, 2) labels (true, found) of the wrong rank-1s; of all cells where scored by cells.
    """

    rank1: float
    pooled_rank1: float
    rank5: float
    rank10: float
    mean_ap: float
    mean_inp: float
    probes: int
    unmatched: int
    cells: np.ndarray | None
    probe_views: tuple[str, ...]
    gallery_views: tuple[str, ...]
    wrong: np.ndarray

    def numbers(self) -> dict[str, float]:
        """The rates by name, for logging."""
        names = ("rank1", "pooled_rank1", "rank5", "rank10", "mean_ap", "mean_inp")
        return {name: getattr(self, name) for name in names}


def evaluate(
    embeddings: Tensor,
    task: Task,
    distance: Distance = "euclidean",
    indices: Tensor | None = None,
    progress: bool = False,
) -> dict[str, Scores]:
    """Scores of each probe condition.

    Streams over blocks of probes: beside the embeddings it holds the gallery in float32 and, for each thread, the
    distances of one block.

    Args:
        embeddings: (n, S, D), of any float type.
        task: who is looked for among whom.
        distance: how embeddings are compared.
        indices: (n,) which sequence of the task each row is; by default all N in order. Conditions (or a gallery)
            without any sequence are left out of the result.
        progress: whether to show how far it is.

    Raises:
        DataError: embeddings are not finite, or do not belong to the task's sequences.
        ConfigError: the protocol's labels are hidden, so that nothing can be scored here.
    """
    if task.scoring == "hidden":
        raise ConfigError("this protocol's probe labels are not public", "hand in its submission file instead")
    if embeddings.device.type == "mps":  # without float64, which the means need
        embeddings = embeddings.cpu()
    rows = torch.arange(len(task.labels)) if indices is None else indices.cpu()
    if len(rows) != len(embeddings) or (len(rows) and rows.max() >= len(task.labels)):
        raise DataError(
            f"{len(embeddings)} embeddings do not fit the {len(task.labels)} sequences of the protocol",
            "embed the store that the protocol was selected from",
        )
    require_finite(embeddings, rows)
    device = embeddings.device
    # as 32 bits they are compared twice as fast
    columns = [torch.as_tensor(column)[rows].to(device, torch.int32) for column in (task.labels, task.views)]

    def side(mask: np.ndarray) -> _Side:
        chosen = torch.as_tensor(mask)[rows].nonzero()[:, 0].to(device)
        return _Side(chosen, *(column[chosen] for column in columns))

    gallery = side(task.gallery)
    probes = {name: one for name, mask in task.probes.items() if len((one := side(mask)).rows)}
    if not len(gallery.rows) or not probes:
        return {}
    if task.scoring == "subjects":
        given = {
            name: LabelledEmbeddings(embeddings[x.rows], *x[1:]) for name, x in {**probes, "": gallery}.items()
        }
        return {name: _by_subject(given[name], given[""], distance) for name in probes}
    # all conditions at once, so that the threads have more blocks to share
    every = _Side(*(torch.cat(column) for column in zip(*probes.values(), strict=True)))
    ranking, found = _search(embeddings, every, gallery, task, distance, progress)
    scores, start = {}, 0
    for name, probe in probes.items():
        part = slice(start, start + len(probe.rows))
        own = Ranking(*(column[part] for column in ranking))
        pooled = _pooled(own, probe.labels, gallery.labels, probe.views if task.scoring == "views" else None)
        scores[name] = _cells(pooled, found[part], gallery.views.unique(), probe, task) if len(found) else pooled
        start = part.stop
    return scores


class _Side(NamedTuple):
    """Rows (n,) of the embeddings, their labels (n,) and views (n,)."""

    rows: Tensor
    labels: Tensor
    views: Tensor


def require_finite(embeddings: Tensor, names: Sequence[object] | Tensor) -> None:
    """Refuse embeddings (n, S, D) that are not numbers; ``names`` (n,) name the sequences."""
    # a sum is finite only if all its terms are, and quick; it may overflow, then the terms are checked one by one
    parts = embeddings.split(FINITE_ROWS)
    if all(part.sum(dtype=torch.float32).isfinite() for part in parts):
        return
    finite = torch.cat([part.isfinite().flatten(1).all(1) for part in parts])
    if not finite.all():
        raise DataError(
            f"embeddings of {int((~finite).sum())} sequences are not finite (first: sequence "
            f"{names[int((~finite).nonzero()[0])]})",
            "the model has diverged: lower the learning rate or take an earlier checkpoint",
        )


def _by_subject(probe: LabelledEmbeddings, gallery: LabelledEmbeddings, distance: Distance) -> Scores:
    between, labels, gallery_labels = subject_distances(probe, gallery, distance)
    return _pooled(rank(between, rearrange(labels, "p -> p 1") == gallery_labels), labels, gallery_labels)


def _search(
    embeddings: Tensor, probe: _Side, gallery: _Side, task: Task, distance: Distance, progress: bool
) -> tuple[Ranking, Tensor]:
    """Ranks of all probes; where scored by cells, the labels (P, gallery views) found in each view, else (0,)."""
    order = None
    if task.scoring == "cells":  # each view side by side, so that it can be searched as it lies
        by_view = gallery.views.argsort(stable=True)
        gallery, order = _Side(*(column[by_view] for column in gallery)), by_view.cpu().numpy()
    comparison = Comparison(embeddings, distance, gallery.rows)
    ends = [0, *gallery.views.unique_consecutive(return_counts=True)[1].cumsum(0).tolist()]

    def block(part: slice) -> tuple[Ranking, Tensor]:
        distances = comparison.distances(embeddings[probe.rows[part]])
        match = rearrange(probe.labels[part], "p -> p 1") == gallery.labels
        removed, found = None, torch.zeros(0, dtype=torch.int64)
        if task.exclude != "none":
            removed = rearrange(probe.views[part], "p -> p 1") == gallery.views
            removed = removed & match if task.exclude == "same_subject_and_view" else removed
        if task.scoring == "cells":
            nearest = [begin + distances[:, begin:end].argmin(1) for begin, end in pairwise(ends)]
            found = gallery.labels[torch.stack(nearest, dim=1)]
        return rank(distances, match, removed, order), found

    step = max(1, min(ROWS, SEARCHED_ELEMENTS // len(gallery.rows)))
    parts = over_blocks(block, len(probe.rows), step, None if embeddings.device.type == "cpu" else 1)
    with Progress("comparing", len(probe.rows), "probes", show=progress) as shown:
        results = []
        for part in parts:
            results.append(part)
            shown.advance(min(step, len(probe.rows) - shown.done))
    rankings, found = zip(*results, strict=True)
    return Ranking(*(torch.cat(column) for column in zip(*rankings, strict=True))), torch.cat(found)


def _pooled(ranking: Ranking, labels: Tensor, gallery_labels: Tensor, round_by: Tensor | None = None) -> Scores:
    """Rates over the probes that have a match; ``round_by`` (P,) rounds per value of it and averages those."""
    matched = ranking.matches > 0

    def percent(values: Tensor) -> float:
        if round_by is None:
            return 100 * float(values[matched].double().mean())
        groups = [values[matched & (round_by == group)].double() for group in round_by[matched].unique()]
        return float(np.mean([np.round(100 * float(group.mean()), 2) for group in groups or [values[:0]]]))

    wrong = matched & (ranking.first > 1)
    pairs = torch.stack([labels, gallery_labels[ranking.nearest]], dim=1)[wrong]
    rank1, rank5, rank10 = (percent(ranking.first <= k) for k in (1, 5, 10))
    return Scores(
        rank1=rank1,
        pooled_rank1=rank1,
        rank5=rank5,
        rank10=rank10,
        mean_ap=percent(ranking.ap),
        mean_inp=percent(ranking.inp),
        probes=len(labels),
        unmatched=int((~matched).sum()),
        cells=None,
        probe_views=(),
        gallery_views=(),
        wrong=pairs.cpu().numpy(),
    )


def _cells(pooled: Scores, found: Tensor, columns: Tensor, probe: _Side, task: Task) -> Scores:
    """Rank-1 per pair of views; ``found`` (P, gallery views) are the labels found in each gallery view."""
    labels = rearrange(probe.labels, "p -> p 1")
    correct = (found == labels).cpu().numpy()
    rows = probe.views.unique()
    of_row = [(probe.views == view).cpu().numpy() for view in rows]
    # rounded cell by cell, as published tables are, before any mean is taken
    cells = np.round(np.stack([100 * correct[row].sum(0) / row.sum() for row in of_row]), 2)
    counted = np.ones_like(cells, dtype=bool)
    pair_counts = torch.ones_like(found, dtype=torch.bool)
    if task.exclude != "none":
        counted = (rearrange(rows, "r -> r 1") != columns).cpu().numpy()
        pair_counts = rearrange(probe.views, "p -> p 1") != columns
    means = [cell[use].mean() for cell, use in zip(cells, counted, strict=True) if use.any()]
    pairs = torch.stack([labels.expand_as(found), found], dim=-1)[pair_counts & (found != labels)]
    names = np.asarray(task.view_names)
    return pooled._replace(
        rank1=float(np.mean(means)) if means else float("nan"),
        cells=cells,
        probe_views=tuple(names[rows.cpu().numpy()].tolist()),
        gallery_views=tuple(names[columns.cpu().numpy()].tolist()),
        wrong=pairs.cpu().numpy(),
    )
