"""LightningCLI of the stages: typed YAML and arguments in, a run folder out."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from jsonargparse import ArgumentError
from lightning import Callback, LightningDataModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins.io import CheckpointIO
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from meshgait.admission import UNREADABLE, admit, refusal, with_paths, without_flag
from meshgait.callbacks.checkpoints import (
    AtomicCheckpointIO,
    LastCheckpoint,
    last_path,
    previous_path,
    rename_damaged,
)
from meshgait.callbacks.collapse import CollapseAlarm
from meshgait.callbacks.embeddings_file import EmbeddingsFile
from meshgait.callbacks.evaluate import RetrievalEvaluation
from meshgait.callbacks.evaluation_file import EvaluationFile
from meshgait.callbacks.history import HistoryFile
from meshgait.callbacks.lookup import callbacks_of, is_fast_dev_run
from meshgait.callbacks.metrics_file import MetricsFile
from meshgait.callbacks.non_finite import StopOnNonFinite
from meshgait.callbacks.panels import HeatmapPanels
from meshgait.callbacks.preemption import StopOnSignal
from meshgait.callbacks.progress import progress_callback
from meshgait.callbacks.random_state import RandomState
from meshgait.callbacks.recognition import RecognitionPictures
from meshgait.callbacks.settings import SaveConfig
from meshgait.callbacks.tracking import RunIdentity, WandbRun, run_id_of
from meshgait.callbacks.walk_animation import WalkAnimation
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.errors import ConfigError, DataError, MeshGaitError, OutputError
from meshgait.experiment_parser import PARSER_MODE, prepare_parsing
from meshgait.lock import in_use_by_training, lock_folder, unlock_folder
from meshgait.messages import warn
from meshgait.run_folder import RunFolder
from meshgait.stages.checkpoint import Checkpoint, read_training_checkpoint, restore_fault
from meshgait.stages.sync_batchnorm_plugin import SyncBatchNormPlugin
from meshgait.textfiles.reading import MOST_YAML_BYTES, TextFile

QUIET = (
    ".*LightningCLI's args parameter",  # we pass the arguments ourselves
    ".*does not have many workers",  # memory-mapped stores seldom need workers
    ".*isinstance.treespec, LeafSpec",  # a deprecation of torch, used in lightning
    ".*smaller than the logging interval",
    r".*ckpt_path=.last.\)? is set, but there is no last checkpoint",  # the first run of a resumable command
    ".*Checkpoint directory .* exists and is not empty",  # a resumed one
    ".*in eval mode at the start of training",  # parts that are kept frozen
    ".*The dirpath has changed from",  # evaluation in another run folder
    ".*callbacks used to create the checkpoint need to be provided",  # those of a fit, in an evaluation
    ".*AMP with fp16 is not supported on CPU",  # we say so ourselves
    ".*resuming from a checkpoint that ended before the epoch ended",  # our samplers go on with the next batch
)
"""Warnings of libraries that need no action of the user."""

LOCKS: list[FileLock] = []
"""Locks of the run folder that this process trains in."""

PATIENCE = 3.0
"""Seconds to wait for the lock: a training that was just killed may take a moment to end."""

SCAFFOLDING = re.compile(
    r"Does not validate against|Subtypes:|^Errors:|NoneType|Given value|Problem with given class_path"
    r'|Parser key "(model|data|trainer)":'
)
"""Lines of jsonargparse's reports that do not say what is wrong."""


