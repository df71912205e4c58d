"""Who is taken for whom: the worst errors of an evaluation."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import rearrange

from meshgait.evaluation.distances import blocks
from meshgait.evaluation.record import EvaluationRecord


class Confusion(NamedTuple):
    """A probe whose nearest gallery sequence is another person's; rows are those of the record.

    Attributes:
        condition: of the probe, as the protocol calls it.
        probe: its row.
        found: row of the nearest gallery sequence.
        own: row of the nearest gallery sequence of the probe's own person.
        distance: to ``found``.
        own_distance: to ``own``.
        times: how often this person was taken for that one, over all conditions.
    """

    condition: str
    probe: int
    found: int
    own: int
    distance: float
    own_distance: float
    times: int


def worst_confusions(record: EvaluationRecord, count: int = 8) -> list[Confusion]:
    """The worst error of each pair of persons, by how much nearer the other one is; the worst pairs first.

    Each probe is compared with the whole gallery without the pairs that the protocol excludes. Probes whose person
    is not in the gallery are left out.

    Args:
        record: the evaluation.
        count: how many at most.
    """
    wrong = [error for condition in record.probes for error in _errors(record, condition)]
    wrong.sort(key=lambda error: error.distance - error.own_distance)
    pairs = [(record.labels[error.probe], record.labels[error.found]) for error in wrong]
    times = Counter(pairs)
    worst: dict[tuple[int, int], Confusion] = {}
    for pair, error in zip(pairs, wrong, strict=True):
        worst.setdefault(pair, error._replace(times=times[pair]))
    return list(worst.values())[:count]


def describe_confusion(record: EvaluationRecord, confusion: Confusion) -> dict[str, Any]:
    """A confusion by the names of the record: persons, conditions, views, distances."""
    probe, found, own = confusion.probe, confusion.found, confusion.own
    return {
        "person": record.subjects[record.labels[probe]],
        "taken_for": record.subjects[record.labels[found]],
        "times": confusion.times,
        "condition": confusion.condition,
        "distance": round(confusion.distance, 4),
        "own_distance": round(confusion.own_distance, 4),
        **{
            f"{name}_{what}": value
            for name, row in (("probe", probe), ("found", found), ("own", own))
            for what, value in (
                ("condition", str(record.conditions[row])),
                ("view", record.view_names[record.views[row]]),
                ("sequence", int(record.sequences[row])),
            )
        },
    }


def _errors(record: EvaluationRecord, condition: str) -> list[Confusion]:
    probes, gallery = np.flatnonzero(record.probes[condition]), np.flatnonzero(record.gallery)
    sides = [torch.from_numpy(np.asarray(record.embeddings)[rows]).float() for rows in (probes, gallery)]
    errors = []
    for rows, block in blocks(sides[0], sides[1], record.distance):
        chosen = probes[rows]
        distances = block.numpy()
        match = rearrange(record.labels[chosen], "p -> p 1") == record.labels[gallery]
        same_view = rearrange(record.views[chosen], "p -> p 1") == record.views[gallery]
        removed = {"none": match & False, "same_view": same_view, "same_subject_and_view": match & same_view}
        distances = np.where(removed[record.exclude], np.inf, distances)
        mates = np.where(match, distances, np.inf)
        found, own = distances.argmin(1), mates.argmin(1)
        order = np.arange(len(chosen))
        for row in np.flatnonzero(~match[order, found] & np.isfinite(mates[order, own])):
            near, mate = int(found[row]), int(own[row])
            ends = float(distances[row, near]), float(mates[row, mate])
            errors.append(Confusion(condition, int(chosen[row]), int(gallery[near]), int(gallery[mate]), *ends, 1))
    return errors
