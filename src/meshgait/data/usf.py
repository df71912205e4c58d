"""USF HumanID gait challenge (real people) into the packed store.

It reads the files published with H. Lu, K. N. Plataniotis and A. N. Venetsanopoulos, *MPCA: Multilinear Principal
Component Analysis of Tensor Objects*, IEEE TNN 2008: ``Gal.npz`` and ``PrbA.npz`` .. ``PrbG.npz`` with ``sil``
(N, 10, 32, 22), 1 = person, and ``label`` (N,); the challenge is Sarkar et al., TPAMI 2005. Each sample is half a
gait cycle of 10 frames and becomes one sequence: subject "001".., condition "Gal-001", "PrbA-001".. (numbered per
person, as a person has several samples), view "000". Label 0 is a person of a probe who is not in the gallery:
subject "000", which closed-set scores leave out.

Figures fill the rows, but their column of half mass wanders by some pixels. Therefore the crop rule is applied
again; after it they lie in the frame as walkers do. That alone lifts the baseline of mean silhouettes (rank-1 %,
probes A to G) from 83 68 61 26 24 9 12 to 100 83 78 20 21 14 17 with grey edges, 97 83 76 23 19 14 17 without.
Doubling with a threshold gives back the coarse pixels as they were, so grey edges are kept (8 bit) by default.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from meshgait.arrays import Expected, read_npz
from meshgait.data.silhouettes import normalise
from meshgait.data.store import StoreWriter
from meshgait.errors import DataError

GALLERY, PROBES = "Gal", tuple(f"Prb{letter}" for letter in "ABCDEFG")
VIEW = "000"


class Sample(NamedTuple):
    """One sample: subject, condition, frames (10, 32, 22) uint8 0..255."""

    subject: str
    condition: str
    frames: np.ndarray


def read_usf(source: Path | str) -> list[Sample]:
    """All samples of a folder, gallery first; probes whose file is absent are left out.

    Raises:
        DataError: the gallery or all probes are missing, or a file is not as published.
    """
    source = Path(source)
    files = [source / f"{name}.npz" for name in (GALLERY, *PROBES)]
    present = [file for file in files if file.is_file()]
    if files[0] not in present or len(present) < 2:
        raise DataError(
            f"{source} lacks Gal.npz or any of PrbA.npz to PrbG.npz", "give the folder of the USF files"
        )
    samples = []
    for file in present:
        silhouettes, labels = _read(file)
        numbers: Counter[int] = Counter()
        for frames, label in zip(silhouettes, labels.tolist(), strict=True):
            numbers[label] += 1
            condition = f"{file.stem}-{numbers[label]:03d}"
            samples.append(Sample(f"{label:03d}", condition, frames * np.uint8(255)))
    return samples


def _read(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Silhouettes (N, T, h, w) uint8 0 or 1 and labels (N,) of one file."""
    arrays = read_npz(file, {"sil": Expected("u", (4,)), "label": Expected("iu", (1,))}, "copy it again")
    silhouettes, labels = arrays["sil"], arrays["label"]
    if labels.shape != silhouettes.shape[:1]:
        raise DataError(
            f"{file} has sil {silhouettes.shape} and label {labels.dtype} {labels.shape}",
            "expected (N, T, h, w) and N whole numbers",
        )
    if silhouettes.dtype != np.uint8 or silhouettes.max(initial=0) > 1 or labels.min(initial=0) < 0:
        raise DataError(f"{file} is not as published: sil must be uint8 0 or 1, label 0 or more")
    return silhouettes, labels


def _in_frame(sample: Sample, size: tuple[int, int], crop: bool) -> np.ndarray:
    """(T, H, W) uint8 in the silhouette frame."""
    if crop:
        found = [normalise(frame, size)[0] for frame in sample.frames]
        frames = [frame for frame in found if frame is not None]
    else:
        frames = [cv2.resize(frame, size[::-1], interpolation=cv2.INTER_CUBIC) for frame in sample.frames]
    if not frames:
        raise DataError(f"USF sample {sample.subject}/{sample.condition} shows nobody", "copy its file again")
    return np.stack(frames)


def pack_usf(
    source: Path | str,
    dest: Path | str,
    size: tuple[int, int] = (64, 44),
    bits: int = 8,
    crop: bool = True,
    track: Callable[[Sequence[Sample]], Iterable[Sample]] = iter,
) -> None:
    """Pack the USF files into a store (protocol "usf").

    Args:
        source: folder of the .npz files.
        dest: the store's folder.
        size: (H, W) of the silhouettes.
        bits: 8 keeps grey edges, 1 is black and white.
        crop: apply the crop rule; False keeps the published alignment.
        track: wraps the samples, for a progress bar.

    Raises:
        DataError: the files are not as published.
        StoreError: DEST exists.
    """
    samples = read_usf(source)
    settings = {"layout": "usf", "size": list(size), "bits": bits, "crop": crop, "sha256": _hashes(Path(source))}
    with StoreWriter(Path(dest), size, bits, source=settings) as writer:
        for sample in track(samples[writer.done :]):
            writer.add(sample.subject, sample.condition, VIEW, _in_frame(sample, size, crop))
        writer.finish(extra={"protocol": "usf"})


def _hashes(source: Path) -> dict[str, str]:
    files = [source / f"{name}.npz" for name in (GALLERY, *PROBES)]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}
