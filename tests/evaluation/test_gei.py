"""The baseline of mean silhouettes; on the real benchmark it gives the measured rank-1."""

import numpy as np
import pytest
import torch
from einops import rearrange

from meshgait.data.protocols import get_protocol, select
from meshgait.data.table import Sequence
from meshgait.data.usf import VIEW, read_usf
from meshgait.errors import DataError
from meshgait.evaluation.gei import gei, gei_embeddings, gei_scores


def test_mean_silhouette():
    frames = np.zeros((4, 3, 2), np.uint8)
    frames[0, 0, 0] = frames[:, 2, 1] = 255
    expected = np.zeros((3, 2))
    expected[0, 0], expected[2, 1] = 0.25, 1
    np.testing.assert_allclose(gei(frames), expected)
    assert gei_embeddings(lambda index: frames[: index + 1], [3, 0]).shape == (2, 1, 6)
    with pytest.raises(DataError, match="without frames"):
        gei(frames[:0])


@pytest.mark.slow
def test_usf_baseline_as_measured(shared_data):
    samples = read_usf(shared_data / "usf_humanid")
    walks = [Sequence(s.subject, s.condition, VIEW, 0, 10) for s in samples]
    scores = gei_scores(lambda index: samples[index].frames, select(walks, get_protocol("usf")))
    measured = {"A": 83, "B": 68, "C": 61, "D": 26, "E": 24, "F": 9, "G": 12}
    assert {name: round(score.rank1) for name, score in scores.items()} == measured
    assert [score.probes for score in scores.values()] == [71, 41, 41, 66, 42, 66, 42]
    assert all(score.unmatched == 0 for score in scores.values())


@pytest.mark.slow
def test_embeddings_are_flat_means():
    frames = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 2), dtype=np.uint8)
    result = gei_embeddings(frames.__getitem__, range(3))
    expected = rearrange(torch.from_numpy(frames).double().mean(1) / 255, "n h w -> n 1 (h w)")
    torch.testing.assert_close(result.double(), expected, atol=1e-6, rtol=0)
