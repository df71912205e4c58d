"""Warps against the two that everybody has: torch's grid_sample, and OpenCV's perspective through four points."""

import cv2
import numpy as np
import torch
from einops import rearrange
from torch.nn.functional import grid_sample

from meshgait.data.warp import corner_moves, resample

HEIGHT, WIDTH = 64, 44


def random_sources(count, seed=0):
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 3, 3, generator=rng) * torch.tensor(
        [[0.2, 0.2, 6], [0.2, 0.2, 6], [0.004, 0.004, 0]]
    )
    return torch.eye(3) + noise


def test_sampling_is_bilinear_with_background_outside():
    silhouettes, sources = torch.rand(6, 3, HEIGHT, WIDTH), random_sources(6)
    down, right = torch.meshgrid(*(torch.arange(n) + 0.5 - n / 2 for n in (HEIGHT, WIDTH)), indexing="ij")
    x, y, w = torch.einsum("bij,jhw->ibhw", sources, torch.stack([right, down, torch.ones_like(right)]))
    grid = torch.stack([x / w * 2 / WIDTH, y / w * 2 / HEIGHT], -1)
    expected = grid_sample(silhouettes, grid, align_corners=False)
    torch.testing.assert_close(resample(silhouettes, sources), expected, atol=2e-4, rtol=0)
    assert (expected == 0).any() and (expected > 0).any()
    double = resample(silhouettes.double(), sources)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), expected, atol=2e-4, rtol=0)


def test_the_map_that_changes_nothing_changes_nothing():
    silhouettes = torch.rand(2, 5, 128, 88)
    torch.testing.assert_close(resample(silhouettes, torch.eye(3).expand(2, 3, 3)), silhouettes, atol=1e-6, rtol=0)


def test_corners_are_brought_back_as_by_opencv():
    moves = (torch.rand(20, 4, 2) * 2 - 1) * 12
    corners = np.float32([[-22, -32], [22, -32], [-22, 32], [22, 32]])
    for found, move in zip(corner_moves(moves, (HEIGHT, WIDTH)).numpy(), moves.numpy(), strict=True):
        expected = cv2.getPerspectiveTransform(corners + move, corners)
        np.testing.assert_allclose(found, expected / expected[2, 2], atol=1e-4)
        ends = np.concatenate([corners + move, np.ones((4, 1))], 1) @ found.T
        np.testing.assert_allclose(ends[:, :2] / ends[:, 2:], corners, atol=1e-3)


def test_no_move_is_no_perspective():
    still = corner_moves(torch.zeros(2, 4, 2), (HEIGHT, WIDTH))
    torch.testing.assert_close(still, rearrange(torch.eye(3), "i j -> 1 i j").expand(2, 3, 3), atol=1e-6, rtol=0)
