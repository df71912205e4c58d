"""Collective operations of the processes of a training, with gradients; with one process they change nothing.

Each rank computes its loss so that the *mean over ranks* is the loss of the whole batch. Then DDP, which averages
gradients over ranks, gives the gradient of the whole batch: the backward pass of a sum over ranks sums the
gradients of all ranks, so each rank gets the effect of its rows on the losses of all others. All ranks must make
the same calls, so these functions do not fit an evaluation, where ranks may have unequal numbers of batches.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of processes of the training."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


class _Sum(torch.autograd.Function):
    """Sum over ranks of the values, and of the gradients in the backward pass."""

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
    """Rows of all ranks, (B, ...) -> (world_size * B, ...) in the order of ranks, with a gradient.

    All ranks must have equally many rows.
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
    """Largest of the ranks' numbers; ``device`` is that of this rank."""
    if world_size() == 1:
        return number
    largest = torch.tensor(number, device=device)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest)


def share_factors(counts: Tensor) -> Tensor:
    """Factors that turn means over unequal ``counts`` of terms into terms of one mean over all ranks.

    Args:
        counts: any shape, numbers of terms of this rank.

    Returns:
        Factors of the same shape, float32; 1 without other ranks.
    """
    if world_size() == 1:
        return torch.ones_like(counts, dtype=torch.float32)
    return world_size() * counts.float() / all_reduce_sum(counts).clamp(min=1)
