"""Metrics of a run as ``metrics.json`` in its folder, with the data, code and machine that they belong to."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

import meshgait
from meshgait.callbacks.evaluate import RetrievalEvaluation, cell_table, part_evaluated, shared_traits
from meshgait.callbacks.lookup import callbacks_of, is_fast_dev_run
from meshgait.data.trainer_data import datamodule_of, silhouettes_of
from meshgait.run_folder import RunFolder


class MetricsFile(Callback):
    """Write the metrics of the last evaluation when a fit or a test ends.

    The file appears only when the run is complete, so it also marks the run as done (make relies on that).
    """

    def __init__(self) -> None:
        self._begun = 0.0
        self._spent = 0.0
        self._trained = False

    def state_dict(self) -> dict[str, Any]:
        """Seconds spent so far, so that a resumed run counts all of them."""
        return {"seconds": self._spent + time.monotonic() - self._begun}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self._spent = state_dict["seconds"]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._begun, self._trained = time.monotonic(), False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that there was something left to train."""
        self._trained = True

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what the last validation found.

        An interrupted fit writes no file, and a fit that was complete before does not change its file.
        """
        if self._trained and not trainer.interrupted and not is_fast_dev_run(trainer):
            self.write(trainer, pl_module)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what the test found."""
        self.write(trainer, pl_module, datamodule_of(trainer).protocol.name)

    def write(self, trainer: Trainer, module: LightningModule, protocol: str | None = None) -> None:
        """Write what the last evaluation found; that of a test is named after its protocol."""
        if trainer.is_global_zero:
            RunFolder(Path(trainer.default_root_dir)).write_metrics(self._content(trainer, module), protocol)

    def _content(self, trainer: Trainer, module: LightningModule) -> dict[str, Any]:
        data = datamodule_of(trainer)
        figures = {name: round(float(value), 4) for name, value in sorted(trainer.callback_metrics.items())}
        content: dict[str, Any] = {
            "figures": figures,
            **provenance(trainer, module),
            "step": trainer.global_step,
            "seconds": round(self._spent + time.monotonic() - self._begun, 1) if self._begun else None,
        }
        if part := part_evaluated(trainer):
            content["partial"] = dict(zip(("batches", "of"), part, strict=True))
        for evaluation in (c for c in callbacks_of(trainer, RetrievalEvaluation) if c.scores):
            content["cells"] = {
                name: {"probe_views": s.probe_views, "gallery_views": s.gallery_views, "rank1": cell_table(s)}
                for name, s in evaluation.scores.items()
                if s.cells is not None
            }
            if "subjects" in data.store.meta:
                content["errors"] = shared_traits(
                    evaluation.scores, silhouettes_of(trainer).selection.subjects, data.store.meta["subjects"]
                )
        return content


def provenance(trainer: Trainer, module: LightningModule) -> dict[str, Any]:
    """What the metrics of a run belong to: stage, protocol, data, seed, code, machine."""
    data, network = datamodule_of(trainer), getattr(module, "network", module)
    return {
        "stage": type(module).__name__,
        "uses_3d": getattr(network, "lifter", None) is not None,
        "protocol": data.protocol.name,
        "data": {"path": str(data.path), "hash": data.store.hash},
        "parameters": sum(p.numel() for p in network.parameters()),
        "devices": trainer.world_size,
        "precision": str(trainer.precision),
        "seed": data.seed,
        "version": meshgait.__version__,
        "git": git_revision(),
        "machine": machine(),
    }


def machine() -> str:
    """The machine in a few words, for numbers that depend on it."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line
        ]
        name = lines[0] if lines else name
    if torch.cuda.is_available():
        name = f"{torch.cuda.get_device_name()}, {name}"
    return f"{name}, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"


@cache
def git_revision() -> str | None:
    """Commit of the code in use, with ``-dirty`` if changed since; None if it is not run from a checkout."""
    git = ["git", "-C", str(Path(__file__).parent)]
    own = [
        *git,
        "ls-files",
        "--error-unmatch",
        Path(__file__).name,
    ]  # another project's repository would not do
    describe = [*git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude", "*"]
    try:
        subprocess.run(own, capture_output=True, check=True, timeout=5)
        return subprocess.run(describe, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
