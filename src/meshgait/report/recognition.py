"""CMC and DET of runs, from their last evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meshgait.errors import DataError
from meshgait.evaluation.cmc import FirstRanks, cmc, cmc_band, first_ranks
from meshgait.evaluation.record import EvaluationRecord
from meshgait.evaluation.verification import Verification, verification
from meshgait.report.folder import Run

RANKS = 20


@dataclass(frozen=True)
class Recognition:
    """One probe condition of one run.

    Attributes:
        run: its name.
        condition: name of the probes.
        record: the evaluation.
        first: rank of each probe's first match.
        cmc: (RANKS,) percent.
        cmc_band: (2, RANKS).
        verification: error rates, or None where there is no comparison of one kind.
    """

    run: str
    condition: str
    record: EvaluationRecord
    first: FirstRanks
    cmc: np.ndarray
    cmc_band: np.ndarray
    verification: Verification | None


def recognition(run: Run, condition: str) -> Recognition:
    """Curves of one probe condition (one of `conditions`) with intervals over subjects."""
    record = run.record
    assert record is not None  # or there would be no condition
    first = first_ranks(record, condition)
    errors: Verification | None
    try:
        errors = verification(record, condition)
    except DataError:
        errors = None
    band = cmc_band(first, RANKS) if len(first.ranks) else np.full((2, RANKS), np.nan)
    return Recognition(run.name, condition, record, first, cmc(first.ranks, RANKS), band, errors)


def conditions(run: Run) -> list[str]:
    """Probe conditions that can be scored: there are probes and a gallery, and the labels are public."""
    record = run.record
    if record is None or record.scoring == "hidden" or not record.gallery.any():
        return []
    return [name for name, mask in record.probes.items() if mask.any()]


def comparisons(record: EvaluationRecord) -> str:
    """Which comparisons count, in words."""
    if record.scoring == "subjects":
        return (
            "Persons are compared, not sequences: all samples of a probe person with all of a gallery person give "
            "one distance. A comparison of a person with itself is mated, all others are non-mated."
        )
    rule = {
        "same_view": "Comparisons are cross-view: a probe is compared with the gallery's sequences of all other "
        "views; pairs of one view count neither as mated nor as non-mated.",
        "same_subject_and_view": "Mated comparisons are cross-view: pairs of one person in one view do not count; "
        "non-mated comparisons are of all views.",
    }.get(record.exclude, "Every probe is compared with every sequence of the gallery, in the same view as well.")
    return f"{rule} Mated: both sequences are of one person; non-mated: of two."


def by_protocol(found: Sequence[Recognition]) -> dict[str, list[Recognition]]:
    """What can be drawn into one chart: the same protocol."""
    groups: dict[str, list[Recognition]] = {}
    for one in found:
        groups.setdefault(one.record.protocol, []).append(one)
    return groups
