"""What logging and pictures cost: a training as it is by default against one without them.

    python benchmarks/logging_overhead.py experiments/finetune/walkers.yaml --steps 20 --of 360 \
        --data.store data/walkers --model.pretrained null

runs `meshgait fit` of the experiment for so many steps and one validation at their end, as default trainings have,
with W&B offline and pictures, and with ``--wandb disabled --pictures 0``; several times in turn. It prints the
medians of processor time (of the process and its children: other load on the machine hardly moves it) and of wall
time, and the difference as a share of a whole training of ``--of`` seconds. Logging at the default cadence costs
the same beside few steps as beside many but for the lines between, which are counted apart (``--lines``).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

VARIANTS = {"default": (), "without": ("--wandb=disabled", "--pictures=0")}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path, help="experiment")
    parser.add_argument("--steps", type=int, default=20, help="of each training")
    parser.add_argument("--lines", type=int, default=10, help="how often figures are logged in these steps")
    parser.add_argument("--repeats", type=int, default=3, help="trainings of each kind")
    parser.add_argument("--of", type=float, default=120.0, help="seconds of the training to compare with")
    arguments, more = parser.parse_known_args()  # what is not known here is for `meshgait fit`
    fixed = [
        f"--data.batches={arguments.steps}", "--trainer.max_epochs=1", "--trainer.check_val_every_n_epoch=1",
        f"--trainer.log_every_n_steps={max(1, arguments.steps // arguments.lines)}",
    ]  # fmt: skip
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in VARIANTS}
    for _ in range(arguments.repeats):
        for name, words in VARIANTS.items():
            with tempfile.TemporaryDirectory() as folder:
                command = [f"--config={arguments.config}", *fixed, *more, *words]
                times[name].append(_seconds([*command, f"--trainer.default_root_dir={folder}/run"]))
            print(f"{name}: processor {times[name][-1][0]:.1f} s, wall {times[name][-1][1]:.1f} s", flush=True)
    for column, kind in enumerate(("processor", "wall")):
        with_it, without = (median(pair[column] for pair in times[name]) for name in VARIANTS)
        extra = with_it - without
        print(f"{kind}: {extra:+.1f} s, {100 * extra / arguments.of:+.1f} % of {arguments.of:.0f} s")


def _seconds(words: list[str]) -> tuple[float, float]:
    """Processor and wall seconds of one training."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {**os.environ, "WANDB_SILENT": "true"}
    command = [sys.executable, "-m", "meshgait.cli", "fit", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, time.monotonic() - begun


if __name__ == "__main__":
    main()
