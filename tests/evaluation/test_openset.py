"""FNIR at FPIR against thresholds tried one by one."""

import numpy as np
import pytest

from meshgait.errors import DataError
from meshgait.evaluation.openset import hold_out, open_set, searches
from tests.evaluation.records import loops, make


def by_loops(record, out, fpir):
    """The largest threshold whose FPIR is not above fpir, found by trying every distance."""
    every = loops(record)
    every = every[~np.isin(every[:, 2], out)]
    task = record.task()
    nearest, right, mated = [], [], []
    for probe in np.flatnonzero(task.probes["nm"]):
        label = task.labels[probe]
        rows = every[every[:, 1] == label]
        count = len(rows) // (task.probes["nm"] & (task.labels == label)).sum()
        number = (task.labels[: probe + 1][task.probes["nm"][: probe + 1]] == label).sum() - 1
        own = rows[number * count : (number + 1) * count]
        best = own[own[:, 0].argmin()]
        nearest.append(best[0])
        right.append(best[2] == label)
        mated.append(label not in out)
    nearest, right, mated = map(np.array, (nearest, right, mated))
    best = 100.0
    for t in nearest:
        if 100 * (nearest[~mated] <= t).mean() <= fpir:
            best = min(best, 100 * (1 - (right & (nearest <= t))[mated].mean()))
    return best


def test_equals_loops():
    record = make(subjects=20, spread=1.6)
    out = hold_out(record, 0.5, seed=3)
    result = open_set(record, "nm", (1.0, 10.0, 30.0), 0.5, draws=50, seed=3)
    assert len(out) == 10 and result.mated == result.nonmated == 60
    np.testing.assert_array_equal(result.held_out, out)
    for rate, fnir in zip((1.0, 10.0, 30.0), result.fnir, strict=True):
        assert fnir == pytest.approx(by_loops(record, out, rate))
    assert (np.diff(result.fnir) <= 0).all() and 0 < result.fnir[1] < 100
    assert (result.band[0] <= result.fnir).all() and (result.fnir <= result.band[1]).all()
    again = open_set(record, "nm", (1.0, 10.0, 30.0), 0.5, draws=50, seed=3)
    np.testing.assert_array_equal(again.band, result.band)


def test_persons_far_apart_are_never_taken_for_others():
    record = make(subjects=10, spread=0.01)
    result = open_set(record, "nm", (0.0,), draws=20)
    assert result.fnir.tolist() == [0] and result.band.tolist() == [[0], [0]]
    found = searches(record, "nm", result.held_out)
    assert found.right[found.mated].all() and not found.right[~found.mated].any()


def test_either_kind_of_search_is_needed():
    with pytest.raises(DataError, match="no non-mated search"):
        open_set(make(subjects=4), "nm", fraction=0.0)
