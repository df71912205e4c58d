"""Optimisation of both stages: groups of parameters, learning rates over the steps, and how both go on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from lightning import Trainer
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

OPTIMIZER = "optimizer"
"""Key of a checkpoint: class of the optimiser, and the names of the parameters in each of its groups."""

EPOCH_STEPS = "epoch_steps"
"""Key of a checkpoint: optimiser steps an epoch."""


def epoch_steps(trainer: Trainer) -> float:
    """Optimiser steps an epoch; infinite where an epoch has no end."""
    batches = trainer.num_training_batches
    return math.ceil(batches / trainer.accumulate_grad_batches) if math.isfinite(batches) else math.inf


def progress(checkpoint: dict[str, Any]) -> dict[str, int] | None:
    """Steps, epochs, batches of the open epoch and steps an epoch of a checkpoint; None if it does not say."""
    try:
        loops = checkpoint["loops"]["fit_loop"]
        return {
            "steps": checkpoint["global_step"],
            "epochs": loops["epoch_progress"]["current"]["processed"],
            "batches": loops["epoch_loop.batch_progress"]["current"]["processed"],
            "epoch_steps": checkpoint[EPOCH_STEPS],
        }
    except KeyError:
        return None


def total_steps(trainer: Trainer, gone: dict[str, int] | None) -> float:
    """Steps of a whole training; of one that goes on with longer or shorter epochs, those done and those to come.

    Args:
        trainer: of the training.
        gone: `progress` of the checkpoint that it goes on from.
    """
    total = trainer.estimated_stepping_batches
    if gone is None or not math.isfinite(total) or gone["epoch_steps"] == (own := epoch_steps(trainer)):
        return total
    most = math.inf if trainer.max_steps == -1 else trainer.max_steps
    if trainer.max_epochs in (None, -1):
        return most
    in_epoch = min(own, gone["batches"] // trainer.accumulate_grad_batches)
    return min(most, gone["steps"] + max(0, trainer.max_epochs - gone["epochs"]) * own - in_epoch)


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

    torch's own takes everything from a checkpoint: the rates and, with them, the number of steps, after which a
    cosine stays at zero. This one takes the step, so that a training that goes on with other settings follows
    them; with equal settings the rates are the same to the last bit.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on at the step of a checkpoint."""
        self.last_epoch, self._step_count = state_dict["last_epoch"], state_dict["_step_count"]
        self._last_lr = [
            rate * factor(self.last_epoch) for rate, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate


def keep_settings(optimizer: Optimizer) -> None:
    """Let an optimiser take what it has learnt from a checkpoint, but none of its settings."""
    own = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    optimizer.register_load_state_dict_post_hook(partial(_put_back, own))


def _put_back(own: list[dict[str, Any]], optimizer: Optimizer) -> None:
    for group, settings in zip(optimizer.param_groups, own, strict=True):
        group.update(settings)


def decay_groups(
    module: nn.Module, weight_decay: float, decay_vectors: bool = False, **extra: float
) -> list[dict[str, Any]]:
    """Optimiser groups of the trainable parameters of ``module``: with decay, and without (vectors)."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    decay = weight_decay if decay_vectors else 0.0
    groups = (
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay, **extra},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": decay, **extra},
    )
    return [group for group in groups if group["params"]]


def layout(module: nn.Module, kind: str, groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What tells whose state an optimiser's is: its class, and the names of the parameters of each group."""
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    return {"class": kind, "groups": [[names.get(id(p), "") for p in group["params"]] for group in groups]}


def fitted_state(state: dict[str, Any], saved: dict[str, Any] | None, own: dict[str, Any]) -> dict[str, Any]:
    """State of an optimiser as one of the layout ``own`` can load it.

    Args:
        state: of a checkpoint.
        saved: its `layout`; None in checkpoints of earlier versions.
        own: that of the optimiser that is to go on.

    Returns:
        ``state`` itself where the layouts are the same. Otherwise each parameter keeps what an optimiser of the
        same class has learnt for it, and begins with nothing where there is none.
    """
    if saved == own:
        return state
    counts = [len(group["params"]) for group in state["param_groups"]]
    if saved is None and counts == [len(group) for group in own["groups"]]:
        return state
    known: dict[str, Any] = {}
    if saved is not None and saved["class"] == own["class"]:
        places = [place for group in state["param_groups"] for place in group["params"]]
        names = [name for group in saved["groups"] for name in group]
        known = {name: state["state"][p] for name, p in zip(names, places, strict=True) if p in state["state"]}
    groups: list[dict[str, list[int]]] = []
    kept: dict[int, Any] = {}
    place = 0
    for group in own["groups"]:
        groups.append({"params": list(range(place, place + len(group)))})
        kept |= {place + i: known[name] for i, name in enumerate(group) if name in known}
        place += len(group)
    return {"state": kept, "param_groups": groups}
