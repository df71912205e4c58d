"""What each part of the network brings: ablations at equal iterations, several seeds, one table.

    python benchmarks/ablations.py experiments/finetune/walkers.yaml --seeds 3 --json ablations.json

Each run is `meshgait fit` with the experiment and an overlay of experiments/ablations; runs that are done are not
done again, and stopped ones go on. Stage 1 (runs/pretrain) must have been run before: all variants that start from
it share it. Figures: rank-1 per probe condition, and mean and standard deviation over seeds of their mean.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import torch

from meshgait.progress import Progress

OVERLAYS = Path(__file__).parents[1] / "experiments" / "ablations"
WHOLE = "mesh-gait"
VARIANTS = (WHOLE, "2d-only", "3d-only", "no-pretraining", "no-mesh-loss", "no-markers", "no-3d-loss", "detach")


def main() -> None:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", type=Path, help="experiment YAML of stage 2")
    parser.add_argument(
        "--variants", nargs="+", default=VARIANTS, help="names of experiments/ablations, or mesh-gait"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="instead of the experiment's")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="OUT")
    arguments = parser.parse_args()
    jobs = [(variant, seed) for seed in range(arguments.seeds) for variant in arguments.variants]
    figures: dict[str, list[dict[str, float]]] = {variant: [] for variant in arguments.variants}
    with Progress("ablations", len(jobs), "runs") as progress:
        for variant, seed in jobs:
            progress.reach(progress.done, f"{variant}, seed {seed}")
            figures[variant].append(one_run(arguments, variant, seed))
            progress.advance()
    report(arguments, figures)


def one_run(arguments: argparse.Namespace, variant: str, seed: int) -> dict[str, float]:
    """Rank-1 per condition (and errors of the body) of one run, which is made if it is not there."""
    folder = arguments.runs / arguments.experiment.stem / f"{variant}-{seed}"
    file = folder / "metrics.json"
    if not file.is_file():
        words = ["fit", "--config", str(arguments.experiment)]
        if variant != WHOLE:
            words += ["--config", str(OVERLAYS / f"{variant}.yaml")]
        words += [f"--trainer.default_root_dir={folder}", "--ckpt_path=last", f"--threads={arguments.threads}"]
        words += [f"--seed_everything={seed}", f"--data.seed={seed}", f"--model.seed={seed}"]
        words += ["--wandb=disabled", "--pictures=0"]
        if arguments.epochs:
            words += [f"--trainer.{key}={arguments.epochs}" for key in ("max_epochs", "check_val_every_n_epoch")]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("a") as log:
            subprocess.run([sys.executable, "-m", "meshgait.cli", *words], stdout=log, stderr=log, check=True)
    return json.loads(file.read_text())["figures"]


def report(arguments: argparse.Namespace, figures: dict[str, list[dict[str, float]]]) -> None:
    """Print a table in Markdown and write the figures."""
    keys = [key for key in next(iter(figures.values()))[0] if key.startswith("val/rank1_")]
    names = [key.removeprefix("val/rank1_") for key in keys]
    print(f"| {arguments.experiment.stem} | {' | '.join(names)} | mean ± sd of seeds | MPJPE mm |")
    print("|---" * (len(names) + 3) + "|")
    for variant, runs in figures.items():
        means = [statistics.fmean(run[key] for key in keys) for run in runs]
        spread = f" ± {statistics.stdev(means):.1f}" if len(means) > 1 else ""
        body = [run["val/mpjpe"] for run in runs if "val/mpjpe" in run]
        cells = [f"{statistics.fmean(run[key] for run in runs):.1f}" for key in keys]
        cells += [f"{statistics.fmean(means):.1f}{spread}", f"{statistics.fmean(body):.1f}" if body else "-"]
        print(f"| {variant} | {' | '.join(cells)} |")
    content = {
        "experiment": str(arguments.experiment),
        "epochs": arguments.epochs,
        "machine": {"processor": platform.processor() or platform.machine(), "torch": torch.__version__},
        "figures": figures,
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
