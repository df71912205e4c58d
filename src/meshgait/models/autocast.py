"""Parts that compute in float32 while the network trains in half precision (16-mixed, bf16-mixed)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, cast

import torch
from torch import Tensor

F = TypeVar("F", bound=Callable[..., Tensor])


def full_precision(forward: F) -> F:
    """Decorate a module's ``forward``: it runs outside autocast, on inputs converted to float32."""

    @wraps(forward)
    def inside(module: object, first: Tensor, *others: Tensor) -> Tensor:
        if not torch.is_autocast_enabled(first.device.type):  # keeps all of this out of an exported graph
            return forward(module, first, *others)
        with torch.autocast(first.device.type, enabled=False):
            return forward(module, *(x.float() for x in (first, *others)))

    return cast(F, inside)  # whose signature is wider
