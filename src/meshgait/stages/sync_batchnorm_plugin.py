"""Synchronised batch norm as a plugin of the trainer, on GPUs and CPUs."""

from __future__ import annotations

from typing import cast

from lightning import LightningModule
from lightning.pytorch.plugins import TorchSyncBatchNorm
from torch import nn

from meshgait.models.sync_batchnorm import convert_sync_batchnorm, revert_sync_batchnorm


class SyncBatchNormPlugin(TorchSyncBatchNorm):
    """Synchronises batch norms over the processes of a DDP training; no effect on a single device.

    Uses torch's `SyncBatchNorm` on GPUs and `CpuSyncBatchNorm` on CPUs.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Synchronise."""
        trainer = cast(LightningModule, model).trainer  # the stage: Lightning declares any module
        if trainer.strategy.root_device.type != "cpu":
            return super().apply(model)
        convert_sync_batchnorm(model)
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Restore plain batch norms."""
        revert_sync_batchnorm(model)
        return super().revert(model)
