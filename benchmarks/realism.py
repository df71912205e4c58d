"""How easily synthetic walkers are told from real people, frame by frame; GEI on both.

    python -m benchmarks.realism data/walkers --real ../shared/data --json runs/bench/realism.json

For each store of walkers and each real set that is present (USF HumanID, KTH), two classifiers, logistic
regression and a small convolutional network, learn on frames of 32 x 22 pixels to tell real from synthetic, and
are tested on people they never saw. 50 % is chance: the frames cannot be told apart. Both sets are looked at
from the side (views 60 to 120 and 240 to 300), and every frame may be mirrored. Each pass is cut to the same
size, turned to black and white, and centred by the same rule, so that no trait of a file's format gives it away.

The second table is rank-1 of mean silhouettes (GEI, Euclidean) on the walkers themselves: gallery
nm-01, probes of other conditions, same view and other views.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from benchmarks.real_sets import kth_walks, usf_walks
from meshgait.data.silhouettes import normalise
from meshgait.data.store import Store
from meshgait.errors import DataError
from meshgait.evaluation.gei import gei

SIZE = (32, 22)
SIDE = 30
"""Degrees from 90 or 270 within which a view counts as from the side."""


class Frames(NamedTuple):
    """Silhouettes (N, 32, 22) of 0 and 1, and the person (N,) of each."""

    images: np.ndarray
    people: np.ndarray


def main() -> None:
    """Measure all stores against all real sets, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stores", nargs="+", type=Path, help="packed stores of walkers")
    parser.add_argument("--real", type=Path, default=Path("../shared/data"), help="folder of usf_humanid and kth")
    parser.add_argument(
        "--frames", type=int, default=3000, help="of each kind to learn from; a third as many to test"
    )
    parser.add_argument("--kinds", default="nm", help="of conditions compared: no real set has bags")
    parser.add_argument("--seeds", type=int, default=2, help="splits of people")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    real = real_sets(arguments.real)
    result: dict[str, dict[str, float]] = {}
    for path in arguments.stores:
        store = Store(path)
        row = mean_silhouette_rates(store)
        walkers = walker_frames(store, arguments.kinds.split(","))
        for name, frames in real.items():
            rates = [separability(frames, walkers, arguments.frames, seed) for seed in range(arguments.seeds)]
            for classifier in rates[0]:
                row[f"{name} {classifier}"] = float(np.mean([rate[classifier] for rate in rates]))
        result[path.name] = row
        print(path.name + ": " + ", ".join(f"{key} {value:.1f}" for key, value in row.items()), flush=True)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(result, indent=1))


def real_sets(folder: Path) -> dict[str, Frames]:
    """Real people that are present; says which are missing."""
    found = {}
    for name, read in (("usf", usf_walks), ("kth", kth_walks)):
        try:
            walks = read(folder)
        except DataError as error:
            print(f"{name} is left out: {error}")
            continue
        people = [np.full(len(walk.frames), int(walk.person)) for walk in walks]
        found[name] = Frames(np.concatenate([walk.frames for walk in walks]), np.concatenate(people))
    return found


def walker_frames(store: Store, kinds: Sequence[str] = ("nm",)) -> Frames:
    """Frames of a store as seen from the side, in the given kinds of conditions."""
    rows = enumerate(store.sequences)
    wanted = [(i, row) for i, row in rows if row.condition.split("-")[0] in kinds]
    chosen = [i for i, row in wanted if abs(int(row.view) % 180 - 90) <= SIDE]
    images = [store.silhouettes(i) for i in chosen]
    people = [
        np.full(len(frames), int(store.sequences[i].subject)) for i, frames in zip(chosen, images, strict=True)
    ]
    return Frames(np.concatenate(images), np.concatenate(people))


def _prepared(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Frames (n, 32, 22) float32 0 or 1, filled and centred by the crop rule, half of them mirrored."""
    result = np.zeros((len(images), *SIZE), np.float32)
    for k, image in enumerate(images):
        small = image if image.shape == SIZE else cv2.resize(image, SIZE[::-1], interpolation=cv2.INTER_AREA)
        small = np.where(small > 127, np.uint8(255), np.uint8(0))
        cut, _ = normalise(np.pad(small, ((0, 0), (8, 8))), SIZE)
        if cut is not None:
            result[k] = cut > 127
        if rng.random() < 0.5:
            result[k] = result[k, :, ::-1]
    return result


def separability(real: Frames, walkers: Frames, count: int, seed: int) -> dict[str, float]:
    """Accuracy [%] of each classifier on held-out people, real and synthetic equally often."""
    rng = np.random.default_rng(seed)
    parts: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    for frames in (real, walkers):
        people = rng.permutation(np.unique(frames.people))
        held_out = np.isin(frames.people, people[: len(people) // 3])
        for part, mask, number in (("train", ~held_out, count), ("test", held_out, count // 3)):
            index = np.flatnonzero(mask)
            chosen = rng.choice(index, number, replace=len(index) < number)
            parts[part].append(_prepared(frames.images[chosen], rng))
    x, y = np.concatenate(parts["train"]), np.repeat([0, 1], count)
    x_test, y_test = np.concatenate(parts["test"]), np.repeat([0, 1], count // 3)
    linear = LogisticRegression(C=0.01, max_iter=300).fit(x.reshape(len(x), -1), y)
    answers = {
        "logistic": linear.predict(x_test.reshape(len(x_test), -1)),
        "convolutional": _convolutional(x, y, x_test, seed),
    }
    return {name: 100.0 * float((answer == y_test).mean()) for name, answer in answers.items()}


def _convolutional(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, seed: int, epochs: int = 6) -> np.ndarray:
    """Answers (n,) of a small network trained with Adam."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for before, after in ((1, 12), (12, 24), (24, 32)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.LazyLinear(1))
    images, labels = torch.from_numpy(x)[:, None], torch.from_numpy(y).float()
    network(images[:2])
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            loss = nn.functional.binary_cross_entropy_with_logits(network(images[batch])[:, 0], labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()
    with torch.inference_mode():
        return (network(torch.from_numpy(x_test)[:, None])[:, 0] > 0).numpy().astype(int)


def mean_silhouette_rates(store: Store) -> dict[str, float]:
    """Rank-1 [%] of mean silhouettes: gallery nm-01, probes by condition, within a view and across views."""
    rows = store.sequences
    means = np.stack([gei(store.silhouettes(i)).ravel() for i in range(len(rows))])
    subjects, views = np.array([row.subject for row in rows]), np.array([row.view for row in rows])
    conditions = np.array([row.condition for row in rows])
    rates: dict[str, list[float]] = {}
    for kind in ("nm", "bg", "cl"):
        for view in np.unique(views):
            probe = np.flatnonzero(
                (views == view) & np.char.startswith(conditions, kind) & (conditions != "nm-01")
            )
            for other in np.unique(views) if len(probe) else ():
                gallery = np.flatnonzero((views == other) & (conditions == "nm-01"))
                distance = np.linalg.norm(means[probe, None] - means[None, gallery], axis=-1)
                right = subjects[gallery][distance.argmin(axis=1)] == subjects[probe]
                rates.setdefault(f"GEI {kind} {'same' if view == other else 'cross'}", []).append(
                    100.0 * right.mean()
                )
    return {name: float(np.mean(values)) for name, values in sorted(rates.items(), reverse=True)}


if __name__ == "__main__":
    main()
