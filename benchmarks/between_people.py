"""How well differences between people survive reconstruction, beside the mean error (docs/what-3d-brings.md).

    python -m benchmarks.between_people STORE [MODEL]

reads joints and markers of the held-out walkers of STORE, true and reconstructed, turned to the walker's heading.
A network that always answered with the mean person would have a fair MPJPE and tell nobody apart, so this prints

- correlation over people between true and reconstructed values, of bone lengths and of the mean points of a walk
  (median over bones, over coordinates): of means over all walks of a person, and of single walks with the person's
  true mean, within one condition and view (mean over these);
- spread: standard deviation over people of the reconstructed values over that of the true ones; below 1 it is
  drawn towards the mean person;
- rank-1 by the walkers' protocol of mean and standard deviation of the points alone, compared as they are.

Lengths are in pixels of the crop, in which everyone is equally tall: stature does not count.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange

import meshgait
from benchmarks.posture_alone import read_points
from meshgait.body.skeleton import NUM_JOINTS, PARENTS
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.evaluation.scoring import evaluate
from meshgait.models.posture import temporal_moments, turn_to_front


class WalkValues(NamedTuple):
    """Values of N walks.

    Attributes:
        bones: (N, 23) mean lengths.
        points: (N, 3 K) mean turned points.
        moments: (N, 1, 6 K) mean and standard deviation of the turned points.
    """

    bones: np.ndarray
    points: np.ndarray
    moments: torch.Tensor


def main() -> None:
    """Read the points, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", help="packed store of walkers")
    parser.add_argument("model", nargs="?", help="checkpoint or exported model; by default the shipped one")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    data = SilhouetteDataModule(arguments.store)
    network = meshgait.load(arguments.model).network.reconstructor()
    tested = np.flatnonzero(data.split.test)
    true, reconstructed = (walk_values(points) for points in read_points(data, network, tested))
    table = data.store.sequences
    people = np.array([table[i].subject for i in tested])
    cells = np.array([f"{table[i].condition} {table[i].view}" for i in tested])
    figures = {
        name: compare(getattr(true, name), getattr(reconstructed, name), people, cells)
        for name in ("bones", "points")
    }
    for name, values in (("true", true), ("reconstructed", reconstructed)):
        whole = torch.zeros(len(table), *values.moments.shape[1:])
        whole[tested] = values.moments
        figures[f"rank-1 of {name} points"] = {
            kind: score.rank1 for kind, score in evaluate(whole, data.selection).items()
        }
    for name, row in figures.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in row.items()), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


def walk_values(walks: list[torch.Tensor]) -> WalkValues:
    """Values of walks of points (T, K, 3) in crop pixels."""
    bones, points, moments = [], [], []
    for walk in walks:
        mask = torch.ones(1, len(walk), dtype=torch.bool)
        turned = turn_to_front(walk[None], mask)
        joints = turned[0, :, :NUM_JOINTS]
        bones.append((joints[:, 1:] - joints[:, list(PARENTS[1:])]).norm(dim=-1).mean(0).numpy())
        points.append(rearrange(turned[0].mean(0), "k xyz -> (k xyz)").numpy())
        moments.append(temporal_moments(rearrange(turned, "b t k xyz -> b t (k xyz)"), mask))
    return WalkValues(np.stack(bones), np.stack(points), torch.stack(moments))


def compare(true: np.ndarray, found: np.ndarray, people: np.ndarray, cells: np.ndarray) -> dict[str, float]:
    """Correlations and spread between people.

    Args:
        true: (N, Q) values of N walks.
        found: (N, Q) the same, reconstructed.
        people: (N,) who walks.
        cells: (N,) condition and view.
    """
    true_means, found_means = (person_means(values, people) for values in (true, found))
    each = [correlation(*pair) for pair in _by_cell(true_means, found, people, cells)]
    return {
        "correlation of people's means": float(np.median(correlation(true_means, found_means))),
        "correlation of single walks": float(np.median(np.mean(each, axis=0))),
        "spread": float(np.median(found_means.std(0) / true_means.std(0))),
    }


def person_means(values: np.ndarray, people: np.ndarray) -> np.ndarray:
    """(P, Q) mean over the walks of each person, in the order of their names."""
    return np.stack([values[people == name].mean(0) for name in np.unique(people)])


def _by_cell(
    true_means: np.ndarray, found: np.ndarray, people: np.ndarray, cells: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """True means of people and what was found in their walks of one condition and view."""
    place = np.searchsorted(np.unique(people), people)
    for cell in np.unique(cells):
        yield true_means[place[cells == cell]], found[cells == cell]


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(Q,) Pearson's correlation of the columns of (P, Q) twice."""
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0)).clip(min=1e-12)


if __name__ == "__main__":
    main()
