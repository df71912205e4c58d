"""Protocols as data: who is trained on, what is the gallery, what are the probes, which pairs do not count.

Sequences have a subject, condition and view (as in the packed store's table); conditions are matched by shell
patterns (``nm-*``). CASIA-B: Yu et al., ICPR 2006; OUMVLP: Takemura et al., IPSJ CVA 2018; GREW: Zhu et al., ICCV
2021; Gait3D: Zheng et al., CVPR 2022; USF HumanID: Sarkar et al., TPAMI 2005.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

import numpy as np

from meshgait.data.partitions import Partition
from meshgait.data.table import Coded, NamedSequence, coded
from meshgait.errors import ConfigError, DataError
from meshgait.text import shown

Exclude = Literal["none", "same_view", "same_subject_and_view"]
Scoring = Literal["cells", "pooled", "views", "subjects", "hidden"]


class SequenceNames(NamedTuple):
    """What a protocol needs to know of a sequence; `meshgait.data.table.Sequence` has these fields too."""

    subject: str
    condition: str
    view: str


@dataclass(frozen=True)
class EvaluationProtocol:
    """Rules of one benchmark.

    Attributes:
        name: what users call it.
        gallery: patterns of the gallery's conditions.
        probes: named groups of probe conditions (patterns); what is gallery is never a probe.
        exclude: pairs that do not count.
        scoring: how ranks become a figure; see `meshgait.evaluation.scoring`. "hidden": labels are not public.
        train_subjects: numbers of the training subjects where the benchmark fixes them; None: see the partition.
        train_conditions: patterns of the training conditions, where training and test are of the same people and
            differ in condition; empty: they differ in subject.
        listed_probes: the partition's PROBE_SET names the probes, all other test sequences are the gallery.
        impostors: subjects outside the gallery, left out of closed-set scores.
        complete: each probe's subject must be in the gallery; otherwise a lone probe is counted by the scoring.
    """

    name: str
    gallery: tuple[str, ...]
    probes: Mapping[str, tuple[str, ...]]
    exclude: Exclude = "none"
    scoring: Scoring = "pooled"
    train_subjects: range | None = None
    train_conditions: tuple[str, ...] = ()
    listed_probes: bool = False
    impostors: tuple[str, ...] = ()
    complete: bool = False


_COVARIATES = {"nm": ("nm-*",), "bg": ("bg-*",), "cl": ("cl-*",)}

PROTOCOLS: dict[str, EvaluationProtocol] = {
    protocol.name: protocol
    for protocol in (
        EvaluationProtocol("walkers", ("nm-01", "nm-02"), _COVARIATES, "same_view", "cells", complete=True),
        EvaluationProtocol(
            "casia-b",
            ("nm-01", "nm-02", "nm-03", "nm-04"),
            {"nm": ("nm-05", "nm-06"), "bg": ("bg-01", "bg-02"), "cl": ("cl-01", "cl-02")},
            "same_view",
            "cells",
            train_subjects=range(1, 75),
            complete=True,
        ),
        EvaluationProtocol(
            "casia-b-cross-view",
            ("nm-02", "bg-02", "cl-02"),
            {"nm": ("nm-01",), "bg": ("bg-01",), "cl": ("cl-01",)},
            "same_subject_and_view",
            "views",
            train_subjects=range(1, 75),
            complete=True,
        ),
        # odd numbers up to 10305 train; some subjects lack sequences, and their probes count as errors
        EvaluationProtocol(
            "oumvlp", ("01",), {"nm": ("00",)}, "same_view", "cells", train_subjects=range(1, 10306, 2)
        ),
        EvaluationProtocol("gait3d", (), {"probe": ()}, listed_probes=True),
        EvaluationProtocol("grew", ("01", "02"), {"probe": ("03",)}, scoring="hidden"),
        # what can be scored of GREW without its hidden labels
        EvaluationProtocol("grew-local", ("01",), {"probe": ("02",)}),
        EvaluationProtocol(
            "usf",
            ("Gal-*",),
            {letter: (f"Prb{letter}-*",) for letter in "ABCDEFG"},
            scoring="subjects",
            train_conditions=("Gal-*",),
            impostors=("000",),
            complete=True,
        ),
    )
}


def get_protocol(name: str) -> EvaluationProtocol:
    """The protocol of that name.

    Raises:
        ConfigError: there is none; the message lists what there is.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    near = get_close_matches(name, PROTOCOLS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(f"protocol {name!r} is unknown", f"{hint}there are {', '.join(PROTOCOLS)}")


class Split(NamedTuple):
    """(N,) bool masks of the sequences to train on and of those that the protocol tests."""

    train: np.ndarray
    test: np.ndarray


class Selection(NamedTuple):
    """A protocol applied to N sequences: the `Task` of `meshgait.evaluation.scoring`.

    Attributes:
        labels: (N,) int64 index into subjects.
        views: (N,) int64 index into view_names.
        gallery: (N,) bool.
        probes: for each group (N,) bool.
        exclude: pairs that do not count.
        scoring: how it is scored.
        subjects: sorted names of all subjects.
        view_names: sorted names of all views.
    """

    labels: np.ndarray
    views: np.ndarray
    gallery: np.ndarray
    probes: dict[str, np.ndarray]
    exclude: Exclude
    scoring: Scoring
    subjects: tuple[str, ...]
    view_names: tuple[str, ...]


def _matches(column: Coded, patterns: Iterable[str]) -> np.ndarray:
    """(N,) bool: which sequences' names fit one of the shell patterns."""
    patterns = tuple(patterns)
    fitting = [any(fnmatchcase(name, pattern) for pattern in patterns) for name in column.names.tolist()]
    return np.array(fitting, bool)[column.codes]


def _within(column: Coded, names: Iterable[str]) -> np.ndarray:
    """(N,) bool: which sequences' names are among these."""
    names = frozenset(names)
    return np.array([name in names for name in column.names.tolist()], bool)[column.codes]


def _columns(sequences: Sequence[NamedSequence]) -> tuple[Coded, Coded, Coded]:
    if not len(sequences):
        raise DataError("there are no sequences", "is the store or folder the right one?")
    return coded(sequences, "subject"), coded(sequences, "condition"), coded(sequences, "view")


def split(
    sequences: Sequence[NamedSequence], protocol: EvaluationProtocol, partition: Partition | None = None
) -> Split:
    """Separate training from test sequences.

    Args:
        sequences: N sequences (subject, condition, view).
        protocol: the rules.
        partition: the data set's own lists; they come before the protocol's rule.

    Raises:
        DataError: nothing says which sequences are for training, or no sequence is a test sequence.
    """
    subjects, conditions, _ = _columns(sequences)
    known = ~_within(subjects, protocol.impostors)
    if protocol.train_conditions:
        chosen = _matches(conditions, protocol.train_conditions)
        return Split(chosen & known, known)
    if partition is not None:
        train, test = _within(subjects, partition.train), _within(subjects, partition.test)
        where = partition.source
    elif protocol.train_subjects is not None:
        numbered = (name for name in subjects.names.tolist() if name.isdecimal())
        train = _within(subjects, (name for name in numbered if int(name) in protocol.train_subjects))
        test, where = known & ~train, f"protocol {protocol.name}"
    else:
        raise DataError(
            f"protocol {protocol.name} does not fix the training subjects: give a partition JSON "
            '{"TRAIN_SET": [...], "TEST_SET": [...]} or put it into the store as partition.json'
        )
    if not test.any():
        raise DataError(
            f"{where} names no test subject that the data have (data: {_some(subjects.names)})",
            "compare the spelling of the subjects, also leading zeros",
        )
    return Split(train & known, test & known)


def select(
    sequences: Sequence[NamedSequence],
    protocol: EvaluationProtocol,
    partition: Partition | None = None,
    mates: bool = True,
) -> Selection:
    """Apply a protocol: gallery and probes among the test sequences.

    Args:
        sequences: N sequences (subject, condition, view).
        protocol: the rules.
        partition: the data set's own lists.
        mates: refuse probes that have nobody to be found, where the protocol does.

    Raises:
        DataError: gallery or probes are empty, a probe's subject is not in the gallery (where the protocol wants
            it), or all pairs are excluded.
    """
    subjects, conditions, views = _columns(sequences)
    test = split(sequences, protocol, partition).test
    if protocol.listed_probes:
        if partition is None or not partition.probes:
            raise DataError(f"protocol {protocol.name} needs the partition JSON with its PROBE_SET list")
        names = zip(*(c.names[c.codes[test]].tolist() for c in (subjects, conditions, views)), strict=True)
        listed = np.zeros_like(test)
        listed[test] = ["-".join(walk) in partition.probes for walk in names]
        gallery, probes = test & ~listed, dict.fromkeys(protocol.probes, listed)
    else:
        gallery = test & _matches(conditions, protocol.gallery)
        groups = {name: test & _matches(conditions, rule) & ~gallery for name, rule in protocol.probes.items()}
        # data without bags or coats are scored on what they have
        probes = {name: mask for name, mask in groups.items() if mask.any()}
    if not gallery.any() or not any(mask.any() for mask in probes.values()):
        what = "probe" if gallery.any() else "gallery"
        there = conditions.names[np.unique(conditions.codes[test])]
        raise DataError(
            f"protocol {protocol.name} finds no {what} sequence among the test subjects' conditions "
            f"({_some(there)})",
            "choose the protocol that fits the data",
        )
    if mates and protocol.scoring != "hidden":
        _require_mates(protocol, subjects, views, gallery, probes)
    return Selection(
        subjects.codes,
        views.codes,
        gallery,
        probes,
        protocol.exclude,
        protocol.scoring,
        tuple(subjects.names.tolist()),
        tuple(views.names.tolist()),
    )


def _require_mates(
    protocol: EvaluationProtocol,
    subjects: Coded,
    views: Coded,
    gallery: np.ndarray,
    probes: dict[str, np.ndarray],
) -> None:
    """Refuse probes that have nobody to be found."""
    sights = subjects.codes * len(views.names) + views.codes  # who from where
    known = np.unique(sights[gallery])
    count = np.bincount(known // len(views.names), minlength=len(subjects.names))  # gallery views of each subject
    for name, mask in probes.items():
        who = np.unique(subjects.codes[mask])
        lone = subjects.names[who[count[who] == 0]]
        if len(lone) and (protocol.complete or len(lone) == len(who)):
            raise DataError(
                f"protocol {protocol.name}, probes {name}: {len(lone)} subjects have no gallery sequence "
                f"({_some(lone)})",
                f"add their gallery conditions ({', '.join(protocol.gallery)}) or leave them out",
            )
        others = count[subjects.codes[mask]] - np.isin(sights[mask], known)
        if protocol.exclude != "none" and not others.any():
            raise DataError(
                f"protocol {protocol.name}, probes {name}: it compares different views, but no probe's subject "
                f"has a gallery sequence of another view (views: {_some(views.names)})",
                "add views",
            )


def _some(names: Iterable[str], most: int = 5) -> str:
    names = list(names)
    return shown(", ".join(map(str, names[:most]))) + (", ..." if len(names) > most else "")
