"""Batch norms over the batches of all processes on CPUs, where `torch.nn.SyncBatchNorm` (kernels of GPUs) refuses.

With them, training on several processes can be compared with training on one, on any machine.
"""

from __future__ import annotations

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from meshgait import distributed

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class CpuSyncBatchNorm(_BatchNorm):
    """Batch norm with the mean and variance of all ranks' batches, in float32.

    Attributes:
        plain: the class that the norm had before.
    """

    plain: type[nn.Module]
    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any shape: one class takes the place of norms of all dimensions."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> the same shape; N may differ among ranks."""
        if not self.training or distributed.world_size() == 1:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return self._normalised(x.float()).to(x.dtype)

    def _normalised(self, x: Tensor) -> Tensor:
        around = f"c -> c {'1 ' * (x.ndim - 2)}"
        count = distributed.all_reduce_sum(x.new_tensor(x.numel() // x.shape[1]))
        mean = distributed.all_reduce_sum(reduce(x, "n c ... -> c", "sum")) / count
        centred = x - rearrange(mean, around)
        variance = distributed.all_reduce_sum(reduce(centred.square(), "n c ... -> c", "sum")) / count
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1).clamp(min=1), self.momentum)
        gain = self.weight * (variance + self.eps).rsqrt()
        return centred * rearrange(gain, around) + rearrange(self.bias, around)


def convert_sync_batchnorm(network: nn.Module) -> None:
    """Make the batch norms of a network `CpuSyncBatchNorm`, in place: weights, modes and names stay."""
    for norm in network.modules():
        if type(norm) in PLAIN:
            # torch's lazy modules change their class in the same way; parts and optimisers keep what they hold
            plain = type(norm)
            _change_class(norm, CpuSyncBatchNorm)
            assert isinstance(norm, CpuSyncBatchNorm)
            norm.plain = plain


def revert_sync_batchnorm(network: nn.Module) -> None:
    """Undo `convert_sync_batchnorm`."""
    for norm in network.modules():
        if isinstance(norm, CpuSyncBatchNorm):
            plain = norm.plain
            del norm.plain
            _change_class(norm, plain)


def _change_class(norm: nn.Module, target: type[nn.Module]) -> None:
    norm.__class__ = target
