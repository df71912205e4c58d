"""Galleries: how well people of KTH are told from strangers, and what 10,000 walks cost.

    python benchmarks/gallery.py --kth FOLDER --model MODEL --json gallery.json

Open set on silhouettes of the KTH action clips (Schuldt et al., ICPR 2004; `d1.npz` to `d4.npz` with `packed`,
`start`, `frames`, `person`, `direction`, `number`): half of the people, drawn 50 times, are enrolled, all others
are strangers. "other clip": enrolled with all passes of d1, searched with those of d2, d3 and d4. "same clip":
enrolled with the first pass in each direction, searched with the other passes of the clip, each clip by itself.
DIR is the detection and identification rate, 100 % less FNIR, at the largest threshold at which FPIR (share of
the strangers' searches that return a name) is 1 or 10 %; mean and standard deviation over the draws, which share
25 people and so say nothing about others. Distances are those to the enrolled walks ("raw"), or also to their
mirror images ("mirrored", what `meshgait identify` does); GEI is the nearest mean silhouette.

Times: walks with random vectors of the size of the full network's, eight a person, in a new gallery on the disk;
seconds of the processor, and in brackets of the clock. With `--server URL` the same for a gallery whose embeddings
lie on that Qdrant server, in a new collection, which is left there.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np

import meshgait
from meshgait.data.readers import ReadReport, Silhouettes
from meshgait.evaluation.gei import gei
from meshgait.evaluation.openset import Searches, fnir
from meshgait.gallery import searching
from meshgait.gallery.embedding import Embedder
from meshgait.gallery.opened import Opened, create_on_server, open_gallery
from meshgait.gallery.removal import erase
from meshgait.gallery.vectors import strip_distances, vector_id
from meshgait.progress import track

CLIPS, WIDTH = ("d1", "d2", "d3", "d4"), 44
FPIR = np.array([1.0, 10.0])
STRIPS, CHANNELS, PER_PERSON = 20, 128, 8


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kth", type=Path, help="folder of d1.npz to d4.npz; without it times alone are measured")
    parser.add_argument("--model", help="checkpoint or exported model (default: the one that comes with meshgait)")
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--walks", type=int, default=10_000)
    parser.add_argument(
        "--server", metavar="URL", help="also time a gallery with its embeddings on a Qdrant server"
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    result: dict[str, object] = {"times": times(arguments.walks)}
    if arguments.server:
        result["times with a server"] = times(arguments.walks, arguments.server)
    for kind in list(result):
        print(f"{kind}:")
        for name, value in result[kind].items():
            print(
                f"{name}: {value[0]:.3f} s ({value[1]:.3f} s)"
                if isinstance(value, tuple)
                else f"{name}: {value:,}"
            )
    if arguments.kth:
        result["open_set"] = []
        for row in open_set(arguments.kth, arguments.model, arguments.draws):
            result["open_set"].append(row)
            print(
                "{model:6} {distances:8} {setting:10} rank-1 {rank1:4.1f}, DIR {dir[0]:4.1f} ± {sd[0]:4.1f} at "
                "FPIR 1 %, {dir[1]:4.1f} ± {sd[1]:4.1f} at 10 % ({mated:.0f} mated, {nonmated:.0f} non-mated "
                "searches)".format(**row),
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


def times(walks: int, server: str | None = None) -> dict[str, object]:
    """Seconds of the processor and of the clock for a gallery of random vectors, in its file or on a server."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.gallery"
        opened = create_on_server(path, server) if server else open_gallery(path, create=True)
        vectors = rng.standard_normal((walks, 2, STRIPS, CHANNELS), np.float32)  # made before the clock runs
        result: dict[str, object] = {"walks": walks, "insert all": timed(lambda: fill(opened, vectors))}
        probes = rng.standard_normal((21, STRIPS, CHANNELS), np.float32)
        result["first search, which reads the file"] = timed(lambda: search_once(opened, probes[0]))
        result["20 more searches"] = timed(lambda: [search_once(opened, probe) for probe in probes[1:]])
        result["bytes of the file"] = path.stat().st_size
        found = []
        person = [opened.people.get("person 3")]
        result["erase one person and prove it"] = timed(lambda: found.extend(erase(opened, person, "erase")))
        if not found[0].proven:
            raise SystemExit(f"what was erased was found in {found[0].left}")
        opened.close()
    return result


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the processor and of the clock that a piece of work takes."""
    begun = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - begun[0], time.perf_counter() - begun[1]


def fill(opened: Opened, vectors: np.ndarray) -> None:
    """Enrol everybody in one change, as an import does."""
    with opened.database.writing():
        for start in range(0, len(vectors), PER_PERSON):
            person = opened.people.add(f"person {start // PER_PERSON}", "", None)
            for both in vectors[start : start + PER_PERSON]:
                walk = opened.people.add_walk(person, both, 30, "", "")
                opened.vectors.add([vector_id(walk, False), vector_id(walk, True)], both)
        opened.database.changed()


def search_once(opened: Opened, vector: np.ndarray) -> None:
    """What an identification does once the walk is embedded."""
    with opened.database.reading():
        searching.Searches(opened.people, opened.vectors, date.today()).distances([vector])


class Passes:
    """All passes of the clips: clip, person, direction and number (N,), silhouettes (T, H, W) each."""

    def __init__(self, folder: Path) -> None:
        columns: dict[str, list] = {name: [] for name in ("clip", "person", "direction", "number")}
        self.silhouettes: list[np.ndarray] = []
        for clip in CLIPS:
            content = np.load(folder / f"{clip}.npz", allow_pickle=False)
            frames = np.unpackbits(content["packed"], axis=-1)[..., :WIDTH] * np.uint8(255)
            for row, (start, count) in enumerate(zip(content["start"], content["frames"], strict=True)):
                self.silhouettes.append(frames[start : start + count])
                columns["clip"].append(clip)
                for name in ("person", "direction", "number"):
                    columns[name].append(content[name][row])
        self.clip, self.person, self.direction, self.number = (np.array(columns[name]) for name in columns)


def open_set(folder: Path, model: str | None, draws: int) -> Iterator[dict[str, object]]:
    """A row of figures for each model, kind of distances and setting."""
    passes = Passes(folder)
    for name, vectors in {"GEI": gei_vectors(passes), "model": model_vectors(passes, model)}.items():
        # (N, N, 2): of each pass to the walk and to the mirror image of each
        distances = np.stack(
            [np.stack([strip_distances(one[0], vectors[:, side]) for one in vectors]) for side in (0, 1)], axis=2
        )
        for kind, compared in (("raw", distances[..., 0]), ("mirrored", distances.min(axis=2))):
            for setting, groups in (("other clip", other_clip(passes)), ("same clip", same_clip(passes))):
                yield {
                    "model": name,
                    "distances": kind,
                    "setting": setting,
                    **rates(passes, compared, groups, draws),
                }


def gei_vectors(passes: Passes) -> np.ndarray:
    """(N, 2, 1, H * W) mean silhouettes and their mirror images."""
    means = np.stack([gei(silhouettes) for silhouettes in passes.silhouettes])
    return np.stack([means, means[..., ::-1]], axis=1).reshape(len(means), 2, 1, -1)


def model_vectors(passes: Passes, model: str | None) -> np.ndarray:
    """(N, 2, S, D) embeddings of the silhouettes as they are: they are cropped already."""
    embedder = Embedder(meshgait.load(model) if model else None)
    made = []
    for silhouettes in track(passes.silhouettes, "embedding", len(passes.silhouettes), "passes"):
        report = ReadReport("KTH", len(silhouettes), "packed", {})
        made.append(embedder.embed(Silhouettes(silhouettes, np.arange(len(silhouettes)), report)).vectors)
    return np.stack(made)


def other_clip(passes: Passes) -> list[tuple[np.ndarray, np.ndarray]]:
    """(enrolled, searched) passes: d1 and all others."""
    return [(passes.clip == "d1", passes.clip != "d1")]


def same_clip(passes: Passes) -> list[tuple[np.ndarray, np.ndarray]]:
    """(enrolled, searched) passes of each clip: the first in each direction, and the rest."""
    first = np.zeros(len(passes.clip), bool)
    keys = list(zip(passes.clip, passes.person, passes.direction, strict=True))
    for key in set(keys):
        rows = [row for row, other in enumerate(keys) if other == key]
        first[min(rows, key=lambda row: passes.number[row])] = True
    return [((passes.clip == clip) & first, (passes.clip == clip) & ~first) for clip in CLIPS]


def rates(
    passes: Passes, distances: np.ndarray, groups: list[tuple[np.ndarray, np.ndarray]], draws: int
) -> dict[str, object]:
    """Rank-1 with everybody enrolled, and DIR with half of the people, over the draws."""
    people = np.unique(passes.person)
    everybody = search(passes, distances, groups, people)
    found, counts = [], []
    for seed in range(draws):
        enrolled = np.random.default_rng(seed).permutation(people)[: len(people) // 2]
        one = search(passes, distances, groups, enrolled)
        found.append(100 - fnir(one, np.ones(len(one.mated)), FPIR))
        counts.append((one.mated.sum(), (~one.mated).sum()))
    mated, nonmated = np.mean(counts, axis=0)
    return {
        "rank1": 100 * float(everybody.right[everybody.mated].mean()),
        "dir": np.mean(found, axis=0).tolist(),
        "sd": np.std(found, axis=0).tolist(),
        "mated": float(mated),
        "nonmated": float(nonmated),
    }


def search(
    passes: Passes, distances: np.ndarray, groups: list[tuple[np.ndarray, np.ndarray]], enrolled: np.ndarray
) -> Searches:
    """What each searched pass finds among the enrolled people's passes of its group."""
    parts = []
    for gallery, probes in groups:
        columns = np.flatnonzero(gallery & np.isin(passes.person, enrolled))
        block = distances[probes][:, columns]
        nearest = block.argmin(axis=1)
        labels = passes.person[probes]
        mated = np.isin(labels, passes.person[columns])
        right = mated & (passes.person[columns][nearest] == labels)
        parts.append((block.min(axis=1), right, labels, mated))
    return Searches(*(np.concatenate(column) for column in zip(*parts, strict=True)))


if __name__ == "__main__":
    main()
