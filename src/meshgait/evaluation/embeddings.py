"""Embeddings of sequences as a file that any system can write: by `meshgait predict`, for `meshgait evaluate`.

An .npz, or a folder of .npy files of the same names (whose embeddings are memory-mapped), with, in one order:

- ``embeddings``: (N, dim, strips) or (N, dim), float16, float32 or float64;
- ``labels``, ``types``, ``views``: (N,) strings or integers: the person, the condition or sequence (``nm-01``),
  the view or camera;
- ``probe_set``, where the protocol lists its probes: strings ``label-type-view``;
- ``split``, if training sequences are among them: (N,) strings, ``train`` for those that must not be scored.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from meshgait.arrays import map_npy, npz_names, read_npz, write_npz
from meshgait.atomic import atomic_file
from meshgait.errors import DataError
from meshgait.text import shown
from meshgait.textfiles.words import BREAKING

COLUMNS = ("labels", "types", "views")
FLOATS = (np.float16, np.float32, np.float64)
EXTRA = ("probe_set", "split")
FORM = "embeddings (N, dim, strips) or (N, dim), labels, types, views (N,)"


@dataclass(frozen=True)
class Embeddings:
    """Embeddings and what each sequence is.

    Attributes:
        vectors: (N, S, D) of any float type; a view of what was read, not a copy.
        labels, types, views: (N,) strings.
        probe_set: strings "label-type-view", may be empty.
        training: (N,) bool, sequences that are not to be scored.
        numbered: whether the labels were given as numbers, so that leading zeros mean nothing.
        source: where it was read, for error messages.
    """

    vectors: Tensor
    labels: np.ndarray
    types: np.ndarray
    views: np.ndarray
    probe_set: frozenset[str] = field(default=frozenset())
    training: np.ndarray | None = None
    numbered: bool = False
    source: str = "embeddings"

    @classmethod
    def read(cls, path: Path | str) -> Embeddings:
        """From an .npz file or a folder of .npy files.

        Raises:
            DataError: it is missing or damaged, an array is missing, or the arrays do not belong together.
        """
        arrays = _arrays(Path(path))
        if missing := [name for name in ("embeddings", *COLUMNS) if name not in arrays]:
            raise DataError(
                f"{path} lacks {', '.join(missing)} (it has {', '.join(sorted(arrays)) or 'nothing'})",
                f"write {FORM}",
            )
        embeddings = arrays["embeddings"]
        if embeddings.dtype not in FLOATS or embeddings.ndim not in (2, 3) or 0 in embeddings.shape:
            raise DataError(
                f"{path}: embeddings are {embeddings.dtype} {embeddings.shape}",
                "they must be float16, float32 or float64, (N, dim, strips) or (N, dim)",
            )
        columns = {name: _words(arrays[name], f"{path}: {name}") for name in arrays if name in COLUMNS + EXTRA}
        for name in (*COLUMNS, "split"):
            if name in columns and columns[name].shape != embeddings.shape[:1]:
                raise DataError(
                    f"{path}: {name} are {columns[name].shape}, but there are {len(embeddings)} embeddings",
                    "give one for each, in the same order",
                )
        if arrays["views"].dtype.kind in "iu":  # degrees: as text they shall sort as numbers do
            columns["views"] = np.char.zfill(columns["views"], 3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nothing writes to a file that is mapped for reading
            vectors = torch.from_numpy(np.ascontiguousarray(embeddings) if embeddings.ndim == 2 else embeddings)
        pattern = "n d s -> n s d" if embeddings.ndim == 3 else "n d -> n 1 d"
        split = columns.get("split")
        return cls(
            rearrange(vectors, pattern),
            columns["labels"],
            columns["types"],
            columns["views"],
            probe_set=frozenset(columns["probe_set"].ravel().tolist()) if "probe_set" in columns else frozenset(),
            training=None if split is None else split == "train",
            numbered=arrays["labels"].dtype.kind in "iu",
            source=str(path),
        )

    def write(self, path: Path | str) -> None:
        """As .npz, whole (temporary name, then renamed).

        Raises:
            OutputError: the place cannot be written.
        """
        arrays: dict[str, np.ndarray] = {"embeddings": rearrange(self.vectors, "n s d -> n d s").numpy()}
        arrays |= {name: np.asarray(getattr(self, name), str) for name in COLUMNS}
        if self.probe_set:
            arrays["probe_set"] = np.array(sorted(self.probe_set))
        if self.training is not None:
            arrays["split"] = np.where(self.training, "train", "test")
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            write_npz(file, arrays)

    def spelled(self, names: frozenset[str]) -> frozenset[str]:
        """Those of ``names`` (labels, or "label-type-view") that occur here, as they are spelled here."""
        wanted = {self._plain(name) for name in names}
        own = {str(label) for label in np.unique(self.labels)}
        own |= {"-".join(walk) for walk in zip(self.labels, self.types, self.views, strict=True)}
        return frozenset(name for name in own if self._plain(name) in wanted)

    def _plain(self, name: str) -> str:
        return name.lstrip("0") if self.numbered else name


def _arrays(path: Path) -> Mapping[str, np.ndarray]:
    """Content of the file or folder."""
    known = ("embeddings", *COLUMNS, *EXTRA)
    remedy = f"give an .npz with {FORM}, strings as a string array, not as objects"
    if path.is_dir():
        files = [path / f"{name}.npy" for name in known if (path / f"{name}.npy").is_file()]
        try:
            return {file.stem: map_npy(file) for file in files}
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read ({error})", remedy) from None
    names = npz_names(path, remedy)
    arrays = read_npz(path, known, remedy)
    return {name: arrays.get(name, np.zeros(0)) for name in names}


def _words(column: np.ndarray, where: str) -> np.ndarray:
    """Strings of a column of strings, bytes or integers."""
    if column.dtype.kind == "S":
        try:
            column = np.char.decode(column, "utf-8")
        except UnicodeDecodeError:
            raise DataError(f"{where} are bytes that are no UTF-8", "write them as strings") from None
    if column.dtype.kind not in "Uiu":
        raise DataError(f"{where} are {column.dtype}", "they must be strings or integers")
    words = np.asarray(column).astype(str)
    if broken := next((word for word in np.unique(words).tolist() if BREAKING.search(word)), ""):
        raise DataError(f"{where} hold {shown(broken)!r}, with a line break or control character", "rename it")
    return words
