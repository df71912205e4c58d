import numpy as np
import pytest
import torch

from meshgait.evaluation.cmc import cmc, cmc_band, first_ranks
from meshgait.evaluation.scoring import evaluate
from tests.evaluation.records import make


def test_cmc_by_hand():
    np.testing.assert_allclose(cmc(np.array([1, 1, 2, 4]), ranks=5), [50, 75, 75, 100, 100])
    assert np.isnan(cmc(np.array([], dtype=int), ranks=2)).all()


@pytest.mark.parametrize("scoring", ["pooled", "subjects"])
def test_cmc_agrees_with_the_scores(scoring):
    exclude = "none" if scoring == "subjects" else "same_view"
    record = make(spread=2.5, subjects=12, exclude=exclude, scoring=scoring)
    scores = evaluate(torch.from_numpy(record.embeddings).float(), record.task())["nm"]
    curve = cmc(first_ranks(record, "nm").ranks)
    assert 0 < curve[0] < 100
    assert (curve[0], curve[4], curve[9]) == pytest.approx((scores.pooled_rank1, scores.rank5, scores.rank10))


def test_cmc_band():
    first = first_ranks(make(spread=2.5, subjects=12), "nm")
    low, high = cmc_band(first, 5)
    curve = cmc(first.ranks, 5)
    assert (low <= curve).all() and (curve <= high).all() and low[0] < high[0]