class MeshGaitCLI(LightningCLI):
    """LightningCLI with the number of classes linked to the data, and the callbacks of every run."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Options besides trainer, model and data."""
        parser.add_argument("--wandb", default="offline", type=str, help="offline, online or disabled")
        parser.add_argument("--project", default="mesh-gait", type=str, help="W&B project")
        parser.add_argument(
            "--pictures",
            default=1,
            type=int,
            help="validations from one drawing to the next (0: no pictures)",
        )
        parser.add_argument(
            "--checkpoint_every", default=0, type=int, help="steps between checkpoints within an epoch (0: none)"
        )
        parser.add_argument("--threads", default=0, type=int, help="CPU threads of torch; 0 leaves its default")
        parser.link_arguments("data.num_subjects", "model.init_args.num_subjects", apply_on="instantiate")

    def parse_arguments(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Parse the arguments, after a check that the checkpoint, if one is given, can be read."""
        super().parse_arguments(*args, **kwargs)
        verb = self.config.subcommand
        path = self.config[verb].get("ckpt_path")
        if self.config[verb].get("weights_only") is False:
            raise ConfigError("weights_only is false, which would let a checkpoint run code", "leave it out")
        self._resumed: Checkpoint | None = None
        if not path and verb != "fit":
            raise ConfigError(f"{verb} without weights says nothing", "give --ckpt_path RUN/checkpoints/last.ckpt")
        if path and path not in ("best", "last", "hpc"):  # Lightning resolves these itself
            self._resumed = read_training_checkpoint(path)

    def _parse_ckpt_path(self) -> None:
        """Do nothing: Lightning's own method would let a checkpoint name classes."""

    def before_instantiate_classes(self) -> None:
        """Set the number of threads before anything is computed."""
        threads = self._get(self.config, "threads")
        if threads:
            torch.set_num_threads(threads)
        if self._get(self.config, "wandb") not in ("offline", "online", "disabled"):
            raise ConfigError(f"--wandb is {self._get(self.config, 'wandb')!r}", "use offline, online or disabled")
        for name, meaning in (("pictures", "draws none, 1 at"), ("checkpoint_every", "writes none within")):
            if self._get(self.config, name) < 0:
                what = "validation" if name == "pictures" else "epoch"
                raise ConfigError(f"--{name} is {self._get(self.config, name)}", f"0 {meaning} each {what}")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:  # noqa: ANN401
        """Trainer with the logger of the run folder and our callbacks, unless the configuration names others."""
        _ = self.datamodule.split  # errors of the data come before a logger or a run folder is made
        settings = self._get(self.config_init, "trainer", default={})
        root = Path(settings.get("default_root_dir") or "runs/unnamed")
        try:
            root.mkdir(parents=True, exist_ok=True)
            # Lightning stores the rank as an attribute of the function
            if self.subcommand == "fit" and rank_zero_only.rank == 0:  # type: ignore[attr-defined]
                LOCKS.append(lock_folder(root, in_use_by_training(root), PATIENCE))
        except OSError as error:
            raise OutputError(
                f"{root} cannot be written ({error.strerror})", "set trainer.default_root_dir to a folder you own"
            ) from error
        kwargs.setdefault("default_root_dir", str(root))
        resumed = self._resumed_from(root)
        fits, run_id = self.subcommand == "fit", run_id_of(resumed.content if resumed else None)
        every = self._get(self.config, "checkpoint_every")
        if settings.get("logger") is None:
            mode, project = self._get(self.config, "wandb"), self._get(self.config, "project")
            wanted = mode != "disabled" and self.subcommand != "predict"
            kwargs["logger"] = WandbRun(root, mode, project, run_id) if wanted else False
        given = list(settings.get("callbacks") or [])
        own = default_callbacks(root, self.datamodule, self._get(self.config, "pictures"), every)
        if fits:
            own += [HistoryFile(), RunIdentity(run_id), RandomState()]
            own += [StopOnNonFinite(), CollapseAlarm(), StopOnSignal()]
            if not settings.get("fast_dev_run"):  # which logs nothing
                own.append(LearningRateMonitor("step"))
        kwargs["callbacks"] = given + [c for c in own if type(c) not in map(type, given)]
        plugins = list(settings.get("plugins") or [])
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            plugins.append(AtomicCheckpointIO())
        if settings.get("sync_batchnorm"):  # by our plugin, which works on CPUs too
            plugins.append(SyncBatchNormPlugin())
            kwargs["sync_batchnorm"] = False
        kwargs["plugins"] = plugins
        trainer = super().instantiate_trainer(**kwargs)
        if trainer.is_global_zero and trainer.strategy.root_device.type == "cpu":
            warn_of_half_precision(trainer.precision)
        return trainer

    def after_fit(self) -> None:
        """Write the metrics of a fit that was killed after its last checkpoint and has no step left to train."""
        trainer, run = self.trainer, RunFolder(Path(self.trainer.default_root_dir))
        complete = trainer.state.finished and trainer.global_step >= trainer.estimated_stepping_batches
        if not complete or is_fast_dev_run(trainer) or trainer.strategy.broadcast(run.finished):
            return  # the first process decides: others may look before it has written
        trainer.validate(self.model, datamodule=self.datamodule, verbose=False)
        for callback in callbacks_of(trainer, MetricsFile):
            callback.write(trainer, self.model)

    def _resumed_from(self, root: Path) -> Checkpoint | None:
        """The checkpoint from which a fit resumes; other verbs do not resume."""
        if self.subcommand != "fit":
            return None
        if self._get(self.config, "ckpt_path") == "last" and (found := newest_checkpoint(root)):
            self.config_init[self.subcommand]["ckpt_path"] = str(found[0])  # or a damaged one would be read
            return found[1]
        return self._resumed


def warn_of_half_precision(precision: str) -> None:
    """Warn that half precision on a CPU is as a rule slower."""
    if precision not in ("32-true", "64-true"):
        warn(
            f"trainer.precision is {precision} on a CPU, where it is less exact and as a rule slower than 32 "
            "(16-mixed is for GPUs, and is taken as bf16-mixed here); leave it out"
        )


def newest_checkpoint(root: Path) -> tuple[Path, Checkpoint] | None:
    """Path and content of the last checkpoint of a run; if it is damaged, of the previous one, with a warning.

    Raises:
        DataError: neither can be read.
    """
    last, previous = last_path(root), previous_path(root)
    if not last.exists() and not previous.exists():
        return None
    try:
        return last, read_training_checkpoint(last)
    except DataError as error:
        if not previous.exists():
            raise
        checkpoint = read_training_checkpoint(previous)
        warn(f"{error}: the training goes on from {previous}, the checkpoint before (step {checkpoint.step})")
        rename_damaged(last)
        return previous, checkpoint


def default_callbacks(root: Path, data: LightningDataModule, pictures: int, every: int = 0) -> list[Callback]:
    """Callbacks of every run: progress, checkpoint of each epoch, evaluation, figures, embeddings, pictures.

    Args:
        root: run folder.
        data: to train on.
        pictures: validations from one drawing to the next (0: no pictures).
        every: steps between checkpoints within an epoch (0: none).
    """
    recognises = isinstance(data, SilhouetteDataModule)
    callbacks: list[Callback] = [progress_callback(), LastCheckpoint(root, every), MetricsFile()]
    if recognises:
        callbacks += [RetrievalEvaluation(), EvaluationFile(), EmbeddingsFile()]
    if pictures:
        callbacks += [HeatmapPanels(every=pictures), WalkAnimation(every=pictures)]
    if pictures and recognises:
        callbacks.append(RecognitionPictures(every=pictures))
    return callbacks


def run(argv: Sequence[str]) -> int:
    """Run one of fit, validate, test, predict.

    Raises:
        ConfigError: the configuration has an unknown key or a value of the wrong type, or names a foreign class.
    """
    words, trusted = without_flag(with_paths(argv))
    admit(trusted)
    for part in ("pytorch", "fabric"):
        logging.getLogger(f"lightning.{part}").setLevel(logging.WARNING)
    for text in QUIET:
        warnings.filterwarnings("ignore", message=text)
    for path in _config_files(argv):  # the parser's error would not name the file that is not text
        TextFile(path, "correct the configuration", error=ConfigError).text(MOST_YAML_BYTES)
    words = prepare_parsing(words, foreign=bool(trusted))
    try:
        MeshGaitCLI(
            args=words,
            save_config_callback=SaveConfig,
            seed_everything_default=0,
            parser_kwargs={"parser_mode": PARSER_MODE, "exit_on_error": False},
            trainer_defaults={
                "enable_progress_bar": sys.stdout.isatty(),
                "enable_model_summary": False,
                "use_distributed_sampler": False,
                "num_sanity_val_steps": 0,
                "accelerator": "auto",
                "sync_batchnorm": True,
            },
        )
    except MisconfigurationException as error:
        raise ConfigError(f"{error}", "change the trainer's settings") from error
    except (ArgumentError, ValueError, *UNREADABLE) as error:
        own = _own_error(error) or refusal(error) or restore_fault(error)
        if own is None and not isinstance(error, ArgumentError):
            raise
        raise own or _plain(error) from error
    except (TypeError, LookupError, AttributeError, RuntimeError, ArithmeticError) as error:
        if fault := restore_fault(error):
            raise fault from error
        raise
    finally:
        while LOCKS:
            unlock_folder(LOCKS.pop())
        _finish_wandb(failed=sys.exc_info()[0] is not None)
    return 0


def _config_files(argv: Sequence[str]) -> list[str]:
    """Configuration files among the arguments."""
    words = [word for argument in argv for word in argument.split("=", 1)]
    given = [value for name, value in pairwise(words) if name in ("--config", "-c")]
    return [value for value in given if len(value) < 4096 and Path(value).is_file()]


def _finish_wandb(failed: bool) -> None:
    """End the W&B run of this process, if there is one, and wait until its file is complete."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:
        wandb.run.finish(exit_code=int(failed))
        wandb.teardown(int(failed))  # offline, `finish` alone returns before everything is written


def _own_error(error: BaseException | None) -> MeshGaitError | None:
    """The `MeshGaitError` among the causes of an error, if any: jsonargparse wraps errors of constructors."""
    while error is not None and not isinstance(error, MeshGaitError):
        error = error.__cause__ or error.__context__
    return error


def _plain(error: Exception) -> ConfigError:
    """The part of jsonargparse's report that says what is wrong, on one line."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    telling = [line for line in lines if not SCAFFOLDING.search(line)] or lines[:1]
    return ConfigError(f"{' '.join(telling)[:300]}", "`--print_config` shows all settings")
