import pytest
import torch

from meshgait.models.pooling import strips, temporal_max


def test_the_maximum_over_valid_frames_by_plain_loops():
    maps = torch.randn(2 * 3, 2, 4, 3) - 5  # all negative: a padding of zeros would win
    mask = torch.tensor([[True, True, False], [True, True, True]])
    pooled = temporal_max(maps, mask)
    for b in range(2):
        for c in range(2):
            for h in range(4):
                for w in range(3):
                    values = [maps[3 * b + t, c, h, w] for t in range(3) if mask[b, t]]
                    assert pooled[b, c, h, w] == max(values)


def test_masked_frames_may_hold_anything():
    maps = torch.randn(4, 2, 4, 3)
    mask = torch.tensor([[True, False], [True, True]])
    expected = temporal_max(maps, mask)
    maps[1] = 1e6
    assert torch.equal(temporal_max(maps, mask), expected)


def test_strips_by_plain_loops():
    maps = torch.randn(2, 3, 8, 5)
    got = strips(maps, 4)
    assert got.shape == (2, 4, 3)
    for b in range(2):
        for s in range(4):
            for c in range(3):
                cells = maps[b, c, 2 * s : 2 * s + 2].flatten().tolist()
                assert got[b, s, c].item() == pytest.approx(sum(cells) / len(cells) + max(cells), rel=1e-5)


def test_the_first_strip_is_the_top():
    maps = torch.zeros(1, 1, 4, 2)
    maps[0, 0, 0] = 1
    assert strips(maps, 4)[0, :, 0].tolist() == [2, 0, 0, 0]
