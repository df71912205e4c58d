"""Findings in a store's table of sequences."""

from __future__ import annotations

import numpy as np

from meshgait.inspection.findings import Findings
from meshgait.inspection.index import Index


def check_listing(index: Index, found: Findings, short: int) -> None:
    """Sequences outside of the arrays, overlapping, of equal names, or short.

    Args:
        index: of the store.
        found: takes what is found.
        short: fewer frames than this are few.
    """
    found.sequences("rows", index, _misplaced(index))
    found.sequences("same-name", index, _same_names(index))
    found.sequences("short", index, np.flatnonzero(index.lengths < short), detail=f"below {short}")


def _misplaced(index: Index) -> np.ndarray:
    order = index.order
    ends = np.maximum.accumulate(index.starts[order] + index.lengths[order])
    upon = order[1:][index.starts[order][1:] < ends[:-1]]
    return np.union1d(np.flatnonzero(~index.inside), upon)


def _same_names(index: Index) -> np.ndarray:
    """Sequences with the name of an earlier one; hashes take 8 bytes a sequence, the names many times that."""
    hashes = np.fromiter((hash(tuple(row[:3])) for row in index.store.sequences), np.int64, len(index))
    order = np.argsort(hashes, kind="stable")
    follows = hashes[order][1:] == hashes[order][:-1]
    repeated, names = [], set()
    for place in np.flatnonzero(follows).tolist():
        if place == 0 or not follows[place - 1]:
            names = {index.store.sequences[int(order[place])][:3]}
        name = index.store.sequences[int(order[place + 1])][:3]
        if name in names:  # equal hashes may be of different names, though hardly ever
            repeated.append(int(order[place + 1]))
        names.add(name)
    return np.sort(np.array(repeated, np.int64))
