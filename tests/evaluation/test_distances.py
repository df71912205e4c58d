"""Distances against plain loops in float64."""

import numpy as np
import pytest
import torch

from meshgait.errors import ConfigError, DataError
from meshgait.evaluation.distances import blocks, pairwise


def _loops(probe, gallery, distance):
    result = np.zeros((len(probe), len(gallery)))
    for i, x in enumerate(probe.double().numpy()):
        for j, y in enumerate(gallery.double().numpy()):
            per_strip = []
            for a, b in zip(x, y, strict=True):
                if distance == "euclidean":
                    per_strip.append(np.sqrt(((a - b) ** 2).sum()))
                else:
                    per_strip.append(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b))
            result[i, j] = np.mean(per_strip)
    return result


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("block_elements", [1, 11, 10**6])
def test_equals_loops_whatever_the_block(distance, block_elements):
    probe, gallery = torch.randn(7, 4, 6), torch.randn(5, 4, 6)
    result = pairwise(probe, gallery, distance, block_elements)
    np.testing.assert_allclose(result, _loops(probe, gallery, distance), atol=1e-5)


def test_mean_over_strips_is_not_the_distance_of_the_whole():
    # strips 3 and 4 apart: mean 3.5, as one vector it were 5
    probe, gallery = torch.zeros(1, 2, 1), torch.tensor([[[3.0], [4.0]]])
    assert pairwise(probe, gallery).item() == pytest.approx(3.5)


def test_distance_to_itself_is_zero_and_not_nan():
    points = 100 * torch.randn(6, 3, 64)
    diagonal = pairwise(points, points).diagonal()
    assert diagonal.isfinite().all()
    assert (diagonal < 1).all()  # squares of 1e4 * 64 cancel in float32


def test_float32_under_autocast_and_for_half_precision():
    probe, gallery = torch.randn(4, 2, 8), torch.randn(4, 2, 8)
    expected = pairwise(probe, gallery)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(pairwise(probe, gallery), expected)
        assert torch.equal(pairwise(probe, gallery, "cosine"), pairwise(probe, gallery, "cosine"))
    half = pairwise(probe.bfloat16(), gallery.bfloat16())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, expected, atol=0.05, rtol=0.05)


def test_blocks_bound_the_rows():
    sizes = [block.shape for _, block in blocks(torch.randn(10, 1, 2), torch.randn(4, 1, 2), block_elements=12)]
    assert sizes == [(3, 4), (3, 4), (3, 4), (1, 4)]


def test_errors():
    with pytest.raises(DataError, match="equal strips"):
        pairwise(torch.zeros(2, 3, 4), torch.zeros(2, 4, 3))
    with pytest.raises(ConfigError, match="euclidean, cosine"):
        pairwise(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), "manhattan")
