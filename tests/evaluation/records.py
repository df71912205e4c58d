"""Records of evaluations with known embeddings, and their comparisons by plain loops."""

from types import SimpleNamespace

import numpy as np
import torch

from meshgait.evaluation.comparisons import pair_distances
from meshgait.evaluation.distances import pairwise


def make(subjects=6, views=3, repeats=2, exclude="same_view", scoring="pooled", seed=0, spread=1.0):
    """A record of persons around centres: gallery and probes in every view, not sorted by person."""
    rng = np.random.default_rng(seed)
    rows = [(s, v, r) for r in range(2 * repeats) for v in range(views) for s in range(subjects)]
    labels, view_of, repeat_of = np.array(rows).T
    centres = rng.normal(size=(subjects, 4, 5))
    embeddings = centres[labels] + spread * rng.normal(size=(len(rows), 4, 5))
    gallery = repeat_of < repeats
    task = SimpleNamespace(
        labels=labels + 3, views=view_of, gallery=gallery, probes={"nm": ~gallery}, exclude=exclude,
        scoring=scoring, view_names=[str(v) for v in range(views)],
    )  # fmt: skip
    return SimpleNamespace(embeddings=embeddings.astype(np.float16), distance="euclidean", task=lambda: task)


def loops(record):
    """(distance, probe label, gallery label) of every pair that counts, one by one."""
    task = record.task()
    vectors = torch.from_numpy(record.embeddings).float()
    between = pairwise(vectors, vectors).numpy()
    found = []
    for i in np.flatnonzero(task.probes["nm"]):
        for j in np.flatnonzero(task.gallery):
            same_view, same = task.views[i] == task.views[j], task.labels[i] == task.labels[j]
            if task.exclude == "same_view" and same_view:
                continue
            if task.exclude == "same_subject_and_view" and same_view and same:
                continue
            found.append((between[i, j], task.labels[i], task.labels[j]))
    return np.array(found)


def arrays(record):
    pairs = list(pair_distances(record, "nm", block_elements=50))
    assert len(pairs) > 1  # in blocks
    return (np.concatenate([getattr(p, kind)() for p in pairs]) for kind in ("mated", "nonmated"))
