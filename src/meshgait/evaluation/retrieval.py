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

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from meshgait.errors import ConfigError, DataError
from meshgait.evaluation.distances import Distance, blocks
from meshgait.evaluation.ranking import Ranking, Side, rank, subject_distances


class Task(Protocol):
    """Who is looked for among whom; `meshgait.data.protocols.Selection` has this form.

    Attributes:
        labels: (N,) integer, the person of each sequence.
        views: (N,) integer index into view_names.
        gallery: (N,) bool.
        probes: for each named condition (N,) bool.
        exclude: pairs that do not count: "none", "same_view" or "same_subject_and_view".
        scoring: "cells", "pooled", "views", "subjects" (or "hidden": labels are not public).
        view_names: names of the views.
    """

    labels: np.ndarray
    views: np.ndarray
    gallery: np.ndarray
    probes: Mapping[str, np.ndarray]
    exclude: str
    scoring: str
    view_names: Sequence[str]


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
    embeddings: Tensor, task: Task, distance: Distance = "euclidean", indices: Tensor | None = None
) -> dict[str, Scores]:
    """Scores of each probe condition.

    Args:
        embeddings: (n, S, D).
        task: who is looked for among whom.
        distance: how embeddings are compared.
        indices: (n,) which sequence of the task each row is; by default all N in order. Conditions (or a gallery)
            of which no sequence is there are left out of the result.

    Raises:
        DataError: embeddings are not finite, or do not belong to the task's sequences.
        ConfigError: the protocol's labels are hidden, so that nothing can be scored here.
    """
    if task.scoring == "hidden":
        raise ConfigError("this protocol's probe labels are not public; hand in its submission file instead")
    if embeddings.device.type == "mps":  # without float64, which the means need
        embeddings = embeddings.cpu()
    rows = torch.arange(len(task.labels)) if indices is None else indices.cpu()
    if len(rows) != len(embeddings) or (len(rows) and rows.max() >= len(task.labels)):
        raise DataError(
            f"{len(embeddings)} embeddings do not fit the {len(task.labels)} sequences of the protocol; "
            "embed the store that the protocol was selected from"
        )
    finite = embeddings.isfinite().all(-1).all(-1)
    if not finite.all():
        bad = rows[int((~finite).nonzero()[0])]
        raise DataError(
            f"embeddings of {int((~finite).sum())} sequences are not finite (first: sequence {int(bad)}); "
            "the model has diverged: lower the learning rate or take an earlier checkpoint"
        )
    device = embeddings.device

    def side(mask: np.ndarray) -> Side:
        chosen = torch.as_tensor(mask)[rows]
        labels, views = (torch.as_tensor(column)[rows][chosen].to(device) for column in (task.labels, task.views))
        return Side(embeddings[chosen.to(device)], labels, views)

    gallery = side(task.gallery)
    probes = {name: side(mask) for name, mask in task.probes.items()}
    if not len(gallery.labels):
        return {}
    return {name: _score(probe, gallery, task, distance) for name, probe in probes.items() if len(probe.labels)}


def _score(probe: Side, gallery: Side, task: Task, distance: Distance) -> Scores:
    if task.scoring == "subjects":
        between, row_labels, column_labels = subject_distances(probe, gallery, distance)
        match = rearrange(row_labels, "p -> p 1") == column_labels
        ranking = rank(between, match, torch.zeros_like(match))
        return _pooled(ranking, row_labels, column_labels)
    parts, found = [], []
    columns = gallery.views.unique()
    for rows, block in blocks(probe.embeddings, gallery.embeddings, distance):
        match = rearrange(probe.labels[rows], "p -> p 1") == gallery.labels
        same_view = rearrange(probe.views[rows], "p -> p 1") == gallery.views
        removed = {"none": match & False, "same_view": same_view, "same_subject_and_view": match & same_view}
        parts.append(rank(block, match, removed[task.exclude]))
        if task.scoring == "cells":
            found.append(torch.stack([_nearest(block, gallery, view) for view in columns], dim=1))
    ranking = Ranking(*(torch.cat(column) for column in zip(*parts, strict=True)))
    pooled = _pooled(ranking, probe.labels, gallery.labels, probe.views if task.scoring == "views" else None)
    return _cells(pooled, torch.cat(found), columns, probe, task) if found else pooled


def _nearest(block: Tensor, gallery: Side, view: Tensor) -> Tensor:
    """Label (b,) of the nearest gallery sequence of one view."""
    members = (gallery.views == view).nonzero()[:, 0]
    return gallery.labels[members[block[:, members].argmin(1)]]


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


def _cells(pooled: Scores, found: Tensor, columns: Tensor, probe: Side, task: Task) -> Scores:
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


class RetrievalMetrics(Metric):
    """Gathers embeddings over batches and processes, then scores them (`evaluate`).

    Labels, conditions and views are not gathered: they are looked up in the task by sequence index. A sequence
    that came more than once (samplers pad the last batch of a process) counts once. A process that saw no
    sequence at all takes part in the gathering like the others; with several devices, `to` the device first.

    Args:
        task: who is looked for among whom.
        distance: how embeddings are compared.

    Attributes:
        last: embeddings (n, S, D) and their sequences (n,) that `compute` scored last, of all processes.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    def __init__(self, task: Task, distance: Distance = "euclidean", **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.task, self.distance = task, distance
        self.add_state("embeddings", default=[], dist_reduce_fx="cat")
        self.add_state("indices", default=[], dist_reduce_fx="cat")
        self.last: tuple[Tensor, Tensor] | None = None

    def update(self, embeddings: Tensor, indices: Tensor) -> None:
        """Take embeddings (B, S, D) of the sequences ``indices`` (B,) of the task."""
        self.embeddings.append(embeddings.detach().float())
        self.indices.append(indices)

    def compute(self) -> dict[str, Scores]:
        """Scores per condition; warns where sequences of the protocol have not been embedded."""
        if len(self.indices) == 0:
            raise DataError("no sequence was embedded; is the test set empty?")
        indices, embeddings = dim_zero_cat(self.indices).cpu(), dim_zero_cat(self.embeddings)
        kept = np.unique(indices.numpy(), return_index=True)[1]
        needed = np.logical_or.reduce([self.task.gallery, *self.task.probes.values()])
        absent = int(needed.sum()) - int(needed[indices[kept].numpy()].sum())
        if absent:
            warnings.warn(
                f"{absent} of the protocol's {int(needed.sum())} sequences were not embedded; "
                "the scores are of the rest alone and not comparable",
                stacklevel=2,
            )
        self.last = embeddings[torch.as_tensor(kept)], indices[kept]
        return evaluate(self.last[0], self.task, self.distance, self.last[1])

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        # torchmetrics gathers tensors of one rank (ndim) only: a process without a sequence needs an empty
        # (0, S, D), and learns S and D from the others
        gather = args[0] if args else kwargs["dist_sync_fn"]
        group = kwargs.get("process_group") or self.process_group
        shape = self.embeddings[0].shape[1:] if len(self.embeddings) else (0, 0)
        shapes = gather(torch.tensor(shape, device=self.device), group=group)
        strips, channels = torch.stack(shapes).amax(0).tolist()
        if not len(self.embeddings):
            self.embeddings = [torch.zeros(0, strips, channels, device=self.device)]
            self.indices = [torch.zeros(0, dtype=torch.int64, device=self.device)]
        super()._sync_dist(*args, **kwargs)
