"""Checkpoints of stages that were not trained."""

from pathlib import Path

import lightning
import torch

from meshgait.stages.base import Stage


def save_checkpoint(stage: Stage, path: Path) -> Path:
    """Write what a training keeps of a stage, and make the folder; returns the path."""
    content = {"state_dict": stage.state_dict(), "pytorch-lightning_version": lightning.__version__}
    stage.on_save_checkpoint(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path
