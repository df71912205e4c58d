"""Convolution blocks that the branches share."""

from __future__ import annotations

from einops.layers.torch import Rearrange
from torch import Tensor, nn


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, batch norm: (N, inputs, H, W) -> (N, outputs, ceil(H / stride), ...)."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class ResidualBlock(nn.Module):
    """Basic residual block of two 3x3 convolutions (He et al., CVPR 2016).

    Args:
        inputs: channels in.
        outputs: channels out.
        stride: of the first convolution and, where shapes differ, of the 1x1 shortcut.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv_bn(inputs, outputs, 3, stride)
        self.second = conv_bn(outputs, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else conv_bn(inputs, outputs, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        return self.relu(self.second(self.relu(self.first(x))) + self.shortcut(x))


def residual_stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    """``blocks`` residual blocks, the first of which strides."""
    first = ResidualBlock(inputs, outputs, stride)
    return nn.Sequential(first, *(ResidualBlock(outputs, outputs) for _ in range(blocks - 1)))


class GlobalContext(nn.Module):
    """What a whole coarse map says, added back to every place of it: x + FC(x), both as vectors.

    A convolution sees a patch, while the depth of a limb depends on the whole figure.

    Args:
        channels: of the map.
        shape: (h, w) of the map.
        hidden: width of the vector in between.
    """

    def __init__(self, channels: int, shape: tuple[int, int], hidden: int) -> None:
        super().__init__()
        h, w = shape
        self.net = nn.Sequential(
            Rearrange("n c h w -> n (c h w)"),
            nn.Linear(channels * h * w, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, channels * h * w),
            Rearrange("n (c h w) -> n c h w", h=h, w=w),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape."""
        return x + self.net(x)
