"""Random states of Python, NumPy and torch in checkpoints, for all code that draws from them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from lightning import Callback, LightningModule, Trainer


class RandomState(Callback):
    """Keeps the random states, so that a resumed training draws the same numbers as one without a break.

    Batches, frames and augmentation do not need it: they have random generators of their own.
    """

    def __init__(self) -> None:
        self._states: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        """States of all processes; tensors and plain numbers, so that it loads without code."""
        states = [_state()]
        if dist.is_available() and dist.is_initialized():
            states = [{} for _ in range(dist.get_world_size())]
            dist.all_gather_object(states, _state())
        return {"states": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep them until the set-up is done, which draws numbers as well."""
        self._states = state_dict["states"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the state of this process, once."""
        if trainer.global_rank < len(self._states):
            _restore(self._states[trainer.global_rank])
        self._states = []


def _state() -> dict[str, Any]:
    version, words, gauss = random.getstate()
    numbers = np.random.get_state()  # noqa: NPY002
    assert isinstance(numbers, tuple)  # a dict is for `legacy=False`
    name, keys, position, has_gauss, cached = numbers
    state = {
        "torch": torch.get_rng_state(),
        "python": [version, list(words), gauss],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), int(position), int(has_gauss), float(cached)],
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _restore(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"].cpu())
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))  # noqa: NPY002
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
