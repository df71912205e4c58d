"""Less memory while training: maps are computed again for the gradient instead of being kept.

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

_MARK = "recompute"
"""Attribute of the modules that are checkpointed."""


def enable_checkpointing(parts: Iterable[nn.Module]) -> None:
    """Let `maybe_checkpoint` keep only the inputs and outputs of these parts; their parameters stay."""
    for part in parts:
        setattr(part, _MARK, True)


def is_checkpointed(part: nn.Module) -> bool:
    """Whether `maybe_checkpoint` would now keep only inputs and outputs of this part."""
    return getattr(part, _MARK, False) and part.training and torch.is_grad_enabled()


def maybe_checkpoint(part: nn.Module, *inputs: Tensor | None, step: Callable[..., Any] | None = None) -> Any:  # noqa: ANN401
    """``part(*inputs)``; for a part marked by `enable_checkpointing` the backward pass computes it again.

    Args:
        part: module to run.
        inputs: its inputs.
        step: function of the inputs to run in place of the part's forward, with the part's parameters.
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
    for norm, (_, count) in zip(norms, before, strict=True):  # a synchronised one insists on a count
        norm.momentum, norm.num_batches_tracked = 0.0, None if count is None else count.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
