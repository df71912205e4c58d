import numpy as np
import pytest

from tests.evaluation.records import arrays, loops, make


@pytest.mark.parametrize("exclude", ["none", "same_view", "same_subject_and_view"])
def test_comparisons_are_those_of_the_protocol(exclude):
    record = make(exclude=exclude)
    every = loops(record)
    mates = every[:, 1] == every[:, 2]
    for found, expected in zip(arrays(record), (every[mates, 0], every[~mates, 0]), strict=True):
        np.testing.assert_allclose(np.sort(found), np.sort(expected), rtol=1e-5)
