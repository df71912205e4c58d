"""The DataModule of a trainer by its own type, which Lightning does not declare."""

from __future__ import annotations

from lightning import Trainer

from meshgait.data.datamodule import BodyDataModule, SilhouetteDataModule


def datamodule_of(trainer: Trainer) -> SilhouetteDataModule | BodyDataModule:
    """The DataModule that a trainer is used with."""
    return trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it without declaring it


def silhouettes_of(trainer: Trainer) -> SilhouetteDataModule:
    """The same where identities are evaluated, which only silhouette sequences have."""
    return trainer.datamodule  # type: ignore[attr-defined]  # as above
