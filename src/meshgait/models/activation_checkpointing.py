"""Less memory while training: maps are made again for the gradient instead of being kept.

Activation checkpointing (Chen et al., arXiv 1604.06174) by `torch.utils.checkpoint`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def enable_checkpointing(parts: Iterable[nn.Module]) -> None:
    """Let `maybe_checkpoint` keep only the inputs and outputs of these parts; their parameters stay."""
    for part in parts:
        part.recompute = True


def is_checkpointed(part: nn.Module) -> bool:
    """Whether `maybe_checkpoint` would now keep only inputs and outputs of this part."""
    return getattr(part, "recompute", False) and part.training and torch.is_grad_enabled()


def maybe_checkpoint(part: nn.Module, *inputs: Tensor, step: Callable[..., Any] | None = None) -> Any:  # noqa: ANN401
    """``part(*inputs)``; of a part marked by `enable_checkpointing` the gradient computes it a second time.

    Args:
        part: that computes.
        inputs: of it.
        step: what to compute with the part's parameters in place of its forward.
    """
    step = step or part
    if not is_checkpointed(part):
        return step(*inputs)
    return checkpoint(step, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _counted_once(part)))


@contextmanager
def _counted_once(part: nn.Module) -> Iterator[None]:
    """Batch norms normalise as in training, but leave their running statistics, which have this batch already."""
    norms = [module for module in part.modules() if isinstance(module, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:  # a synchronised one insists on a count
        norm.momentum, norm.num_batches_tracked = 0.0, norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
