"""Rank-1 on real people of networks that never saw a real person, and of mean silhouettes (GEI).

    python -m benchmarks.zero_shot MODEL... --real ../shared/data --json runs/bench/zero-shot.json

MODEL is a checkpoint, a run folder, or the folder of an exported model. Nothing is trained on these people.

- USF HumanID: enrolled with the gallery, seven probes, scored by person. "usf" leaves the figures where they stand
  in the published frames, "usf cropped" applies the crop rule first, as every other reader of this package does.
- KTH: enrolled outdoors (d1), every pass of d2 (growing or shrinking figure), d3 (other clothes) and d4 (indoors)
  is a probe. "kth" compares the passes as they are; "kth mirrored" takes the nearer of a probe and its mirror
  image, for half of the passes go to the other side. Probes to the left and to the right are counted apart, too.

A network with posture parts gives three rows: the whole embedding, its strips alone, its posture parts alone.
`--walkers STORE` also measures held-out walkers by their protocol.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

import meshgait
from benchmarks.real_sets import RealWalk, enlarged, kth_walks, mirrored, usf_walks
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.errors import DataError
from meshgait.evaluation.distances import pairwise
from meshgait.evaluation.gei import gei
from meshgait.evaluation.ranking import LabelledEmbeddings, subject_distances
from meshgait.evaluation.scoring import evaluate
from meshgait.progress import track
from meshgait.recogniser import Recogniser

Embed: TypeAlias = Callable[[Sequence[np.ndarray]], dict[str, Tensor]]
"""Silhouettes (T, 64, 44) uint8 of N walks to embeddings (N, S, D), by the name of the row they make."""
Rates: TypeAlias = dict[str, float]


def main() -> None:
    """Measure every model on every set that is present, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="checkpoints, run folders or exported models; none: GEI alone")
    parser.add_argument("--real", type=Path, default=Path("../shared/data"), help="folder of usf_humanid and kth")
    parser.add_argument("--walkers", type=Path, help="packed store of walkers, whose held-out people are measured")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    embedders = {"GEI": mean_silhouettes} | {model: network(model) for model in arguments.models}
    tables: dict[str, dict[str, Rates]] = {}
    for model, embed in embedders.items():
        found = measured(arguments.real, "usf", usf_walks, usf_rates, embed)
        found |= measured(arguments.real, "kth", kth_walks, kth_rates, embed)
        if arguments.walkers:
            found["walkers"] = walker_rates(arguments.walkers, embed)
        for table, rows in found.items():
            for row, rates in rows.items():
                name = f"{model}{row}"
                tables.setdefault(table, {})[name] = rates
                each = ", ".join(f"{probe} {rate:.1f}" for probe, rate in rates.items())
                print(f"{table}: {name}: {each}", flush=True)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(tables, indent=1))


def measured(
    folder: Path,
    name: str,
    read: Callable[[Path], list[RealWalk]],
    rates: Callable[[list[RealWalk], Embed], dict[str, dict[str, Rates]]],
    embed: Embed,
) -> dict[str, dict[str, Rates]]:
    """Tables of a set, none where it is absent."""
    try:
        return rates(read(folder), embed)
    except DataError as error:
        print(f"{name} is left out: {error}")
        return {}


def mean_silhouettes(walks: Sequence[np.ndarray]) -> dict[str, Tensor]:
    """GEI as embeddings of one strip."""
    return {"": torch.from_numpy(np.stack([gei(frames).reshape(1, -1) for frames in walks]))}


def network(path: str) -> Embed:
    """Embeddings of a network, and of its strips and posture parts alone where it has both."""
    checkpoint = Path(path) / "checkpoints" / "last.ckpt"
    model: Recogniser = meshgait.load(str(checkpoint) if checkpoint.is_file() else path)
    strips = model.network.size.strips

    @torch.inference_mode()
    def embed(walks: Sequence[np.ndarray]) -> dict[str, Tensor]:
        each = []
        for frames in track(walks, "embedding", len(walks), "walks"):
            silhouettes = torch.from_numpy(frames)[None].float() / 255
            each.append(model.stage(silhouettes, torch.ones(1, len(frames), dtype=torch.bool)).embeddings)
        whole = torch.cat(each)
        if whole.shape[1] == strips:
            return {"": whole}
        return {"": whole, ", strips alone": whole[:, :strips], ", posture alone": whole[:, strips:]}

    return embed


