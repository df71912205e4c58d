"""Base of the callbacks that draw pictures while training: when they draw, into which folder, for which logger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from meshgait.atomic import atomic_file
from meshgait.callbacks.best_effort import best_effort
from meshgait.callbacks.lookup import is_fast_dev_run
from meshgait.errors import ConfigError
from meshgait.run_folder import RunFolder


class Pictures(Callback, ABC):
    """Base class: a subclass draws in `draw` and saves each file by `keep`.

    Args:
        every: number of validations from one drawing to the next; the last one of a fit is always drawn.
    """

    def __init__(self, every: int = 1) -> None:
        if every < 1:
            raise ConfigError(
                f"every is {every}", "it is the number of validations from one drawing to the next, at least 1"
            )
        self.every, self._count = every, 0

    def state_dict(self) -> dict[str, Any]:
        """Validations so far, so that a resumed fit draws at the same validations."""
        return {"count": self._count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self._count = state_dict["count"]

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw if it is due, in the first process only."""
        if trainer.sanity_checking or is_fast_dev_run(trainer) or not trainer.is_global_zero:
            return
        self._count += 1
        if self._count % self.every == 0 or is_last_validation(trainer):
            self.draw(trainer, pl_module)

    @abstractmethod
    def draw(self, trainer: Trainer, module: LightningModule) -> None:
        """Draw pictures of the last validation and `keep` them."""

    def keep(self, trainer: Trainer, kind: str, suffix: str, write: Callable[[Path], object]) -> Path | None:
        """Write ``pictures/KIND-STEP.SUFFIX`` and log pictures to W&B; None if the file cannot be written.

        Args:
            trainer: of the training.
            kind: of the picture.
            suffix: png and gif are logged to W&B, other files are in the folder only.
            write: function that writes the file at a path.
        """
        root, step = Path(trainer.default_root_dir), trainer.global_step
        path = RunFolder(root).pictures / f"{kind}-{step:06d}.{suffix}"
        written = False
        with best_effort(root, "pictures"):
            with atomic_file(path) as temporary:
                write(temporary)
            written = True
            for logger in wandb_loggers(trainer):
                if suffix == "png":
                    logger.log_image(f"pictures/{kind}", [str(path)], step)
                elif suffix == "gif":
                    logger.log_video(f"pictures/{kind}", [str(path)], step, format=["gif"])
        return path if written else None


def wandb_loggers(trainer: Trainer) -> list[WandbLogger]:
    """Loggers of the trainer that take pictures."""
    return [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]


def is_last_validation(trainer: Trainer) -> bool:
    """Whether the fit ends before another validation."""
    if trainer.state.fn != "fit":
        return True
    epochs, steps = trainer.max_epochs, trainer.max_steps
    out_of_steps = steps is not None and 0 <= steps <= trainer.global_step
    pause = trainer.check_val_every_n_epoch or 1
    last_epoch = epochs is not None and 0 <= epochs < trainer.current_epoch + 1 + pause
    rest = trainer.num_training_batches - trainer.fit_loop.epoch_loop.batch_idx - 1
    pause_in_epoch = trainer.val_check_batch
    return (
        trainer.should_stop or out_of_steps or (last_epoch and (pause_in_epoch is None or rest < pause_in_epoch))
    )
