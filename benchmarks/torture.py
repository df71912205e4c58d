"""Kills trainings at random moments and compares what comes of them with trainings that were left alone.

    python benchmarks/torture.py [--kills 20] [--seed 0] [--folder runs/torture]

makes some walkers and trains both stages on them, small: once left alone, and once more with SIGKILL at random
moments (while starting, training, writing a checkpoint, validating, coming to an end), each time taken up again
by the same command. In the end weights, optimiser and schedule must be the same bit for bit, the history line by
line, and the W&B run one and the same. A line is printed for every kill; the exit status is 1 if anything differs.

PyTorch is imported once: each training is a fork of this process, which itself computes nothing before the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import meshgait.training  # noqa: F401 - so that the forks need not
from meshgait.callbacks.checkpoints import last_path
from meshgait.cli import main as meshgait_command
from meshgait.run_folder import RunFolder

ROOT = Path(__file__).parents[1]
STAGES = {
    "stage 1": ("pretrain/small.yaml", "--data.batch_size=8", "--data.eval_frames=1"),
    "stage 2": ("finetune/small.yaml", "--data.subjects=2", "--data.sequences=2", "--data.workers=1",
                "--trainer.check_val_every_n_epoch=1"),
}  # fmt: skip
STARTS = 0.1
"""Share of kills before a training has got going."""
WRITES = 0.4
"""Share of the others that wait for a checkpoint to be on its way to the disk."""


class Attempt(NamedTuple):
    """How a process ended: exit status (None: killed), seconds it ran and was starting, what it was doing."""

    status: int | None
    seconds: float
    starting: float
    doing: str


def main() -> int:
    """Torture, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="over both stages")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--batches", type=int, default=6, help="steps an epoch")
    parser.add_argument("--epochs", type=int, default=4, help="of each stage")
    parser.add_argument("--every", type=int, default=2, help="steps between checkpoints within an epoch")
    parser.add_argument("--stages", default=",".join(STAGES), help="which, separated by commas")
    parser.add_argument("--store", type=Path, help="walkers to train on; some are made otherwise")
    parser.add_argument("--folder", type=Path, help="keep runs and logs there; it must not exist")
    arguments = parser.parse_args()
    begun, folder = time.monotonic(), arguments.folder or Path(tempfile.mkdtemp(prefix="torture-"))
    folder.mkdir(parents=True, exist_ok=arguments.folder is None)
    try:
        differences = _torture(arguments, folder)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)
    for difference in differences:
        print(f"DIFFERENT: {difference}")
    verdict = "FAILED" if differences else "passed: weights, optimiser, schedule, history and W&B run are the same"
    print(f"{arguments.kills} kills in {time.monotonic() - begun:.0f} s, {verdict}", flush=True)
    return int(bool(differences))


def _torture(arguments: argparse.Namespace, folder: Path) -> list[str]:
    if arguments.store is None:
        arguments.store = folder / "store"
        words = ["walkers", str(arguments.store), "--bodies=4", "--views=0,90", "--frames=8", "--workers=1"]
        if _run([*words, "--test-fraction=0.5"], folder / "walkers.log").status:
            return [f"no walkers: {(folder / 'walkers.log').read_text()[-500:]}"]
    rng, left, differences = random.Random(arguments.seed), arguments.kills, []
    names = arguments.stages.split(",")
    for number, name in enumerate(names):
        share = left // (len(names) - number)
        left -= share
        differences += [f"{name}: {text}" for text in _stage(name, share, rng, arguments, folder)]
    return differences