def usf_rates(
    walks: list[RealWalk], embed: Embed, alignments: Sequence[str] = ("usf", "usf cropped")
) -> dict[str, dict[str, Rates]]:
    """Rank-1 [%] by person for each probe, and the mean of the seven."""
    labels = torch.tensor([int(walk.person) for walk in walks])
    groups = np.array([walk.group for walk in walks])
    tables: dict[str, dict[str, Rates]] = {}
    for table in alignments:
        rows = embed([enlarged(walk, crop=table == "usf cropped").frames for walk in walks])
        for row, embeddings in rows.items():

            def side(group: str, embeddings: Tensor = embeddings) -> LabelledEmbeddings:
                chosen = torch.from_numpy(groups == group)
                return LabelledEmbeddings(embeddings[chosen], labels[chosen], torch.zeros(int(chosen.sum())))

            rates = {}
            for probe in "ABCDEFG":
                distances, who, among = subject_distances(side(f"Prb{probe}"), side("Gal"), "euclidean")
                rates[probe] = 100.0 * float((among[distances.argmin(1)] == who).float().mean())
            tables.setdefault(table, {})[row] = rates | {"mean": float(np.mean(list(rates.values())))}
    return tables


def kth_rates(walks: list[RealWalk], embed: Embed) -> dict[str, dict[str, Rates]]:
    """Rank-1 [%] of passes enrolled in d1, for each other place, and of all probes."""
    people, places, directions = (
        np.array(column) for column in zip(*((w.person, w.group, w.direction) for w in walks), strict=True)
    )
    plain, turned = (embed([walk.frames for walk in each]) for each in (walks, [mirrored(walk) for walk in walks]))
    gallery, probes = np.flatnonzero(places == "d1"), np.flatnonzero(places != "d1")
    told = directions[probes] != 0
    headings = np.where(directions[probes] > 0, "to the right", "to the left")[told]
    tables: dict[str, dict[str, Rates]] = {"kth": {}, "kth mirrored": {}}
    for row, embeddings in plain.items():
        raw = pairwise(embeddings[probes], embeddings[gallery])
        other = pairwise(turned[row][probes], embeddings[gallery])
        for table, distances in (("kth", raw), ("kth mirrored", torch.minimum(raw, other))):
            right = people[gallery][distances.argmin(1).numpy()] == people[probes]
            tables[table][row] = {
                **rates_by(places[probes], right),
                "all": 100.0 * float(right.mean()),
                **rates_by(headings, right[told]),
            }
    return tables


def rates_by(groups: np.ndarray, right: np.ndarray) -> Rates:
    """Percent of the True of each group."""
    return {str(group): 100.0 * float(right[groups == group].mean()) for group in np.unique(groups)}


def walker_rates(store: Path, embed: Embed, mirror: bool = False) -> dict[str, Rates]:
    """Rank-1 [%] of held-out walkers across views, for each kind of condition, and their mean.

    Args:
        store: packed store of walkers.
        embed: what is measured.
        mirror: turn all walks left to right first, gallery and probes.
    """
    data = SilhouetteDataModule(str(store))
    task = data.selection
    needed = np.flatnonzero(np.logical_or.reduce([task.gallery, *task.probes.values()]))
    walks = [data.store.silhouettes(int(index)) for index in needed]
    rows = embed([np.ascontiguousarray(walk[..., ::-1]) for walk in walks] if mirror else walks)
    result = {}
    for row, embeddings in rows.items():
        scores = evaluate(embeddings, task, indices=torch.from_numpy(needed))
        rates = {condition: score.rank1 for condition, score in scores.items()}
        result[row] = rates | {"mean": _mean(rates.values())}
    return result


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


if __name__ == "__main__":
    main()
