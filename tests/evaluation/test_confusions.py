from dataclasses import replace

import numpy as np
import pytest

from meshgait.evaluation.confusions import worst_confusions
from meshgait.evaluation.record import EvaluationRecord


def line(places, labels, views, gallery, probes, exclude="none"):
    """Sequences as points on a line, so that distances can be read off."""
    count = len(places)
    return EvaluationRecord(
        np.array(places, np.float16).reshape(count, 1, 1), np.array(labels), np.array(views),
        np.array(["x"] * count), np.arange(count), np.array(gallery, bool),
        {name: np.array(mask, bool) for name, mask in probes.items()}, ("a", "b", "c"), ("0", "9"), exclude,
        "pooled", "walkers",
    )  # fmt: skip


@pytest.fixture
def record():
    # gallery: a at 0, b at 10, c at 20; probes: a at 1 (right), a at 7, a at 9 (taken for b), b at 18 (for c)
    return line(
        [0, 10, 20, 1, 7, 9, 18], [0, 1, 2, 0, 0, 0, 1], [0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0],
        {"one": [0, 0, 0, 1, 1, 0, 1], "two": [0, 0, 0, 0, 0, 1, 0]},
    )  # fmt: skip


def test_the_worst_of_each_pair_comes_first(record):
    one, two = worst_confusions(record)
    assert (one.condition, one.probe, one.found, one.own, one.distance, one.own_distance) == ("two", 5, 1, 0, 1, 9)
    assert one.times == 2  # the probe at 7 was taken for b as well
    assert (two.probe, two.found, two.own, two.distance, two.own_distance, two.times) == (6, 2, 1, 2, 8, 1)
    assert worst_confusions(record, 1) == [one]


def test_excluded_pairs_are_neither_found_nor_own(record):
    views = record.views.copy()
    views[1] = 1  # b's gallery sequence is of the probes' view
    found = worst_confusions(replace(record, views=views, exclude="same_view"))
    assert {(record.labels[error.probe], record.labels[error.found]) for error in found} == set()
    found = worst_confusions(replace(record, views=views, exclude="same_subject_and_view"))
    assert [error.probe for error in found] == [5]  # b at 18 has no mate left, a is taken for b as before


def test_nothing_wrong_is_an_empty_list(record):
    probes = {"one": np.array([0, 0, 0, 1, 0, 0, 0], bool)}
    assert worst_confusions(replace(record, probes=probes)) == []
