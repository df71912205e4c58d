"""Finding the callbacks of a trainer by their class."""

from __future__ import annotations

from typing import TypeVar

from lightning import Callback, Trainer

C = TypeVar("C", bound=Callback)


def callbacks_of(trainer: Trainer, kind: type[C]) -> list[C]:
    """Callbacks of a trainer that are of a class, in their order."""
    return [callback for callback in trainer.callbacks if isinstance(callback, kind)]
