import pytest
import torch

from meshgait.models.backbone import Stem, Trunk, as_images
from meshgait.models.size import NetworkSize


@pytest.mark.parametrize("frame", [(64, 44), (128, 88)])
@pytest.mark.parametrize("strides", [(1, 1, 2, 2, 1), (2, 1, 2, 1, 1), (2, 2, 1, 1, 1)])
def test_shapes(frame, strides):
    size = NetworkSize(frame, (4, 6, 8, 10), strides, volume_stride=4)
    frames = torch.rand(2, *frame)
    early = Stem(size)(as_images(frames))
    stride = strides[0] * strides[1]
    assert early.shape == (2, 4, frame[0] // stride, frame[1] // stride)
    assert Trunk(size)(early, torch.ones(1, 2, dtype=torch.bool)).shape == (2, 10, frame[0] // 4, frame[1] // 4)


def test_images_are_the_frames():
    frames = torch.rand(3, 8, 6)
    images = as_images(frames)
    assert images.shape == (3, 1, 8, 6)
    assert torch.equal(images[:, 0], frames)


def test_blocks_deepen_a_stage():
    size = NetworkSize(channels=(4, 4, 4, 4), blocks=(1, 4, 4, 1))
    assert [len(stage) for stage in Trunk(size)] == [4, 4, 1]
    assert len(Stem(size).stage) == 1
