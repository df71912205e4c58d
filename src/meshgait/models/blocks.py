"""Convolution blocks that the branches share."""

from __future__ import annotations

import torch
from einops import rearrange
from einops.layers.torch import Rearrange
from torch import Tensor, nn

from meshgait.models.activation_checkpointing import maybe_checkpoint
from meshgait.models.pooling import blank_padding


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, batch norm: (N, inputs, H, W) -> (N, outputs, ceil(H / stride), ...)."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class TimeConvolution(nn.Module):
    """Convolution over three successive frames at each place, batch norm: (B T, C, H, W) -> the same shape.

    The temporal half of a pseudo-3D block (Qiu et al., ICCV 2017). Frames beside a sequence, padding included,
    count as zeros, so that an embedding does not depend on what else is in the batch.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Maps (B T, C, H, W) of the frames of mask (B, T)."""
        # channels last per frame is channels last in 3D too, so nothing is copied
        clip = rearrange(blank_padding(x, mask), "(b t) c h w -> b c t h w", b=mask.shape[0])
        return self.norm(rearrange(self.conv(clip), "b c t h w -> (b t) c h w"))


class ResidualBlock(nn.Module):
    """Basic residual block of two 3x3 convolutions (He et al., CVPR 2016), or its pseudo-3D form.

    In the pseudo-3D form, what three successive frames say is added between the two convolutions, as in DeepGaitV2
    (Fan et al., arXiv 2303.03301).

    Args:
        inputs: channels in.
        outputs: channels out.
        stride: of the first convolution and, where shapes differ, of the 1x1 shortcut.
        pseudo_3d: whether there is a convolution over time.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, pseudo_3d: bool = False) -> None:
        super().__init__()
        self.first = conv_bn(inputs, outputs, 3, stride)
        self.time = TimeConvolution(outputs) if pseudo_3d else None
        self.second = conv_bn(outputs, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else conv_bn(inputs, outputs, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B T, inputs, H, W) -> (B T, outputs, H / stride, W / stride); mask (B, T) for a pseudo-3D block."""
        hidden = self.relu(self.first(x))
        if self.time is not None:
            # not in place: the convolution over time keeps its input for the gradient
            hidden = (hidden + self.time(hidden, mask)).relu_()
        return self.relu(self.second(hidden) + self.shortcut(x))


class ResidualStage(nn.Sequential):
    """Residual blocks one after the other, the first with a stride.

    Args:
        inputs: channels in.
        outputs: channels out.
        blocks: how many blocks.
        stride: of the first.
        pseudo_3d: whether the blocks look at successive frames.
    """

    def __init__(self, inputs: int, outputs: int, blocks: int, stride: int, pseudo_3d: bool = False) -> None:
        first = ResidualBlock(inputs, outputs, stride, pseudo_3d)
        rest = (ResidualBlock(outputs, outputs, pseudo_3d=pseudo_3d) for _ in range(blocks - 1))
        super().__init__(first, *rest)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B T, inputs, H, W) -> (B T, outputs, H / stride, W / stride); mask (B, T) for pseudo-3D blocks."""
        for block in self:
            x = maybe_checkpoint(block, x, mask)
        return x


class GlobalContext(nn.Module):
    """Global context of a coarse map, added back at every place: x + FC(x), the map as one vector.

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


def multiply_per_frame(weight: Tensor, maps: Tensor) -> Tensor:
    """(o, c) times each of (n, c, x) -> (n, o, x), contiguous.

    A plain product would fold n into x and transpose the result: one more pass over a volume.
    """
    return torch.bmm(weight.expand(maps.shape[0], -1, -1).to(maps.dtype), maps)
