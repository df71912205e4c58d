"""Scoring of embeddings by a benchmark's protocol, for `meshgait evaluate` and `meshgait.evaluate`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from meshgait.data.custom_protocol import CustomProtocol
from meshgait.data.partitions import Partition
from meshgait.data.protocols import EvaluationProtocol, Selection, SequenceNames, get_protocol, select, split
from meshgait.errors import ConfigError, DataError
from meshgait.evaluation.distances import Distance
from meshgait.evaluation.embeddings import Embeddings
from meshgait.evaluation.scoring import Scores
from meshgait.evaluation.scoring import evaluate as score_selection
from meshgait.messages import note


def evaluate(
    embeddings: Tensor | np.ndarray,
    labels: Sequence[str] | np.ndarray,
    conditions: Sequence[str] | np.ndarray,
    views: Sequence[str] | np.ndarray,
    protocol: str | EvaluationProtocol = "casia-b",
    *,
    metric: Distance = "euclidean",
    probe_set: Iterable[str] = (),
) -> dict[str, Scores]:
    """Score embeddings of any system by a benchmark's protocol.

    Every sequence is scored, training subjects of the benchmark included. A note on standard error says what may
    make the results differ from those of the benchmark.

    Args:
        embeddings: (N, strips, dim) or (N, dim), as `Recogniser.embed` gives them.
        labels: (N,) names of the subjects.
        conditions: (N,) conditions or sequence numbers, such as ``nm-01``.
        views: (N,) views or cameras, such as ``090``.
        protocol: name of a protocol (walkers, casia-b, oumvlp, gait3d, grew-local, usf, ...), a csv with the
            columns subject, condition, view, role, or an `EvaluationProtocol`.
        metric: distance of embeddings, "euclidean" or "cosine".
        probe_set: names ``label-condition-view`` of the probes, where the protocol lists them.

    Returns:
        `Scores` for each group of probes: rank-1, rank-5, mAP, mINP and so on, in percent.

    Raises:
        DataError: the columns do not fit each other, or the protocol finds no gallery or no probes among them.
        ConfigError: the protocol is unknown, or its probe labels are not public.
    """
    vectors = torch.as_tensor(embeddings)
    if vectors.ndim == 2:
        vectors = rearrange(vectors, "n d -> n 1 d")
    columns = {"labels": labels, "conditions": conditions, "views": views}
    for name, column in columns.items():
        if len(column) != len(vectors):
            raise DataError(f"there are {len(column)} {name} for {len(vectors)} embeddings", "give one for each")
    names, types, sides = (np.array([str(entry) for entry in column]) for column in columns.values())
    given = Embeddings(vectors, names, types, sides, frozenset(probe_set))
    custom = None
    if isinstance(protocol, str) and protocol.endswith(".csv"):
        custom = CustomProtocol.read(protocol)
        protocol = custom.protocol
    elif isinstance(protocol, str):
        protocol = get_protocol(protocol)
    if protocol.scoring == "hidden":
        raise ConfigError(f"the probe labels of {protocol.name} are not public", "use grew-local or its server")
    task = custom.select(sequence_names(given)) if custom else select_embedded(given, protocol)
    return score_selection(vectors, task, metric)


def sequence_names(given: Embeddings) -> list[SequenceNames]:
    """Subject, condition and view of each embedding."""
    return [SequenceNames(*row) for row in zip(given.labels, given.types, given.views, strict=True)]


def select_embedded(
    given: Embeddings,
    protocol: EvaluationProtocol,
    partition: Partition | None = None,
    test_only: bool = False,
) -> Selection:
    """Gallery and probes among embedded sequences.

    Args:
        given: embeddings, and what each sequence is.
        protocol: the rules.
        partition: score its TEST_SET alone, with its PROBE_SET if it has one.
        test_only: leave out the subjects that the benchmark trains on.

    Raises:
        DataError: no sequence is of the test set, or there is no gallery or no probe.
    """
    walks = sequence_names(given)
    tested = np.ones(len(walks), bool) if given.training is None else ~given.training
    if partition:
        tested &= np.isin(given.labels, list(given.spelled(partition.test | {"probe"})))
    elif test_only:
        tested &= split(walks, protocol).test
    if not tested.any():
        raise DataError(
            f"{given.source} has no test sequence", "compare its labels with the partition, or its split"
        )
    listed = given.probe_set or (partition.probes if partition else frozenset())
    if protocol.listed_probes and not listed:
        raise DataError(
            f"protocol {protocol.name} lists its probes: add probe_set (strings id-type-view) to {given.source} "
            "or give --partition JSON with PROBE_SET"
        )
    probes = given.spelled(listed) if protocol.listed_probes else frozenset()
    if protocol.listed_probes and not probes:
        raise DataError(
            f"{given.source}: no sequence is among the {len(listed)} of probe_set (such as {min(listed)})",
            "they must be spelled label-type-view",
        )
    if len(probes) < len(listed) and protocol.listed_probes:
        note(f"{len(listed) - len(probes)} of the {len(listed)} listed probes were not embedded")
    # every sequence that is left is scored, training subjects included; probes without a gallery sequence count as
    # the protocol's scoring says
    kept = np.flatnonzero(tested)
    everybody = Partition(frozenset(), frozenset(given.labels[kept].tolist()), probes, given.source)
    chosen = select([walks[row] for row in kept], replace(protocol, complete=False), everybody)
    _warn(given, protocol, chosen, tested)
    return _spread(chosen, kept, len(walks))


def _spread(chosen: Selection, kept: np.ndarray, total: int) -> Selection:
    """Extend a selection of some sequences to all; the others are neither gallery nor probe."""

    def over(column: np.ndarray) -> np.ndarray:
        whole = np.zeros(total, column.dtype)
        whole[kept] = column
        return whole

    return chosen._replace(
        labels=over(chosen.labels),
        views=over(chosen.views),
        gallery=over(chosen.gallery),
        probes={name: over(mask) for name, mask in chosen.probes.items()},
    )


def _warn(given: Embeddings, protocol: EvaluationProtocol, chosen: Selection, tested: np.ndarray) -> None:
    """Print notes on what may make the results differ from those of the benchmark."""
    if left := int((~tested).sum()):
        note(f"{left} of {len(tested)} sequences are not of the test set and left out")
    subjects = set(np.unique(given.labels[tested]).tolist())
    trained = {name for name in subjects if name.isdecimal() and int(name) in (protocol.train_subjects or ())}
    if trained and trained != subjects:
        note(
            f"{len(trained)} of {len(subjects)} subjects are those that {protocol.name} trains on, and are scored "
            "like all others; leave them out with --test-only"
        )
    if protocol.scoring != "hidden":
        mates = set(chosen.labels[chosen.gallery].tolist())
        for name, mask in chosen.probes.items():
            if lone := set(chosen.labels[mask].tolist()) - mates:
                counted = "count as errors" if chosen.scoring == "cells" else "are left out of the rates"
                note(f"probes {name}: {len(lone)} subjects have no gallery sequence and {counted}")
