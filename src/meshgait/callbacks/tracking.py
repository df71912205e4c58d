"""Weights & Biases: one run for a training, interrupted or not; offline if W&B cannot be reached."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from meshgait.errors import OutputError
from meshgait.messages import warn

RUN_ID = "wandb_id"  # key of a checkpoint
PATIENCE = {"init_timeout": 30.0, "login_timeout": 60.0, "finish_timeout": 600.0}
"""Seconds to wait for W&B before a training begins, for an answer at its prompt, and for uploads at the end."""


class WandbRun(WandbLogger):
    """W&B run in the run folder, started when it is first used.

    If mode is online but nobody is logged in, or W&B cannot be reached, it prints a warning and logs offline:
    nothing is lost, and `wandb sync` uploads it later. An error of W&B while training is reported once, and the
    training continues.

    Args:
        root: run folder; its name is the run's.
        mode: "online" or "offline".
        project: of W&B.
        run_id: of the run; one that exists is continued.
    """

    def __init__(self, root: Path, mode: str, project: str, run_id: str) -> None:
        super().__init__(name=root.name, save_dir=str(root), project=project, id=run_id, offline=mode == "offline")
        self.folder, self._failed = root, False

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:  # noqa: ANN401 - wandb is imported on use only
        """The run."""
        if self._experiment is None and getattr(self, "_attach_id", None) is None:
            self._experiment = self._start()
        return super().experiment

    def _start(self) -> Any:  # noqa: ANN401
        import wandb

        require_home(self.folder)
        options = {"name": self._name, "project": self._project, "dir": self._save_dir, "id": self._id}
        if not self._offline:
            given = {name: value for name, value in PATIENCE.items() if f"WANDB_{name.upper()}" not in os.environ}
            try:
                run = wandb.init(**options, resume="allow", mode="online", settings=given)
            except (wandb.Error, OSError) as error:  # not logged in, no network, no answer in time
                warn(
                    f"W&B cannot be used online ({' '.join(str(error).split())[:160]}); this run is logged "
                    f"offline: `wandb login`, then `wandb sync {self.folder}/wandb/offline-run-*` uploads it"
                )
                self._offline = True
                wandb.teardown()  # else its service keeps trying, and says that the run is in use
        if self._offline:
            try:
                run = wandb.init(**options, resume="allow", mode="offline")
            except (wandb.Error, OSError) as error:
                raise OutputError(
                    f"W&B cannot keep this run, offline either ({' '.join(str(error).split())[:160]})",
                    "mend "
                    "that, or add --wandb disabled: history.jsonl, metrics.json and pictures are there without it",
                ) from error
        run.define_metric("trainer/global_step")
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        return run

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log the values; after an error of W&B do nothing."""
        if self._failed:
            return
        try:
            super().log_metrics(metrics, step)
        except OSError:
            raise  # an error of the disk: the caller reports what is missing
        except Exception as error:  # an error of W&B must not end a training
            self._failed = True
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            warn(
                f"W&B has stopped working ({reason}); training goes on, history.jsonl and pictures are still kept"
            )

    @rank_zero_only
    def log_table(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Log a table; its pictures wait for their upload in the run folder too, not in the user's home."""
        given = os.environ.get("WANDB_DATA_DIR")
        os.environ["WANDB_DATA_DIR"] = given or str(self.folder.resolve() / "wandb")
        try:
            super().log_table(*args, **kwargs)
        finally:
            if given is None:
                del os.environ["WANDB_DATA_DIR"]


class RunIdentity(Callback):
    """Keeps the id of the W&B run in checkpoints, so that a resumed training continues that run.

    Args:
        run_id: kept even while W&B is disabled.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put it in."""
        checkpoint[RUN_ID] = self.run_id


def require_home(place: Path) -> None:
    """Set another folder for W&B's files where the user has no home folder (in some containers); W&B needs one."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(place.resolve())


def run_id_of(checkpoint: Mapping[str, Any] | None) -> str:
    """The id in a checkpoint if it is a valid one, else a new id."""
    kept = (checkpoint or {}).get(RUN_ID)
    return kept if isinstance(kept, str) and re.fullmatch(r"[\w-]{1,64}", kept, re.ASCII) else secrets.token_hex(4)
