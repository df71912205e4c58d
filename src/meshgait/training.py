"""LightningCLI of the stages: typed YAML and arguments in, a run folder out."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentError
from lightning import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from meshgait.callbacks.embeddings_file import EmbeddingsFile
from meshgait.callbacks.evaluate import RetrievalEvaluation
from meshgait.callbacks.metrics_file import MetricsFile
from meshgait.callbacks.panels import HeatmapPanels
from meshgait.callbacks.progress import progress_callback
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.errors import ConfigError, MeshGaitError, OutputError
from meshgait.stages.base import read_checkpoint

QUIET = (
    ".*LightningCLI's args parameter",  # we pass the arguments on ourselves
    ".*does not have many workers",  # memory-mapped stores seldom need any
    ".*isinstance.treespec, LeafSpec",  # of torch, within lightning
    ".*smaller than the logging interval",
    ".*ckpt_path=.last. is set, but there is no last checkpoint",  # the first run of a resumable command
    ".*Checkpoint directory .* exists and is not empty",  # a resumed one
    ".*in eval mode at the start of training",  # parts that are kept frozen
)
"""Warnings of libraries that tell a user nothing to act on."""


SCAFFOLDING = re.compile(
    r"Does not validate against|Subtypes:|^Errors:|NoneType|Given value|Problem with given class_path"
    r'|Parser key "(model|data|trainer)":'
)
"""Lines of jsonargparse's reports that surround the one that says what is wrong."""


class SaveConfig(SaveConfigCallback):
    """The resolved configuration as ``config.yaml`` in the run folder."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write it once, by rank 0, for runs that train."""
        if trainer.is_global_zero and stage == "fit" and not trainer.fast_dev_run:
            folder = Path(trainer.default_root_dir)
            folder.mkdir(parents=True, exist_ok=True)
            self.parser.save(self.config, folder / "config.yaml", skip_none=False, overwrite=True, multifile=False)


class MeshGaitCLI(LightningCLI):
    """LightningCLI with the class count linked to the data, and the callbacks every run has."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Options besides trainer, model and data."""
        parser.add_argument("--wandb", default="offline", type=str, help="offline, online or disabled")
        parser.add_argument("--project", default="mesh-gait", type=str, help="W&B project")
        parser.add_argument("--threads", default=0, type=int, help="CPU threads of torch; 0 leaves its default")
        parser.link_arguments("data.num_subjects", "model.init_args.num_subjects", apply_on="instantiate")

    def parse_arguments(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Parse, and find out first of all whether there is a checkpoint to go on from and it can be read."""
        super().parse_arguments(*args, **kwargs)
        verb = self.config.subcommand
        path = self.config[verb].get("ckpt_path")
        if not path and verb != "fit":
            raise ConfigError(f"{verb} without weights says nothing; give --ckpt_path RUN/checkpoints/last.ckpt")
        if path and path not in ("best", "last", "hpc"):  # words that Lightning looks up itself
            read_checkpoint(path)

    def before_instantiate_classes(self) -> None:
        """Threads, before anything computes."""
        threads = self._get(self.config, "threads")
        if threads:
            torch.set_num_threads(threads)
        if self._get(self.config, "wandb") not in ("offline", "online", "disabled"):
            raise ConfigError(f"--wandb is {self._get(self.config, 'wandb')!r}; use offline, online or disabled")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:  # noqa: ANN401
        """Trainer with the run folder's logger and our callbacks, unless the configuration names others."""
        _ = self.datamodule.split  # data errors show before a logger or a run folder is made
        settings = self._get(self.config_init, "trainer", default={})
        root = Path(settings.get("default_root_dir") or "runs/unnamed")
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{root} cannot be made ({error.strerror}); set trainer.default_root_dir to a folder you own"
            ) from error
        kwargs.setdefault("default_root_dir", str(root))
        given = list(settings.get("callbacks") or [])
        if settings.get("logger") is None:
            mode, project = self._get(self.config, "wandb"), self._get(self.config, "project")
            kwargs["logger"] = make_logger(root, mode, project)
        own = default_callbacks(root, self.datamodule, logs=bool(kwargs.get("logger", settings.get("logger"))))
        kwargs["callbacks"] = given + [c for c in own if type(c) not in map(type, given)]
        return super().instantiate_trainer(**kwargs)


def default_callbacks(root: Path, data: LightningDataModule, logs: bool) -> list[Callback]:
    """Callbacks of every run: progress, checkpoint of each epoch, evaluation, pictures, figures, embeddings."""
    callbacks: list[Callback] = [
        progress_callback(),
        # one file, replaced after each epoch; `save_last` alone would write it at the very end of a fit only,
        # and a version counter would write a new one beside that of an earlier fit, unnoticed by later stages
        ModelCheckpoint(
            dirpath=root / "checkpoints",
            filename=ModelCheckpoint.CHECKPOINT_NAME_LAST,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
        HeatmapPanels(),
        MetricsFile(),
    ]
    if logs:  # the monitor refuses to run without a logger
        callbacks.append(LearningRateMonitor("step"))
    if isinstance(data, SilhouetteDataModule):
        callbacks += [RetrievalEvaluation(), EmbeddingsFile()]
    return callbacks


def make_logger(root: Path, mode: str, project: str) -> WandbLogger | bool:
    """W&B logger that writes to the run folder; offline unless asked otherwise, nothing at all if disabled."""
    if mode == "disabled":
        return False
    return WandbLogger(name=root.name, save_dir=str(root), project=project, offline=mode == "offline")


def run(argv: Sequence[str]) -> int:
    """Run one of fit, validate, test, predict.

    Raises:
        ConfigError: the configuration has an unknown key or a value of the wrong type.
    """
    for part in ("pytorch", "fabric"):
        logging.getLogger(f"lightning.{part}").setLevel(logging.WARNING)
    for text in QUIET:
        warnings.filterwarnings("ignore", message=text)
    try:
        MeshGaitCLI(
            args=list(argv),
            save_config_callback=SaveConfig,
            seed_everything_default=0,
            parser_kwargs={"parser_mode": "omegaconf+", "exit_on_error": False},
            trainer_defaults={
                "enable_progress_bar": sys.stdout.isatty(),
                "enable_model_summary": False,
                "use_distributed_sampler": False,
                "num_sanity_val_steps": 0,
                "accelerator": "auto",
            },
        )
    except MisconfigurationException as error:
        raise ConfigError(f"{error}; change the trainer's settings") from error
    except (ArgumentError, ValueError) as error:
        own = _own_error(error)
        if own is None and not isinstance(error, ArgumentError):
            raise
        raise own or _plain(error) from error
    return 0


def _own_error(error: BaseException | None) -> MeshGaitError | None:
    """Our own error among the causes of one: jsonargparse wraps what a constructor raises."""
    while error is not None and not isinstance(error, MeshGaitError):
        error = error.__cause__ or error.__context__
    return error


def _plain(error: ArgumentError) -> ConfigError:
    """What a user can act on of jsonargparse's report, on one line."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    telling = [line for line in lines if not SCAFFOLDING.search(line)] or lines[:1]
    return ConfigError(f"{' '.join(telling)[:300]}; `--print_config` shows all settings")
