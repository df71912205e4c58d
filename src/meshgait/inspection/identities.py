"""Findings about who is trained on and who is tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from meshgait.data.partitions import Partition
from meshgait.data.protocols import EvaluationProtocol, Selection, Split, select, split
from meshgait.data.table import NamedSequence
from meshgait.errors import DataError
from meshgait.inspection.findings import Findings


@dataclass(frozen=True)
class Group:
    """How much of a store is in one part of a split.

    Attributes:
        subjects: how many.
        sequences: how many.
        frames: how many.
    """

    subjects: int
    sequences: int
    frames: int

    @classmethod
    def of(cls, mask: np.ndarray, labels: np.ndarray, lengths: np.ndarray) -> Group:
        """Of the sequences in a mask (S,), given labels (S,) and numbers of frames (S,)."""
        return cls(len(np.unique(labels[mask])), int(mask.sum()), int(lengths[mask].sum()))


def check_people(
    sequences: Sequence[NamedSequence],
    lengths: np.ndarray,
    protocol: EvaluationProtocol | None,
    partition: Partition | None,
    found: Findings,
) -> dict[str, Group]:
    """Apply a protocol and say who is left over or alone.

    Args:
        sequences: S of them (subject, condition, view).
        lengths: (S,) frames of each.
        protocol: the rules; None: only the partition's lists are compared with the data.
        partition: lists of training and test subjects, or None.
        found: takes what is found.

    Returns:
        Size of each part: all, train, test, gallery and each group of probes.
    """
    names, labels = np.unique(np.array([row.subject for row in sequences], str), return_inverse=True)
    groups = {"all": Group.of(np.ones(len(labels), bool), labels, lengths)}
    if partition is not None:
        found.named("absent", sorted((partition.train | partition.test) - set(names.tolist())))
    if protocol is None:
        if partition is not None:
            found.named("unassigned", sorted(set(names.tolist()) - partition.train - partition.test))
        return groups
    parts = task = None
    with _reported(found):
        parts = split(sequences, protocol, partition)
    if parts is None:
        return groups
    groups["train"] = Group.of(parts.train, labels, lengths)
    groups["test"] = Group.of(parts.test, labels, lengths)
    _check_split(names, labels, parts, protocol, found)
    with _reported(found):
        task = select(sequences, protocol, partition, mates=False)
    if task is None:
        return groups
    for name, mask in {"gallery": task.gallery, **task.probes}.items():
        groups[name if name == "gallery" else f"probes {name}"] = Group.of(mask, labels, lengths)
    if protocol.listed_probes and partition is not None:
        listed = np.logical_or.reduce(list(task.probes.values()))
        there = {"-".join(sequences[number][:3]) for number in np.flatnonzero(listed).tolist()}
        found.named("absent-probe", sorted(partition.probes - there))
    if protocol.scoring != "hidden":
        _check_mates(sequences, task, found)
    if protocol.exclude != "none":
        _check_views(task, found)
    return groups


@contextmanager
def _reported(found: Findings) -> Iterator[None]:
    """Turn an error about the data into a finding."""
    try:
        yield
    except DataError as error:
        found.error("protocol", error)


def _check_split(
    names: np.ndarray, labels: np.ndarray, parts: Split, protocol: EvaluationProtocol, found: Findings
) -> None:
    known = ~np.isin(names, protocol.impostors)
    placed = np.isin(np.arange(len(names)), labels[parts.train | parts.test])
    found.named("unassigned", names[known & ~placed].tolist())
    trained = np.bincount(labels[parts.train], minlength=len(names))
    found.named("lone-training", names[trained == 1].tolist())


def _check_mates(sequences: Sequence[NamedSequence], task: Selection, found: Findings) -> None:
    """Probes for which no gallery sequence of the same subject counts."""
    count = len(task.view_names)
    pair = task.labels * count + task.views
    pairs = np.unique(pair[task.gallery])
    views = np.bincount(pairs // count, minlength=len(task.subjects))
    mates = views[task.labels]
    if task.exclude != "none":  # the own view does not count
        mates = mates - np.isin(pair, pairs)
    probes = np.logical_or.reduce(list(task.probes.values()))
    lone = np.flatnonzero(probes & (mates == 0))
    found.named("no-mate", ["/".join(sequences[number][:3]) for number in lone.tolist()])


def _check_views(task: Selection, found: Findings) -> None:
    used = np.logical_or.reduce([task.gallery, *task.probes.values()])
    pairs = np.unique(task.views[used] * len(task.subjects) + task.labels[used])
    subjects = np.bincount(pairs // len(task.subjects), minlength=len(task.view_names))
    for view in np.flatnonzero((subjects > 0) & (2 * subjects < subjects.max())):
        found.add("thin-view", f"{task.view_names[view]} ({subjects[view]} of {subjects.max()})")
