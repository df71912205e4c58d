"""Time and memory of scoring beside the bare matrix products that it cannot do without.

    python benchmarks/scoring.py --json scoring.json

Random embeddings of 16 strips of 256 channels, in sizes of CASIA-B (5,500 sequences, cells of 11 x 11 views, with
rank-5, mAP and mINP), Gait3D (1,000 probes, 5,369 gallery sequences, with mAP and mINP) and OUMVLP (5,153
subjects; 4 of its 196 view pairs). Timed in turn: the products alone (float32, strip by strip for the Euclidean
metric, all strips at once for the cosine, into memory that is there already, a condition or view pair at a time),
and `meshgait.evaluation.scoring.evaluate`, which `meshgait evaluate` calls, with everything from the file's array
(N, dim, strips) on. Printed are medians and, as the ratio, the median of each round's ratio, of wall time and of
processor time.

The memory is that of a process of its own which scores random float16 embeddings of all 5,153 x 14 x 2 sequences;
it takes the probes of a few blocks alone, since it does not depend on how many there are.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from meshgait.allocator import reuse_freed_memory
from meshgait.evaluation.scoring import evaluate
from meshgait.progress import track

STRIPS, CHANNELS = 16, 256
SUBJECTS, VIEWS = 5153, 14
MEMORY_PROBES = 1024


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--memory", action="store_true", help="measure the memory of this process alone")
    arguments = parser.parse_args()
    reuse_freed_memory()
    if arguments.memory:
        print(json.dumps(memory()))
        return
    times = []
    for size in arguments.sizes:
        task = TASKS[size]()
        embeddings = random_embeddings(task.labels)
        for threads, metric in product(arguments.threads, ("euclidean", "cosine")):
            torch.set_num_threads(threads)
            times.append({"size": size, "threads": threads, "metric": metric})
            times[-1] |= measure(embeddings, task, metric, arguments.repeats)
            print(
                "{size:9} {threads} threads {metric:9} products {products:6.2f} s, scoring {scoring:6.2f} s, "
                "ratio {ratio:.2f}, of processor time {processor_ratio:.2f}".format(**times[-1]),
                flush=True,
            )
    command = [sys.executable, __file__, "--memory"]
    used = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    print(
        "OUMVLP's {sequences} sequences, float16: {embeddings:.2f} GiB of embeddings, {beside:.2f} GiB beside "
        "them at most (the interpreter with them)".format(**used)
    )
    if arguments.json:
        arguments.json.write_text(json.dumps({"times": times, "memory": used}, indent=1) + "\n")


def table(rows: np.ndarray, gallery: np.ndarray, probes: dict[str, np.ndarray], scoring: str) -> SimpleNamespace:
    """A task of rows (subject, view, number)."""
    labels, views, _ = rows.T
    names = [str(view) for view in range(views.max() + 1)]
    exclude = "same_view" if scoring == "cells" else "none"
    return SimpleNamespace(
        labels=labels,
        views=views,
        gallery=gallery,
        probes=probes,
        exclude=exclude,
        scoring=scoring,
        view_names=names,
    )


def casia_b() -> SimpleNamespace:
    """50 subjects x 11 views x 10 sequences."""
    rows = np.array(list(product(range(50), range(11), range(10))))
    number = rows[:, 2]
    probes = {name: (number >= first) & (number < first + 2) for name, first in (("nm", 4), ("bg", 6), ("cl", 8))}
    return table(rows, number < 4, probes, "cells")


def gait3d() -> SimpleNamespace:
    """1,000 probes, one a subject, and 5,369 gallery sequences, at least one a subject."""
    more = np.random.default_rng(0).integers(1000, size=4369)
    labels = np.concatenate([np.arange(1000), np.arange(1000), more])
    probe = np.arange(len(labels)) < 1000
    rows = np.stack([labels, np.zeros_like(labels), np.zeros_like(labels)], axis=1)
    return table(rows, ~probe, {"probe": probe}, "pooled")


def oumvlp(views: int = 2, probes: int | None = None) -> SimpleNamespace:
    """5,153 subjects in some of the views; of all probes or the first ones alone."""
    rows = np.array(list(product(range(SUBJECTS), range(views), range(2))))
    chosen = (rows[:, 2] == 0) & (np.arange(len(rows)) < (probes or len(rows)) * 2)
    return table(rows, rows[:, 2] == 1, {"nm": chosen}, "cells")


TASKS = {"CASIA-B": casia_b, "Gait3D": gait3d, "OUMVLP": oumvlp}


def random_embeddings(labels: np.ndarray, dtype: type = np.float32) -> Tensor:
    """(N, S, D), a view of an array (N, D, S) around a centre of each label, made block by block."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((int(labels.max()) + 1, 8), dtype=np.float32)
    spread = 0.2 * rng.standard_normal((8, CHANNELS * STRIPS), dtype=np.float32)
    whole = np.empty((len(labels), CHANNELS, STRIPS), dtype)
    for start in range(0, len(labels), 1024):
        own = centres[labels[start : start + 1024]] @ spread
        noisy = own + rng.standard_normal(own.shape, dtype=np.float32)
        whole[start : start + 1024] = rearrange(noisy, "n (d s) -> n d s", s=STRIPS)
    return rearrange(torch.from_numpy(whole), "n d s -> n s d")


