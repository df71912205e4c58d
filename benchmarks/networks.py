"""What the networks cost at their published sizes, 3D off and on, side by side (docs/networks.md).

    python benchmarks/networks.py --json networks.json

For each backbone: parameters, FLOPs, time of inference and of a training step, peak memory, and what 3D adds. Runs
with and without 3D alternate, so that a busy machine slows both; the ratios are of medians.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import yaml

from meshgait.allocator import reuse_freed_memory
from meshgait.batch import GaitBatch
from meshgait.models.meshgait import NetworkConfig
from meshgait.models.size import NetworkSize
from meshgait.profiling import count_flops, count_parameters, peak_bytes, random_batch, training_step
from meshgait.progress import Progress
from meshgait.stages.recognise import RecogniseStage

SIZES = Path(__file__).parents[1] / "experiments" / "sizes"
BACKBONES = ("gaitbase", "deepgaitv2", "deepgaitv2-2d", "deepgaitv2-small", "deepgaitv2-small-2d", "narrow")
CLASSES, FRAMES = 3000, 30
CPU = torch.device("cpu")


def main() -> None:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sequences", type=int, default=2, help="of a training step")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="also with torch.compile in place; takes minutes")
    parser.add_argument("--json", type=Path, metavar="OUT")
    arguments = parser.parse_args()
    reuse_freed_memory()  # as the command line does
    torch.set_num_threads(arguments.threads)
    rows = []
    with Progress("networks", len(arguments.backbones), "backbones") as progress:
        for name in arguments.backbones:
            progress.reach(progress.done, name)
            rows.append(compare(name, arguments.repeats, arguments.sequences, arguments.compile))
            progress.advance()
    show(rows, arguments)
    if arguments.json:
        machine = {"processor": platform.processor() or platform.machine(), "threads": arguments.threads}
        arguments.json.write_text(json.dumps({"machine": machine, "backbones": rows}, indent=1) + "\n")


def compare(name: str, repeats: int, sequences: int, compiled: bool = False) -> dict[str, object]:
    """Figures of one backbone without 3D and with it, as it is, checkpointed and compiled."""
    content = yaml.safe_load((SIZES / f"{name}.yaml").read_text())
    size = NetworkSize(**{key: tuple(v) if isinstance(v, list) else v for key, v in content.items()})
    variants = {}
    alone, batch = (random_batch(count, FRAMES, size.frame, CPU) for count in (1, sequences))
    for key, use_3d, checkpointing in (
        ("off", False, False),
        ("on", True, False),
        ("on, checkpointing", True, True),
    ):
        network = NetworkConfig(use_3d=use_3d)
        stage = RecogniseStage(size, CLASSES, network=network, checkpointing=checkpointing)
        variants[key] = (stage, training_step(stage, batch))
    if compiled:
        stage = RecogniseStage(size, CLASSES)
        stage.network.compile()
        variants["on, compiled"] = (stage, training_step(stage, batch))
    figures: dict[str, dict[str, object]] = {}
    for key, (stage, step) in variants.items():
        first = timed(step)  # makes the optimiser's state
        figures[key] = {
            "first_step_seconds": first,
            "parameters": count_parameters(stage.network)["total"],
            "flops_per_sequence": count_flops(stage.network, alone)["total"],
            "step_bytes": peak_bytes(lambda stage=stage, step=step: stage.train() and step(), CPU),
        }
    seconds: dict[str, dict[str, list[float]]] = {key: {"forward": [], "step": []} for key in variants}
    for _ in range(repeats):
        for key, (stage, step) in variants.items():
            stage.eval()
            seconds[key]["forward"].append(timed(lambda stage=stage: embed(stage, alone)))
            stage.train()
            seconds[key]["step"].append(timed(step))
    for key, times in seconds.items():
        figures[key] |= {f"{what}_seconds": statistics.median(values) for what, values in times.items()}
    return {"name": name, "sequences": sequences, "frames": FRAMES, "classes": CLASSES, **figures}


@torch.no_grad()
def embed(stage: RecogniseStage, batch: GaitBatch) -> None:
    """Inference of a batch."""
    stage.network(batch.silhouettes, batch.mask)


def timed(action: Callable[[], object]) -> float:
    """Seconds of processor time: what other programs take does not count."""
    start = time.process_time()
    action()
    return time.process_time() - start


def show(rows: list[dict], arguments: argparse.Namespace) -> None:
    """The table in Markdown."""
    heads = ("parameters M", "GFLOPs per 30 frames", "inference s", "training step s")
    columns = [*(f"{head}, off / on" for head in heads), "step MiB, off / on / on with checkpointing"]
    print(f"| backbone | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for row in rows:
        off, on, saving = (row[key] for key in ("off", "on", "on, checkpointing"))

        def pair(key: str, unit: float, digits: int = 2, off: dict = off, on: dict = on) -> str:
            ratio = on[key] / off[key]
            return f"{off[key] / unit:.{digits}f} / {on[key] / unit:.{digits}f} (x {ratio:.2f})"

        memory = " / ".join(f"{part['step_bytes'] / 2**20:.0f}" for part in (off, on, saving))
        print(
            f"| {row['name']} | {off['parameters'] / 1e6:.2f} / {on['parameters'] / 1e6:.2f} "
            f"| {pair('flops_per_sequence', 1e9, 1)} | {pair('forward_seconds', 1)} | {pair('step_seconds', 1)} "
            f"| {memory} |"
        )
    for row in rows:
        if "on, compiled" in row:
            fast, plain = row["on, compiled"], row["on"]
            step, forward = (fast[key] / plain[key] for key in ("step_seconds", "forward_seconds"))
            print(
                f"{row['name']} compiled: step x {step:.2f}, inference x {forward:.2f}, "
                f"first step {fast['first_step_seconds']:.0f} s"
            )
    batch = f"{arguments.sequences} sequences of {FRAMES} frames"
    print(f"\n{batch} a step, {arguments.threads} threads, processor time.")


if __name__ == "__main__":
    main()
