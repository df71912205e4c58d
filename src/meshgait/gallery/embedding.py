"""The model of a gallery: loaded when it is first needed, known by its weights, and applied to walks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from meshgait.gallery.sources import Pass, passes_of
from meshgait.progress import track

if TYPE_CHECKING:
    from meshgait.data.readers import Silhouettes
    from meshgait.gallery.sources import Walks
    from meshgait.recogniser import Recogniser, Walk

CLASSIFIER = "classify."
"""Weights of the training subjects, which embeddings do not depend on and exported models lack."""


class Embedded(NamedTuple):
    """A walk and its mirror image as vectors (2, S, D) float32, and the walk's silhouettes (T, H, W) uint8."""

    vectors: np.ndarray
    silhouettes: np.ndarray


class Embedder:
    """Turns walks into vectors.

    Args:
        model: a loaded model, the path of a checkpoint or an exported model, or None for the model that comes with
            the package.
    """

    def __init__(self, model: Recogniser | str | Path | None) -> None:
        self._model = model
        self._fingerprint = ""

    @property
    def model(self) -> Recogniser:
        """The model, loaded now if it was not.

        Raises:
            DataError: it cannot be read.
            ConfigError: a file that it needs is not given.
        """
        import meshgait

        if self._model is None:
            self._model = meshgait.load()
        elif isinstance(self._model, str | Path):
            self._model = meshgait.load(str(self._model))
        return self._model

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the weights that make embeddings, in hexadecimal digits.

        A checkpoint and the model exported from it have the same; names of weights do not count.
        """
        if not self._fingerprint:
            state = self.model.network.state_dict()
            parts = sorted(
                hashlib.sha256(f"{tuple(value.shape)} {value.dtype}".encode() + _bytes(value.numpy())).digest()
                for name, value in state.items()
                if not name.startswith(CLASSIFIER)
            )
            self._fingerprint = hashlib.sha256(b"".join(parts)).hexdigest()
        return self._fingerprint

    def embed(self, walk: Walk | Callable[[], Walk]) -> Embedded:
        """Read and embed a walk and its mirror image.

        Raises:
            DataError: it cannot be read.
        """
        read = self._read(walk)
        mirrored = replace(read, frames=np.ascontiguousarray(read.frames[:, :, ::-1]))
        return Embedded(self.model.embed([read, mirrored]), read.frames)

    def embed_all(self, passes: Sequence[Pass], task: str) -> list[Embedded]:
        """The same of several passes; ``task`` names it while it lasts."""
        return [self.embed(one.walk) for one in track(passes, task, len(passes), "walks")]

    def embed_people(self, people: Mapping[str, Walks], task: str) -> dict[str, list[np.ndarray]]:
        """Vectors (S, D) of each person's walks, without their mirror images."""
        every = [(name, one) for name, walks in people.items() for one in passes_of(walks)]
        vectors: dict[str, list[np.ndarray]] = {name: [] for name in people}
        for name, one in track(every, task, len(every), "walks"):
            vectors[name].append(self.embed_plain(one.walk))
        return vectors

    def embed_plain(self, walk: Walk | Callable[[], Walk]) -> np.ndarray:
        """Read and embed a walk: (S, D) float32."""
        return self.model.embed(self._read(walk))[0]

    def _read(self, walk: Walk | Callable[[], Walk]) -> Silhouettes:
        read = self.model.read(walk() if callable(walk) else walk)
        if read.frames.shape[1:] == self.model.size:
            return read
        return self.model.read(read.frames)  # a packed store of another size


def _bytes(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array).tobytes()
