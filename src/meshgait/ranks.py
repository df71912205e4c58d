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


def world() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is."""
    return dist.get_rank() if world() > 1 else 0


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


def total(values: Tensor) -> Tensor:
    """Sum over ranks, with a gradient."""
    return values if world() == 1 else _Sum.apply(values)


def gather(rows: Tensor) -> Tensor:
    """Rows of all ranks, (B, ...) -> (world B, ...) in the order of ranks, with a gradient.

    All ranks must have equally many, as their shares of a training batch are.
    """
    if world() == 1:
        return rows
    slots = [torch.zeros_like(rows)] * world()
    slots[rank()] = rows
    return total(torch.cat(slots))


def mean(values: Tensor) -> Tensor:
    """Mean over ranks, without a gradient."""
    return values.detach() if world() == 1 else total(values.detach()) / world()


def most(number: int, device: torch.device) -> int:
    """Largest of the ranks' numbers; ``device`` is the one they talk from."""
    if world() == 1:
        return number
    largest = torch.tensor(number, device=device)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest)


def shares(counts: Tensor) -> Tensor:
    """Factors that make the mean over ranks of means over ``counts`` terms the mean over the terms of all ranks.

    Args:
        counts: any shape, numbers of terms of this rank.

    Returns:
        Factors of the same shape, float32; 1 without other ranks.
    """
    if world() == 1:
        return torch.ones_like(counts, dtype=torch.float32)
    return world() * counts.float() / total(counts).clamp(min=1)
