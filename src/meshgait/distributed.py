"""What the processes of a training on several devices tell each other; a process alone hears itself.

A loss that each rank computes so that the *mean over ranks* is the loss of the whole batch has the whole batch's
gradient: DDP averages gradients over ranks, and sums over ranks, which sum gradients on their way back, bring each
rank what its rows do to the losses of all others. Every rank must call these alike, so they have no place in an
evaluation, where one may have a batch more than another.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is."""
    return dist.get_rank() if world_size() > 1 else 0


class _Sum(torch.autograd.Function):
    """Sum over ranks, of values forwards and of gradients backwards."""

    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:
        values = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return _Sum.apply(gradient)


def all_reduce_sum(values: Tensor) -> Tensor:
    """Sum over ranks, with a gradient."""
    return values if world_size() == 1 else _Sum.apply(values)


def all_gather(rows: Tensor) -> Tensor:
    """Rows of all ranks, (B, ...) -> (world B, ...) in the order of ranks, with a gradient.

    All ranks must have equally many, as their shares of a training batch are.
    """
    if world_size() == 1:
        return rows
    slots = [torch.zeros_like(rows)] * world_size()
    slots[rank()] = rows
    return all_reduce_sum(torch.cat(slots))


def all_reduce_mean(values: Tensor) -> Tensor:
    """Mean over ranks, without a gradient."""
    return values.detach() if world_size() == 1 else all_reduce_sum(values.detach()) / world_size()


def all_reduce_max(number: int, device: torch.device) -> int:
    """Largest of the ranks' numbers; ``device`` is the one they talk from."""
    if world_size() == 1:
        return number
    largest = torch.tensor(number, device=device)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest)


def share_factors(counts: Tensor) -> Tensor:
    """Factors that make the mean over ranks of means over ``counts`` terms the mean over the terms of all ranks.

    Args:
        counts: any shape, numbers of terms of this rank.

    Returns:
        Factors of the same shape, float32; 1 without other ranks.
    """
    if world_size() == 1:
        return torch.ones_like(counts, dtype=torch.float32)
    return world_size() * counts.float() / all_reduce_sum(counts).clamp(min=1)