def products(embeddings: Tensor, task: SimpleNamespace, metric: str) -> Callable[[], None]:
    """The bare products of each condition; where there is one condition alone, of each pair of views."""
    pattern = "n s d -> 1 n (s d)" if metric == "cosine" else "n s d -> s n d"

    def side(mask: np.ndarray) -> Tensor:
        return rearrange(embeddings[torch.from_numpy(mask)], pattern).contiguous()

    apart = len(task.probes) == 1
    views = [task.views == view for view in np.unique(task.views)] if apart else [task.views >= 0]
    probes = [side(mask & view) for mask in task.probes.values() for view in views]
    gallery = [side(task.gallery & view) for view in views]
    pairs = list(product(probes, gallery))
    out = {len(x[0]) * len(y[0]): torch.empty(len(x[0]), len(y[0])) for x, y in pairs}

    def run() -> None:
        for x, y in pairs:
            for left, right in zip(x, y, strict=True):
                torch.mm(left, right.T, out=out[len(left) * len(right)])

    return run


def measure(embeddings: Tensor, task: SimpleNamespace, metric: str, repeats: int) -> dict[str, float]:
    """Median seconds of both, after a first round that does not count."""
    bare = products(embeddings, task, metric)
    times = []
    for _ in track(range(repeats + 1), f"timing {metric}", repeats + 1, "rounds"):
        begun = clocks()
        bare()
        between = clocks()
        evaluate(embeddings, task, metric)
        times.append((between - begun, clocks() - between))
    wall, processor = rearrange(np.array(times[1:]), "round kind clock -> clock kind round")
    return {
        "products": median(wall[0]),
        "scoring": median(wall[1]),
        "ratio": median(wall[1] / wall[0]),
        "processor_ratio": median(processor[1] / processor[0]),
    }


def clocks() -> np.ndarray:
    """Wall time, and processor time of all threads, which other load on the machine hardly moves."""
    return np.array([time.perf_counter(), time.process_time()])


def memory() -> dict[str, float]:
    """Largest resident memory of this process while it scores OUMVLP's gallery, in GiB."""
    task = oumvlp(VIEWS, MEMORY_PROBES)
    embeddings = random_embeddings(task.labels, np.float16)
    evaluate(embeddings, task)
    held = embeddings.numel() * embeddings.element_size() / 2**30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"sequences": len(embeddings), "embeddings": held, "peak": peak, "beside": peak - held}


if __name__ == "__main__":
    main()
