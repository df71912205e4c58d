"""Rank-1 on real people over the steps of a training that never saw any (docs/what-3d-brings.md).

    python -m benchmarks.learning_curve CHECKPOINT... --real ../shared/data --json FILE --picture FILE.png

CHECKPOINTs are copies of one training's `checkpoints/last.ckpt` made as it went on. USF is the mean of its seven
probes, KTH all passes of d2, d3 and d4 (`benchmarks.zero_shot`). Steps that FILE has are not measured again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from benchmarks.real_sets import kth_walks, usf_walks
from benchmarks.zero_shot import Embed, kth_rates, mean_silhouettes, network, usf_rates
from meshgait.stages.checkpoint import read_checkpoint
from meshgait.viz.plots import history_figure, to_png

GEI = "GEI"


def main() -> None:
    """Measure the checkpoints that were not measured yet, print, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="*", type=Path)
    parser.add_argument("--real", type=Path, default=Path("../shared/data"), help="folder of usf_humanid and kth")
    parser.add_argument("--json", type=Path, required=True, help="file for the figures")
    parser.add_argument("--picture", type=Path, help="PNG to draw")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rates: dict[str, dict[str, float]] = {}
    if arguments.json.is_file():
        rates = json.loads(arguments.json.read_text())
    steps = {str(read_checkpoint(path).step): path for path in arguments.checkpoints}
    for step, path in {GEI: None, **steps}.items():
        if step not in rates:
            embed = mean_silhouettes if path is None else network(str(path))
            rates[step] = measured(arguments.real, embed)
            print(f"step {step}: " + ", ".join(f"{name} {rate:.1f}" for name, rate in rates[step].items()))
            arguments.json.write_text(json.dumps(rates, indent=1))
    if arguments.picture:
        arguments.picture.write_bytes(to_png(history_figure(series(rates), "rank-1 [%]")))


def measured(real: Path, embed: Embed) -> dict[str, float]:
    """Rank-1 [%] on both sets."""
    return {
        "USF": usf_rates(usf_walks(real), embed, ["usf"])["usf"][""]["mean"],
        "KTH": kth_rates(kth_walks(real), embed)["kth"][""]["all"],
    }


def series(rates: dict[str, dict[str, float]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Steps and rates of each set, and the level of GEI."""
    steps = np.array(sorted(int(step) for step in rates if step != GEI))
    curves = {}
    for name, level in rates[GEI].items():
        curves[name] = steps, np.array([rates[str(step)][name] for step in steps])
        curves[f"{name}, {GEI}"] = steps[[0, -1]], np.array([level, level])
    return curves


if __name__ == "__main__":
    main()
