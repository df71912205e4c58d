"""What each part of the network brings: ablations at equal iterations, several seeds, one table.

    python benchmarks/ablations.py experiments/finetune/walkers.yaml --seeds 3 --json ablations.json

Each run is `meshgait fit` with the experiment and an overlay of experiments/ablations; runs that are done are not
done again, and stopped ones go on. Stage 1 (runs/pretrain) must have been run before: all variants that start from
it share it. Those that change what stage 1 learns (losses, size, markers) have a stage 1 of their own, one for all
seeds. Figures: rank-1 per probe condition, mean over seeds; their mean, of all seeds and of each.
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
import yaml

from meshgait.progress import Progress

OVERLAYS = Path(__file__).parents[1] / "experiments" / "ablations"
WHOLE = "mesh-gait"
SHARED = {"body", "size"}
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
    parser.add_argument(
        "--pretrain",
        type=Path,
        default=OVERLAYS.parent / "pretrain" / "walkers.yaml",
        help="experiment of stage 1",
    )
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
    configs = [arguments.experiment] + [OVERLAYS / f"{variant}.yaml"] * (variant != WHOLE)
    words = [f"--seed_everything={seed}", f"--data.seed={seed}", f"--model.seed={seed}"]
    if arguments.epochs:
        words += [f"--trainer.{key}={arguments.epochs}" for key in ("max_epochs", "check_val_every_n_epoch")]
    if variant != WHOLE and changes_stage_1(configs[1]):
        before = arguments.runs / "pretrain" / variant
        fit(before, [arguments.pretrain, configs[1]], arguments.threads)
        words.append(f"--model.pretrained={before / 'checkpoints' / 'last.ckpt'}")
    return fit(folder, configs, arguments.threads, *words)["figures"]


def changes_stage_1(overlay: Path) -> bool:
    """Whether an overlay changes settings that both stages share."""
    return yaml.safe_load(overlay.read_text())["model"]["init_args"].keys() <= SHARED


def fit(folder: Path, configs: list[Path], threads: int, *words: str) -> dict:
    """The metrics of a run in a folder, which is made, or taken up again, if they are not there."""
    file = folder / "metrics.json"
    if not file.is_file():
        given = [f"--config={path}" for path in configs]
        given += [f"--trainer.default_root_dir={folder}", "--ckpt_path=last", f"--threads={threads}"]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("a") as log:
            command = [
                sys.executable,
                "-m",
                "meshgait.cli",
                "fit",
                *given,
                "--wandb=disabled",
                "--pictures=0",
                *words,
            ]
            subprocess.run(command, stdout=log, stderr=log, check=True)
    return json.loads(file.read_text())


def report(arguments: argparse.Namespace, figures: dict[str, list[dict[str, float]]]) -> None:
    """Print a table in Markdown and write the figures."""
    keys = [key for key in next(iter(figures.values()))[0] if key.startswith("val/rank1_")]
    names = [key.removeprefix("val/rank1_") for key in keys]
    print(f"| {arguments.experiment.stem} | {' | '.join(names)} | mean ± sd | seeds | MPJPE / MPVPE mm |")
    print("|---" * (len(names) + 4) + "|")
    for variant, runs in figures.items():
        means = [statistics.fmean(run[key] for key in keys) for run in runs]
        spread = f" ± {statistics.stdev(means):.1f}" if len(means) > 1 else ""
        cells = [f"{statistics.fmean(run[key] for run in runs):.1f}" for key in keys]
        cells += [f"{statistics.fmean(means):.1f}{spread}", ", ".join(f"{mean:.1f}" for mean in means)]
        body = [
            f"{statistics.fmean(run[key] for run in runs):.1f}"
            for key in ("val/mpjpe", "val/mpvpe")
            if all(key in run for run in runs)
        ]
        print(f"| {variant} | {' | '.join(cells)} | {' / '.join(body) or '-'} |")
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
