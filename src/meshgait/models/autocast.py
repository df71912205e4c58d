"""Islands of single precision in a network that is trained in half (trainer.precision 16-mixed, bf16-mixed)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import torch
from torch import Tensor

F = TypeVar("F", bound=Callable)


def full_precision(forward: F) -> F:
    """A module's ``forward`` that leaves autocast, with what comes in half precision made single."""

    @wraps(forward)
    def inside(module: object, first: Tensor, *others: Tensor) -> Tensor:
        if not torch.is_autocast_enabled(first.device.type):  # nothing of this is in an exported graph
            return forward(module, first, *others)
        with torch.autocast(first.device.type, enabled=False):
            return forward(module, *(x.float() for x in (first, *others)))

    return inside
