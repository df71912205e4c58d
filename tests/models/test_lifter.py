import dataclasses

import pytest
import torch

from meshgait.models.backbone import Stem
from meshgait.models.heatmap_encoder import HeatmapEncoder
from meshgait.models.lifter import Lifter, Reconstructor


@pytest.mark.parametrize(
    ("frame", "strides", "volume_stride"),
    [
        ((64, 44), (2, 1, 2, 1, 1), 4),
        ((64, 44), (2, 2, 1, 1, 1), 4),
        ((64, 44), (1, 1, 2, 2, 1), 2),
        ((128, 88), (2, 1, 2, 1, 1), 4),
        ((128, 88), (2, 1, 2, 1, 1), 2),
    ],
)
def test_volumes_are_distributions_and_are_read_on_the_grid_of_the_2d_branch(
    tiny_size, frame, strides, volume_stride
):
    size = dataclasses.replace(tiny_size, frame=frame, strides=strides, volume_stride=volume_stride)
    early = torch.rand(2, 4, frame[0] // size.early_stride, frame[1] // size.early_stride)
    volumes = Lifter(size)(early)
    assert volumes.shape == (2, 88, *size.volume)
    assert (volumes >= 0).all()
    torch.testing.assert_close(volumes.sum((2, 3, 4)), torch.ones(2, 88))
    assert HeatmapEncoder(size)(volumes).shape == (2, 8, frame[0] // 4, frame[1] // 4)


def test_volumes_stay_float32_under_autocast(tiny_size):
    with torch.autocast("cpu", torch.bfloat16):
        estimate = Reconstructor(tiny_size, Stem(tiny_size), Lifter(tiny_size))(torch.rand(2, 64, 44))
    assert estimate.volumes.dtype == estimate.points.dtype == estimate.marginals.dtype == torch.float32


def test_an_estimate_belongs_together(tiny_size):
    estimate = Reconstructor(tiny_size, Stem(tiny_size), Lifter(tiny_size))(torch.rand(3, 64, 44))
    depth, height, width = tiny_size.volume
    assert estimate.points.shape == (3, 88, 3)
    u, v, d = estimate.marginals.split((width, height, depth), dim=-1)
    torch.testing.assert_close(u, estimate.volumes.sum((2, 3)))
    # the expectation along u by the marginal: cell i of n lies at (i + 0.5) / n of the frame's width
    torch.testing.assert_close(estimate.points[..., 0], u @ ((torch.arange(width) + 0.5) * 44 / width))
    torch.testing.assert_close(estimate.points[..., 1], v @ ((torch.arange(height) + 0.5) * 64 / height))
    depths = (torch.arange(depth) + 0.5) * 64 / depth - 32
    torch.testing.assert_close(estimate.points[..., 2], d @ depths, atol=1e-4, rtol=1e-4)


def test_a_larger_bias_of_a_slice_moves_the_point_there(tiny_size):
    """Channels of the head are points first, then depth: a mix-up would move another point or another axis."""
    lifter = Lifter(tiny_size)
    network = Reconstructor(tiny_size, Stem(tiny_size), lifter).eval()
    frames = torch.rand(1, 64, 44)
    before = network(frames).points
    with torch.no_grad():
        lifter.head[5 * 4 + 3, -1] += 2  # point 5, the nearest of four slices
    after = network(frames).points
    assert after[0, 5, 2] > 20 > before[0, 5, 2]
    torch.testing.assert_close(after[0, 6:], before[0, 6:])
    torch.testing.assert_close(after[0, :5], before[0, :5])


def test_depth_can_depend_on_the_whole_figure(tiny_size):
    network = Reconstructor(tiny_size, Stem(tiny_size), Lifter(tiny_size)).eval()
    frames = torch.rand(1, 64, 44, requires_grad=True)
    network(frames).volumes[0, 3, :, 0, 0].square().sum().backward()
    assert frames.grad[0, 60:, 40:].abs().sum() > 0
