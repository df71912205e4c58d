"""State of an optimiser in a checkpoint, adapted to a training that resumes with other parameter groups."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import nn
from torch.optim import Optimizer

OPTIMIZER = "optimizer"
"""Key of a checkpoint: class of the optimiser, and the names of the parameters in each of its groups."""


def keep_own_settings(optimizer: Optimizer) -> None:
    """Make an optimiser load its state (moments) from a checkpoint, but keep its own settings (rates, decay)."""
    own = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    optimizer.register_load_state_dict_post_hook(partial(_put_back, own))


def _put_back(own: list[dict[str, Any]], optimizer: Optimizer) -> None:
    for group, settings in zip(optimizer.param_groups, own, strict=True):
        group.update(settings)


def optimizer_layout(module: nn.Module, kind: str, groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What an optimiser state belongs to: class of the optimiser, names of the parameters of each group."""
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    return {"class": kind, "groups": [[names.get(id(p), "") for p in group["params"]] for group in groups]}


def adapt_state(state: dict[str, Any], saved: dict[str, Any] | None, own: dict[str, Any]) -> dict[str, Any]:
    """State of an optimiser in the layout ``own``.

    Args:
        state: of a checkpoint.
        saved: its `optimizer_layout`; None in checkpoints of earlier versions.
        own: layout of the optimiser that will load it.

    Returns:
        ``state`` itself where the layouts are the same. Otherwise each parameter keeps its state if the
        optimiser is of the same class, and parameters without a state start with none.
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
