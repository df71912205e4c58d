"""What callbacks look up: other callbacks of the trainer, and the parts of a stage."""

from __future__ import annotations

from typing import TypeVar

from lightning import Callback, LightningModule, Trainer

from meshgait.models.lifter import Reconstructor
from meshgait.models.meshgait import MeshGait
from meshgait.stages.supervision import BodySupervision

C = TypeVar("C", bound=Callback)


def callbacks_of(trainer: Trainer, kind: type[C]) -> list[C]:
    """Callbacks of a trainer that are instances of a class, in their order."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning does not declare it
    return [callback for callback in callbacks if isinstance(callback, kind)]


def is_fast_dev_run(trainer: Trainer) -> bool:
    """Whether a trainer only tries a few batches, which leaves no files."""
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]  # Lightning does not declare it


def supervision_of(module: LightningModule) -> BodySupervision | None:
    """The 3D supervision of a stage; None if the stage has no 3D branch."""
    return getattr(module, "supervision", None)


def margin_of(module: LightningModule) -> float | None:
    """Margin of a stage's triplet loss; None if the stage has no such loss."""
    identity = getattr(module, "identity", None)
    return None if identity is None else identity.margin


def reconstructor_of(module: LightningModule) -> Reconstructor:
    """Stem and 3D branch of either stage."""
    network = module.network
    if isinstance(network, Reconstructor):
        return network
    assert isinstance(network, MeshGait)  # or there is no 3D branch
    return network.reconstructor()
