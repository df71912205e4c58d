"""The file that GREW's server wants: its probes' labels are not public.

A line per probe: its video, then the subjects of the 20 nearest gallery sequences, nearest first; a subject comes
as often as sequences of it are among them (Zhu et al., ICCV 2021).
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from meshgait.atomic import atomic_file
from meshgait.errors import DataError
from meshgait.evaluation.distances import Comparison, Distance
from meshgait.evaluation.parallel import over_blocks
from meshgait.evaluation.scoring import ROWS, require_finite
from meshgait.progress import track
from meshgait.text import shown
from meshgait.textfiles.words import BREAKING

TOP = 20


def nearest_rows(
    embeddings: Tensor, probes: np.ndarray, gallery: np.ndarray, distance: Distance, top: int = TOP
) -> np.ndarray:
    """Rows (P, top) of the nearest gallery sequences, nearest first, in blocks of probes.

    Args:
        embeddings: (N, S, D).
        probes: (P,) rows of the probes.
        gallery: (G,) rows of the gallery.
        distance: how they are compared.
        top: how many.
    """
    if len(gallery) < top:
        raise DataError(
            f"the gallery has {len(gallery)} sequences, the file names {top} a probe", "embed all of it"
        )
    require_finite(embeddings, range(len(embeddings)))
    comparison = Comparison(embeddings, distance, torch.from_numpy(gallery))

    def block(part: slice) -> np.ndarray:
        distances = comparison.distances(embeddings[torch.from_numpy(probes[part])])
        return gallery[distances.topk(top, largest=False).indices.cpu().numpy()]

    blocks = over_blocks(block, len(probes), ROWS)
    return np.concatenate(list(track(blocks, "comparing", -(-len(probes) // ROWS), "blocks")))


def write_submission(path: Path, videos: np.ndarray, found: np.ndarray) -> None:
    """Write videos (P,) and the subjects found (P, top); subjects that are numbers without leading zeros.

    The server reads names as they are, so nothing is put before one that a spreadsheet takes for a formula.

    Raises:
        DataError: a name would break the rows.
        OutputError: the place cannot be written.
    """
    for name in (*videos.tolist(), *np.unique(found).tolist()):
        if BREAKING.search(name):
            raise DataError(f"the name {shown(name)!r} holds a line break or control character", "rename it")
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["videoId", *(f"rank{place}" for place in range(1, found.shape[1] + 1))])
        for video, subjects in zip(videos, found, strict=True):
            writer.writerow([video, *map(_without_zeros, subjects.tolist())])


def _without_zeros(name: str) -> str:
    return (name.lstrip("0") or "0") if name.isascii() and name.isdigit() else name
