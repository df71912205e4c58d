"""Comparisons of the probes with the gallery that a protocol counts, block by block.

A comparison of two sequences of one person is *mated*, of two persons *non-mated* (ISO/IEC 19795-1:2021). What the
protocol excludes, such as pairs of one view, counts nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from einops import rearrange

from meshgait.evaluation.distances import BLOCK_ELEMENTS, Distance, blocks
from meshgait.evaluation.ranking import LabelledEmbeddings, subject_distances
from meshgait.evaluation.scoring import Task


class Record(Protocol):
    """What was embedded; `meshgait.evaluation.record.EvaluationRecord` has this form."""

    @property
    def embeddings(self) -> np.ndarray:
        """(N, S, D) of the task's sequences."""

    @property
    def distance(self) -> Distance:
        """How they are compared."""

    def task(self) -> Task:
        """Who is looked for among whom."""


class Pairs(NamedTuple):
    """A block of comparisons: distances (p, g), labels of its rows (p,) and columns (g,), counted (p, g) bool."""

    distances: np.ndarray
    probes: np.ndarray
    gallery: np.ndarray
    counted: np.ndarray

    @property
    def match(self) -> np.ndarray:
        """(p, g) bool: both are the same person."""
        return rearrange(self.probes, "p -> p 1") == self.gallery

    def mated(self) -> np.ndarray:
        """Distances (n,) of pairs of one person."""
        return self.distances[self.counted & self.match]

    def nonmated(self) -> np.ndarray:
        """Distances (n,) of pairs of two persons."""
        return self.distances[self.counted & ~self.match]


def pair_distances(
    record: Record,
    condition: str,
    every: int = 1,
    block_elements: int = BLOCK_ELEMENTS,
) -> Iterator[Pairs]:
    """All comparisons of a probe condition, in blocks of probes sorted by label, so that memory stays bounded.

    Args:
        record: of the evaluation.
        condition: name of its probes.
        every: step; 3 takes every third probe.
        block_elements: distances held at a time.
    """
    task = record.task()
    embeddings = torch.from_numpy(np.asarray(record.embeddings))
    gallery = _side(embeddings, task, np.flatnonzero(task.gallery))
    chosen = np.flatnonzero(task.probes[condition])
    probe = _side(embeddings, task, chosen[np.argsort(task.labels[chosen], kind="stable")][::every])
    if task.scoring == "subjects":
        between, persons, columns = (x.numpy() for x in subject_distances(probe, gallery, record.distance))
        yield Pairs(between, persons, columns, np.ones_like(between, dtype=bool))
        return
    columns = gallery.labels.numpy()
    for rows, block in blocks(probe.embeddings, gallery.embeddings, record.distance, block_elements):
        labels = probe.labels[rows].numpy()
        excluded = (rearrange(probe.views[rows], "p -> p 1") == gallery.views).numpy()
        if task.exclude == "same_subject_and_view":
            excluded &= rearrange(labels, "p -> p 1") == columns
        elif task.exclude == "none":
            excluded[:] = False
        yield Pairs(block.numpy(), labels, columns, ~excluded)


def _side(embeddings: torch.Tensor, task: Task, chosen: np.ndarray) -> LabelledEmbeddings:
    labels, views = (torch.from_numpy(np.asarray(column)[chosen]) for column in (task.labels, task.views))
    return LabelledEmbeddings(embeddings[torch.from_numpy(chosen)].float(), labels, views)
