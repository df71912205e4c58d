"""Settings of a run: kept in its folder, its loggers and its checkpoints, and compared when it goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.cli import SaveConfigCallback

from meshgait.callbacks.lookup import callbacks_of
from meshgait.callbacks.metrics_file import provenance
from meshgait.errors import ConfigError
from meshgait.messages import note
from meshgait.renamed_settings import renamed_settings
from meshgait.run_folder import RunFolder
from meshgait.textfiles.yaml_text import parse_yaml

CONFIG = "config"
"""Key of a checkpoint: the resolved configuration that it was trained with, as YAML."""

WITHOUT_EFFECT = {
    "ckpt_path", "weights_only", "wandb", "project", "pictures", "threads", "checkpoint_every",
    "trainer.default_root_dir", "trainer.logger", "trainer.enable_progress_bar", "trainer.log_every_n_steps",
    "trainer.devices", "trainer.accelerator", "trainer.num_nodes",
}  # fmt: skip
"""Settings that do not change what is learnt."""

KEPT = {"model.pretrained": "weights", "seed_everything": "random numbers"}
"""Settings that a resumed training takes from its checkpoint in any case; ``config.yaml`` keeps the old values."""

FIXED = ("optimizer.", "lr_scheduler.")
"""Optimisers and schedules given in place of the stage's own: their whole state is in the checkpoint."""

MOST = 6
"""Changes that a message names at most."""

LONG = 100
"""Letters; longer values are left out of a message."""


class SaveConfig(SaveConfigCallback):
    """Writes the resolved configuration to ``config.yaml`` in the run folder when a training starts.

    Checkpoints hold it too, so that a resumed training can report which settings have changed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._before: dict[str, Any] | None = None
        self._patience: list[tuple[EarlyStopping, int]] = []

    @property
    def text(self) -> str:
        """The configuration as YAML."""
        return self.parser.dump(self.config, skip_none=False)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log the settings of runs that do not train; remember what a checkpoint would replace."""
        self._patience = [(c, c.patience) for c in callbacks_of(trainer, EarlyStopping)]
        if stage != "fit" and trainer.is_global_zero:
            self._log_settings(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the configuration."""
        checkpoint[CONFIG] = self.text

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Remember the settings of the checkpoint.

        Raises:
            ConfigError: a setting differs that must be that of the checkpoint.
        """
        if trainer.state.fn != "fit" or not isinstance(checkpoint.get(CONFIG), str):
            return
        try:
            self._before = flat(renamed_settings(parse_yaml(checkpoint[CONFIG]))[0])
        except yaml.YAMLError as error:
            raise ConfigError(
                f"the checkpoint's own settings cannot be read ({' '.join(str(error).split())[:120]})",
                "it was changed or is damaged, go on from another one",
            ) from error
        other = [name for name in self._changes() if f"{name}.".startswith(FIXED)]
        if other:
            raise ConfigError(
                f"{', '.join(other[:MOST])} cannot change in a training that goes on: state and rates of such "
                "classes are those of the checkpoint",
                "give the same, or train in another trainer.default_root_dir",
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file (rank 0 only), and report settings that have changed."""
        for callback, patience in self._patience:
            callback.patience = patience
        if not trainer.is_global_zero:
            return
        changes = {} if self._before is None else self._changes()
        for name in KEPT.keys() & changes.keys():
            self.config[name.replace("model.", "model.init_args.")] = changes[name][0]
        RunFolder(Path(trainer.default_root_dir)).write_config(self.text)
        self._log_settings(trainer, pl_module)
        if changes:
            note(describe(trainer, changes))

    def _log_settings(self, trainer: Trainer, module: LightningModule) -> None:
        for logger in trainer.loggers:
            logger.log_hyperparams({**parse_yaml(self.text), "run": provenance(trainer, module)})

    def _changes(self) -> dict[str, tuple[Any, Any]]:
        """(before, now) of the settings that have an effect and have changed."""
        now, before = flat(parse_yaml(self.text)), self._before or {}
        names = [name for name in {**now, **before} if name not in WITHOUT_EFFECT]
        return {n: (before.get(n), now.get(n)) for n in names if before.get(n) != now.get(n)}


def describe(trainer: Trainer, changes: Mapping[str, tuple[Any, Any]]) -> str:
    """Message: which settings have changed, which are kept from the checkpoint, and the learning rate now."""
    done = [
        name if len(f"{now}{was}") > LONG else f"{name} {now} (was {was})"
        for name, (was, now) in changes.items()
        if name not in KEPT
    ]
    more = f" and {len(done) - MOST} more" if len(done) > MOST else ""
    kept = [f"{what} (not {name} {changes[name][1]})" for name, what in KEPT.items() if name in changes]
    parts = [f"{', '.join(done[:MOST])}{more}"] if done else []
    rates = [group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups]
    total = trainer.lightning_module.total_steps
    if done and rates and total:
        parts.append(
            f"the learning rate follows these settings, at step {trainer.global_step} of {total} it is "
            f"{max(rates):.3g}"
        )
    elif done and rates:  # the optimiser or the schedule is not the stage's own
        parts.append(
            f"optimizer and lr_scheduler go on as the checkpoint has them, at step {trainer.global_step} the "
            f"learning rate is {max(rates):.3g}"
        )
    if kept:
        parts.append(f"the checkpoint's own {' and '.join(kept)} are kept")
    return f"the training goes on with other settings than before: {'; '.join(parts)}"


def flat(content: object, name: str = "") -> dict[str, Any]:
    """Settings by their names on the command line, which have no ``init_args``."""
    return dict(_flat(content, name))


def _flat(content: object, name: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(content, dict) or not content:
        yield name, content
        return
    for key, value in content.items():
        yield from _flat(value, name if key == "init_args" else f"{name}.{key}".lstrip("."))
