"""Optimisation of both stages: groups of parameters, and learning rates over the steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim.lr_scheduler import LambdaLR


class WarmupCosine:
    """Factor on the learning rate: linear rise over ``warmup`` of ``total`` steps, then a cosine to zero."""

    def __init__(self, total: int, warmup: float, milestones: Sequence[int] = ()) -> None:
        self.total, self.rise, self.milestones = total, max(1, round(total * warmup)), list(milestones)

    def __call__(self, step: int) -> float:
        """Factor at ``step``."""
        if step < self.rise:
            return (step + 1) / self.rise
        return self.decay_factor(step)

    def decay_factor(self, step: int) -> float:
        """Factor after the rise."""
        done = min(1.0, (step - self.rise) / max(1, self.total - self.rise))
        return 0.5 * (1 + math.cos(math.pi * done))


class WarmupSteps(WarmupCosine):
    """The same with a drop to a tenth at each milestone."""

    def decay_factor(self, step: int) -> float:
        """Factor after the rise."""
        return 0.1 ** sum(step >= milestone for milestone in self.milestones)


class Schedule(LambdaLR):
    """Learning rates that depend on the step and on the settings of this training alone.

    `LambdaLR` loads everything from a checkpoint, the rates included; a cosine would stay at zero after the steps
    of the first training. This one loads the step only, so that a training resumed with other settings follows
    them. With equal settings the rates are equal to the last bit.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue at the step of a checkpoint."""
        self.last_epoch, self._step_count = state_dict["last_epoch"], state_dict["_step_count"]
        self._last_lr = [
            rate * factor(self.last_epoch) for rate, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate


def decay_groups(
    module: nn.Module, weight_decay: float, decay_vectors: bool = False, **extra: float
) -> list[dict[str, Any]]:
    """Optimiser groups of the trainable parameters of ``module``: with weight decay, and without (vectors)."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    decay = weight_decay if decay_vectors else 0.0
    groups = (
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay, **extra},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": decay, **extra},
    )
    return [group for group in groups if group["params"]]
