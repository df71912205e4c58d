"""Cost of a network by branch: parameters, FLOPs, times, memory.

FLOPs count two per multiply-add, of convolutions and matrix products (as `torch.utils.flop_counter` does). Times
are medians of repeated runs. Memory is what PyTorch allocated for tensors; a process holds more (on a CPU what
malloc keeps for later, see `meshgait.allocator`).
"""

from __future__ import annotations

import gc
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn
from torch.profiler import ProfilerActivity
from torch.utils.flop_counter import FlopCounterMode

from meshgait.batch import GaitBatch, SmplTruth
from meshgait.models.meshgait import MeshGait
from meshgait.stages.recognise import RecogniseStage

BRANCHES = {
    "stem": ("stem",),
    "2d": ("trunk", "transform"),
    "3d": ("lifter", "reader", "posture", "fusion"),
    "heads": ("embed", "classify"),
}
"""Modules of the network by branch; computations outside of them (pooling, soft-argmax) are "other"."""


@dataclass(frozen=True)
class Cost:
    """Cost of a network; see `profile`.

    Attributes:
        parameters: number by branch, and "total" and "without_classifier".
        flops_per_frame: of inference, by branch and "total".
        flops_per_sequence: the same for the whole sequence.
        forward_seconds: of inference, by branch and "total"; pooling counts to the 3D branch where there is one.
        frames_per_second: of inference.
        forward_bytes: peak memory of inference besides the weights, or None.
        step_seconds: of a training step (losses, gradients and optimiser).
        step_bytes: peak memory of a training step, or None.
    """

    parameters: dict[str, int]
    flops_per_frame: dict[str, float]
    flops_per_sequence: dict[str, float]
    forward_seconds: dict[str, float]
    frames_per_second: float
    forward_bytes: int | None
    step_seconds: float
    step_bytes: int | None


def profile(stage: RecogniseStage, frames: int = 30, sequences: int = 4, repeats: int = 5) -> Cost:
    """Measure a recogniser: inference of one sequence, training of a batch, on random silhouettes.

    Args:
        stage: recogniser, on the device to measure.
        frames: of each sequence.
        sequences: of a training batch; two of each subject.
        repeats: runs; the median of their times counts. One more run comes before them.
    """
    network = stage.network
    device = next(network.parameters()).device
    alone, batch = (random_batch(count, frames, network.size.frame, device) for count in (1, sequences))
    network.eval()

    @torch.no_grad()
    def forward() -> None:
        network(alone.silhouettes, alone.mask, smpl=alone.truth)

    forward_bytes = peak_bytes(forward, device)
    with branch_times(network, device) as spent:
        total = median_seconds(forward, repeats, device)
    seconds = {name: value / (repeats + 1) for name, value in spent.items()} | {"other": 0.0}
    # reading the volumes by blocks is outside of any module, as is pooling
    seconds["3d" if network.lifter is not None else "other"] += max(0.0, total - sum(seconds.values()))
    seconds["total"] = total
    flops = count_flops(network, alone)
    step = training_step(stage, batch)
    step()  # so that the optimiser has its state
    step_bytes = peak_bytes(step, device)
    return Cost(
        parameters=count_parameters(network),
        flops_per_frame={name: value / frames for name, value in flops.items()},
        flops_per_sequence=flops,
        forward_seconds=seconds,
        frames_per_second=frames / total,
        forward_bytes=forward_bytes,
        step_seconds=median_seconds(step, repeats, device),
        step_bytes=step_bytes,
    )


def random_batch(sequences: int, frames: int, size: tuple[int, int], device: torch.device | str) -> GaitBatch:
    """Silhouettes of noise with SMPL truth, two sequences of each subject, all frames real."""
    shape = (sequences, frames)
    truth = SmplTruth(
        poses=0.1 * torch.randn(*shape, 72),
        betas=torch.randn(*shape, 10),
        cameras=torch.tensor([size[0] / 1.8, size[1] / 2, size[0] / 2]).expand(*shape, 3).clone(),
        valid=torch.ones(shape, dtype=torch.bool),
    )
    pictures = (torch.rand(*shape, *size) > 0.5).float()
    index = torch.arange(sequences)
    return GaitBatch(pictures, torch.ones(shape, dtype=torch.bool), index // 2, index, truth).to(device)


def count_parameters(network: nn.Module) -> dict[str, int]:
    """Parameters by branch."""
    counts = {
        branch: sum(p.numel() for name in names for p in _parameters(network, name))
        for branch, names in BRANCHES.items()
    }
    counts["total"] = sum(p.numel() for p in network.parameters())
    counts["without_classifier"] = counts["total"] - sum(p.numel() for p in _parameters(network, "classify"))
    return counts


def _parameters(network: nn.Module, name: str) -> Iterator[nn.Parameter]:
    part = getattr(network, name, None)
    return iter(()) if part is None else part.parameters()


def count_flops(network: MeshGait, batch: GaitBatch) -> dict[str, float]:
    """FLOPs of inference on a batch, by branch."""
    network.eval()
    # with gradients, as without them the volumes are read by blocks, outside of the counted modules
    with warnings.catch_warnings(), FlopCounterMode(display=False) as counter:
        network(batch.silhouettes, batch.mask, smpl=batch.truth)
    by_module = {name: float(sum(ops.values())) for name, ops in counter.get_flop_counts().items()}
    root = type(network).__name__
    counts = {
        branch: sum(by_module.get(f"{root}.{name}", 0.0) for name in names) for branch, names in BRANCHES.items()
    }
    total = float(counter.get_total_flops())
    return counts | {"other": total - sum(counts.values()), "total": total}


def training_step(stage: RecogniseStage, batch: GaitBatch) -> Callable[[], None]:
    """One step of the stage on a batch: losses, gradients, SGD with momentum."""
    stage.train()
    optimizer = torch.optim.SGD([p for p in stage.parameters() if p.requires_grad], lr=1e-4, momentum=0.9)

    def step() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # there is no trainer to log to
            stage.training_step(batch, 0).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


@contextmanager
def branch_times(network: nn.Module, device: torch.device) -> Iterator[dict[str, float]]:
    """Seconds that the modules of a network take in total, by branch, while the context is open."""
    spent = dict.fromkeys(BRANCHES, 0.0)
    begun: dict[nn.Module, float] = {}
    handles = []
    for branch, names in BRANCHES.items():
        for part in (getattr(network, name, None) for name in names):
            if part is None:
                continue

            def before(module: nn.Module, _: object) -> None:
                begun[module] = _now(device)

            def after(module: nn.Module, _: object, __: object, branch: str = branch) -> None:
                spent[branch] += _now(device) - begun.pop(module)

            handles += [part.register_forward_pre_hook(before), part.register_forward_hook(after)]
    try:
        yield spent
    finally:
        for handle in handles:
            handle.remove()


def median_seconds(action: Callable[[], None], repeats: int, device: torch.device) -> float:
    """Median time of an action, after one run that is not counted."""
    action()
    times = []
    for _ in range(repeats):
        start = _now(device)
        action()
        times.append(_now(device) - start)
    return statistics.median(times)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def peak_bytes(action: Callable[[], None], device: torch.device) -> int | None:
    """Peak memory that PyTorch allocated for an action; None if it cannot be measured (neither CPU nor CUDA)."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        action()
        return torch.cuda.max_memory_allocated(device) - before
    if device.type != "cpu":
        return None
    with torch.profiler.profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        action()
    with TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    changes = sorted((e["ts"], e["args"]["Ev Idx"], e["args"]["Bytes"]) for e in events if e["name"] == "[memory]")
    return max(accumulate((change for *_, change in changes), initial=0))
