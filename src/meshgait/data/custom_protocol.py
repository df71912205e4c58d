"""A user's own protocol: a csv that says of each sequence whether it is gallery, probe or for training.

Columns ``subject, condition, view, role``; a csv with ``role`` alone follows the order of the sequences. A role is
``gallery``, ``probe``, ``probe:GROUP`` (groups are scored one by one), ``train``, or empty (not used). Sequences
that the csv does not name are not used either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from meshgait.data.protocols import EvaluationProtocol, Exclude, Scoring, Selection, SequenceNames, Split
from meshgait.data.table import NamedSequence
from meshgait.errors import DataError
from meshgait.text import shown
from meshgait.textfiles.reading import TextFile

KEYS = ("subject", "condition", "view")
SINGLE = "probe"
"""Name of the group of probes that were given none."""


@dataclass(frozen=True)
class CustomProtocol:
    """Roles of sequences.

    Attributes:
        rows: (subject, condition, view) of each line, None where the csv follows the order of the
            sequences; and its role.
        source: the file, for error messages.
    """

    rows: tuple[tuple[SequenceNames | None, str], ...]
    source: str

    @classmethod
    def read(cls, path: Path | str) -> CustomProtocol:
        """From a csv file.

        Raises:
            DataError: it is missing, no such csv, has an unknown role, or names a sequence twice.
        """
        columns, lines = TextFile(path, "give a csv with subject, condition, view, role").csv()
        named = [key for key in KEYS if key in columns]
        if "role" not in columns or len(named) not in (0, len(KEYS)):
            given = shown(", ".join(columns)) or "(none)"
            raise DataError(
                f"{path} has the columns {given}",
                "give subject, condition, view, role or role alone with a line for each sequence in order",
            )
        rows: list[tuple[SequenceNames | None, str]] = []
        seen: set[SequenceNames] = set()
        for number, line in lines:
            role = line["role"]
            if role not in ("", "gallery", "probe", "train") and not role.startswith("probe:"):
                raise DataError(
                    f"{path}, line {number}: role {role!r} is unknown", "use gallery, probe, probe:GROUP or train"
                )
            walk = SequenceNames(*(line[key] for key in KEYS)) if named else None
            if walk is not None:
                if walk in seen:
                    raise DataError(
                        f"{path}, line {number}: {shown('-'.join(walk))} was named before", "keep one line"
                    )
                seen.add(walk)
            rows.append((walk, role))
        return cls(tuple(rows), str(path))

    @property
    def protocol(self) -> EvaluationProtocol:
        """Name and groups as an `EvaluationProtocol`, for callers that need no more of a protocol."""
        groups = sorted({_group(role) for _, role in self.rows if role.startswith("probe")})
        return EvaluationProtocol(Path(self.source).stem, (), {group: () for group in groups})

    def roles(self, sequences: Sequence[NamedSequence]) -> np.ndarray:
        """(N,) role of each sequence, empty where it is not used.

        Raises:
            DataError: the csv names sequences that are not there, or its lines are not as many as the sequences.
        """
        if any(walk is None for walk, _ in self.rows) or not self.rows:
            if len(self.rows) != len(sequences):
                raise DataError(
                    f"{self.source} has {len(self.rows)} lines for {len(sequences)} sequences",
                    "give one for each in order, or the columns subject, condition, view",
                )
            return np.array([role for _, role in self.rows])
        given = {walk: role for walk, role in self.rows if walk is not None}
        names = [SequenceNames(s.subject, s.condition, s.view) for s in sequences]
        unknown = given.keys() - set(names)
        if unknown:
            some = shown(", ".join("-".join(walk) for walk in sorted(unknown)[:5]))
            raise DataError(
                f"{self.source} names {len(unknown)} sequences that are not there ({some}"
                f"{', ...' if len(unknown) > 5 else ''})",
                "compare the spelling, also leading zeros",
            )
        return np.array([given.get(name, "") for name in names], str)

    def split(self, sequences: Sequence[NamedSequence]) -> Split:
        """Training sequences by role, gallery and probes as test sequences."""
        roles = self.roles(sequences)
        return Split(roles == "train", (roles != "train") & (roles != ""))

    def select(
        self, sequences: Sequence[NamedSequence], exclude: Exclude = "none", scoring: Scoring = "pooled"
    ) -> Selection:
        """Gallery and probes.

        Raises:
            DataError: there is no gallery or no probe, or no probe's subject is in the gallery.
        """
        roles = self.roles(sequences)
        groups = np.array([_group(role) for role in roles], str)
        gallery = roles == "gallery"
        probes = {name: groups == name for name in sorted(set(groups) - {""})}
        if not gallery.any() or not probes:
            what = "probe" if gallery.any() else "gallery"
            raise DataError(f"{self.source} names no {what} sequence", f"give some the role {what}")
        subjects, labels = np.unique([s.subject for s in sequences], return_inverse=True)
        views, view_index = np.unique([s.view for s in sequences], return_inverse=True)
        for name, mask in probes.items():
            if not np.isin(labels[mask], labels[gallery]).any():
                raise DataError(f"{self.source}: no subject of the probes {name} is in the gallery", "add some")
        return Selection(
            labels.astype(np.int64), view_index.astype(np.int64), gallery, probes, exclude, scoring,
            tuple(subjects.tolist()), tuple(views.tolist()),
        )  # fmt: skip


def _group(role: str) -> str:
    """Group of a probe; empty for other roles."""
    kind, _, group = role.partition(":")
    return (group.strip() or SINGLE) if kind == "probe" else ""