def _stage(name: str, kills: int, rng: random.Random, arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Train a stage in peace, then under fire, in as many rounds as the kills last for."""
    config, *more = STAGES[name]
    words = [
        "fit", f"--config={ROOT / 'experiments' / config}", f"--data.store={arguments.store}", *more,
        f"--data.batches={arguments.batches}", f"--trainer.max_epochs={arguments.epochs}",
        f"--checkpoint_every={arguments.every}", "--trainer.log_every_n_steps=1", "--trainer.accelerator=cpu",
        "--trainer.enable_progress_bar=false", "--ckpt_path=last", "--wandb=disabled", "--pictures=0",
        "--threads=1",
    ]  # fmt: skip
    if name == "stage 2":
        words += ["--model.pretrained=null", "--model.branch_3d.frames=4"]
    whole = folder / name.replace(" ", "-") / "whole"
    peace = _run([*words, f"--trainer.default_root_dir={whole}"], whole.with_suffix(".log"), last_path(whole))
    if peace.status:
        return [f"the training that was left alone ended with status {peace.status}: see its log, or --folder"]
    print(f"{name}: left alone, {_content(whole)['global_step']} steps in {peace.seconds:.1f} s", flush=True)
    differences, done, rounds, identity, finished = [], 0, 0, "", False
    while done < kills or not finished:
        run = whole.with_name(f"killed-{rounds}")
        log, moment = run.with_suffix(".log"), _moment(rng, peace, kills) if done < kills else None
        attempt = _run([*words, f"--trainer.default_root_dir={run}"], log, last_path(run), moment)
        finished = attempt.status is not None
        if not finished:
            done += 1
            kept = _content(run)
            print(
                f"{name}: kill {done} of {kills} after {attempt.seconds:.2f} s, {attempt.doing}; "
                f"logged {_logged(run)} steps, kept {kept.get('global_step', 0)}",
                flush=True,
            )
            identity = identity or kept.get("wandb_id", "")  # an attempt without a checkpoint begins a run anew
            if kept.get("wandb_id", "") != identity:
                differences.append(f"the W&B run was {identity}, then {kept.get('wandb_id')}")
        elif attempt.status:
            return [*differences, f"taken up again, it ended with {attempt.status}: {log.read_text()[-500:]}"]
        else:
            differences += _compare(whole, run)
            rounds, identity = rounds + 1, ""
    print(f"{name}: {done} kills in {rounds} trainings, {len(differences)} differences", flush=True)
    return differences


def _moment(rng: random.Random, peace: Attempt, kills: int) -> tuple[float, int]:
    """Seconds after which to kill, and at which checkpoint that is written from then on (0: at once)."""
    if rng.random() < STARTS:
        return rng.uniform(0.2, 1) * peace.starting, 0
    share = min(1.0, 4 / kills)  # so that all of them together reach the end about twice
    writing = rng.randint(1, 2) if rng.random() < WRITES else 0
    return peace.starting + rng.uniform(0, share) * (peace.seconds - peace.starting), writing


def _run(
    words: list[str], log: Path, checkpoint: Path | None = None, moment: tuple[float, int] | None = None
) -> Attempt:
    """Fork a process that runs the command line; kill it at ``moment``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        with log.open("a") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        try:
            status = meshgait_command(words)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
            status = 70
        os._exit(status)
    delay, writing = moment or (float("inf"), 0)
    partial = checkpoint.with_name(checkpoint.name + ".partial") if checkpoint else None
    seen, starting = False, 0.0
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        spent = time.monotonic() - begun
        if ended:
            return Attempt(os.waitstatus_to_exitcode(status), spent, starting, "at its end")
        if not starting and checkpoint and RunFolder(checkpoint.parents[1]).history.exists():
            starting = spent
        there = partial is not None and partial.exists()
        writing -= spent > delay and there and not seen and writing > 0
        seen = there
        if spent > delay and (not moment[1] or (there and not writing)):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            doing = "while a checkpoint was written" if partial.exists() else "between checkpoints"
            return Attempt(None, spent, starting, doing)
        time.sleep(0.0005 if moment else 0.02)


def _content(run: Path) -> dict:
    """Last checkpoint, or nothing yet."""
    from meshgait.stages.checkpoint import read_checkpoint

    return dict(read_checkpoint(last_path(run)).content) if last_path(run).exists() else {}


def _lines(run: Path) -> list[dict]:
    """Whole lines of the history."""
    path = RunFolder(run).history
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _logged(run: Path) -> int:
    return len({line["step"] for line in _lines(run) if "train/loss" in line})


def _compare(whole: Path, run: Path) -> list[str]:
    """What differs between two finished runs."""
    one, two = _content(whole), _content(run)
    differences = [key for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch")
                   if not _same(one[key], two[key])]  # fmt: skip
    if _lines(whole) != _lines(run):
        differences.append("history.jsonl")
    figures = [json.loads((folder / "metrics.json").read_text())["figures"] for folder in (whole, run)]
    wanted = {name for name in figures[0] if name.startswith(("val/", "gei/"))}
    if any(figures[0][name] != figures[1].get(name) for name in wanted):
        differences.append("metrics.json")
    return differences


def _same(one: object, two: object) -> bool:
    """Equal to the last bit."""
    import torch

    if isinstance(one, torch.Tensor):
        return isinstance(two, torch.Tensor) and one.dtype == two.dtype and torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(_same(value, two[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(_same, one, two))
    return one == two


if __name__ == "__main__":
    sys.exit(main())
