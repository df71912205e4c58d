"""Where the embeddings of a gallery lie and how the nearest are found: one interface, by default SQLite and numpy.

Each enrolled walk has two vectors, that of the walk and that of its mirror image, so that a walk in the other
direction can be compared as well. `vector_id` numbers them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from meshgait.errors import GalleryError
from meshgait.gallery.database import Database

STRIPS, CHANNELS = "strips", "channels"
"""Facts: the shape of a vector."""
BLOCK = 128
"""Vectors that are compared at a time: what is computed of them stays in the processor's cache."""
MOST_NUMBERS = 1 << 20
"""Of a vector; the largest network has a fiftieth of it."""


class Hit(NamedTuple):
    """A vector that was found, and its distance."""

    id: int
    distance: float


class Recheck(NamedTuple):
    """Result of a search for deleted vectors: where some were found, and remarks, both as text."""

    found: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class VectorStore(Protocol):
    """Embeddings (S, D) float32 by number, compared by the mean over strips of Euclidean distances."""

    def add(self, ids: Sequence[int], vectors: np.ndarray) -> None:
        """Keep vectors (N, S, D) under new numbers (N,)."""

    def search(self, vector: np.ndarray, k: int, without: Collection[int] = ()) -> list[Hit]:
        """The ``k`` nearest vectors to one (S, D), nearest first, those numbered ``without`` left out."""

    def read(self, ids: Sequence[int]) -> np.ndarray:
        """Vectors (N, S, D) of numbers (N,)."""

    def delete(self, ids: Sequence[int]) -> None:
        """Remove vectors; missing numbers are ignored."""

    def count(self) -> int:
        """How many there are."""

    def iterate(self) -> Iterator[tuple[int, np.ndarray]]:
        """Number and vector (S, D) of each, in the order of the numbers."""

    def recheck(self, ids: Sequence[int], vectors: np.ndarray) -> Recheck:
        """Look for deleted vectors (N, S, D) of numbers (N,) wherever they were, except in the gallery's files."""

    def close(self) -> None:
        """Close what the store has opened itself."""


def digest(vectors: np.ndarray) -> bytes:
    """16 bytes of a hash of vectors, which two arrays have in common only if they are the same."""
    return hashlib.sha256(np.ascontiguousarray(vectors, "<f4").tobytes()).digest()[:16]


def vector_id(walk: int, mirrored: bool) -> int:
    """Number of a walk's vector, or of that of its mirror image."""
    return 2 * walk + mirrored


def walk_of(vector: int) -> tuple[int, bool]:
    """Number of the walk that a vector is of, and whether it is of the mirror image."""
    return vector // 2, bool(vector % 2)


def strip_distances(vector: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distances (N,) of a vector (S, D) to others (N, S, D): mean over strips of the Euclidean distances.

    Differences are squared, not squares subtracted, so that equal vectors have distance 0 and small distances all
    their digits.
    """
    result = np.empty(len(others), np.float32)
    for start in range(0, len(others), BLOCK):
        difference = others[start : start + BLOCK] - vector
        squares = np.einsum("nsd,nsd->ns", difference, difference)
        result[start : start + BLOCK] = np.sqrt(squares).mean(axis=1)
    return result


class SqliteVectors:
    """Vectors in the gallery's own file, so that they change together with people and walks.

    Those of all walks are held in memory from the first search on, until another process changes the gallery.

    Args:
        database: the open gallery.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._generation = -1
        self._ids = np.empty(0, np.int64)
        self._vectors = np.empty((0, 0, 0), np.float32)

    def add(self, ids: Sequence[int], vectors: np.ndarray) -> None:
        """Keep vectors (N, S, D) under new numbers; within a change of the database."""
        require_shape(self._database, vectors)
        blobs = (np.ascontiguousarray(vector, "<f4").tobytes() for vector in vectors)
        self._database.change_many("INSERT INTO vectors VALUES (?, ?)", zip(map(int, ids), blobs, strict=True))

    def search(self, vector: np.ndarray, k: int, without: Collection[int] = ()) -> list[Hit]:
        """The nearest, exactly; of equally near ones that with the smaller number first."""
        self._load()
        distances = strip_distances(vector, self._vectors)
        counted = np.flatnonzero(~np.isin(self._ids, list(without))) if without else np.arange(len(self._ids))
        if len(counted) > k:  # all that are as near as the k-th, so that the choice among equal ones is not random
            limit = np.partition(distances[counted], k - 1)[k - 1]
            counted = counted[distances[counted] <= limit]
        nearest = counted[np.lexsort((self._ids[counted], distances[counted]))][:k]
        return [Hit(int(self._ids[place]), float(distances[place])) for place in nearest]

    def read(self, ids: Sequence[int]) -> np.ndarray:
        """Vectors (N, S, D) of numbers (N,).

        Raises:
            GalleryError: one is not there, or damaged.
        """
        if self._generation == self._database.generation:
            places = np.searchsorted(self._ids, ids)
            if np.array_equal(self._ids[np.minimum(places, len(self._ids) - 1)], ids):
                return self._vectors[places]
        shape = vector_shape(self._database)
        vectors = np.empty((len(ids), *shape), np.float32)
        for place, number in enumerate(ids):
            rows = self._database.rows("SELECT embedding FROM vectors WHERE id = ?", (int(number),))
            if not rows:
                raise GalleryError(f"{self._database.path} lacks an embedding; restore a copy")
            vectors[place] = self._decoded(rows[0][0], shape)
        return vectors

    def delete(self, ids: Sequence[int]) -> None:
        """Remove vectors from the file and from memory; within a change of the database."""
        self._database.change_many("DELETE FROM vectors WHERE id = ?", [(int(number),) for number in ids])
        self._generation, self._ids, self._vectors = -1, self._ids[:0], self._vectors[:0]

    def count(self) -> int:
        """How many there are."""
        return self._database.rows("SELECT count(*) FROM vectors")[0][0]

    def iterate(self) -> Iterator[tuple[int, np.ndarray]]:
        """Number and vector of each, in the order of the numbers."""
        shape = vector_shape(self._database)
        for number, blob in self._database.stream("SELECT id, embedding FROM vectors ORDER BY id"):
            yield number, self._decoded(blob, shape)

    def recheck(self, ids: Sequence[int], vectors: np.ndarray) -> Recheck:
        """Nothing: they lay in the gallery's file, which is searched."""
        return Recheck()

    def close(self) -> None:
        """Nothing: the database is closed by itself."""

    def _load(self) -> None:
        """Read all vectors, unless those in memory are still the ones in the file."""
        with self._database.reading():
            if self._generation == (generation := self._database.generation):
                return
            shape = vector_shape(self._database)
            rows = self._database.rows("SELECT id, embedding FROM vectors ORDER BY id")
        vectors = np.empty((len(rows), *shape), np.float32)
        for place, (_, blob) in enumerate(rows):
            vectors[place] = self._decoded(blob, shape)
        self._ids = np.array([number for number, _ in rows], np.int64)
        self._vectors, self._generation = vectors, generation

    def _decoded(self, blob: bytes, shape: tuple[int, int]) -> np.ndarray:
        if not isinstance(blob, bytes) or len(blob) != 4 * shape[0] * shape[1]:
            raise GalleryError(f"{self._database.path} holds a damaged embedding; restore a copy")
        vector = np.frombuffer(blob, "<f4").reshape(shape)
        if not np.isfinite(vector).all():
            raise GalleryError(f"{self._database.path} holds an embedding that is not finite; restore a copy")
        return vector


def vector_shape(database: Database) -> tuple[int, int]:
    """(S, D) of a gallery's vectors; (0, 0) where nobody was enrolled yet.

    Raises:
        GalleryError: the file says something impossible.
    """
    strips, channels = database.fact(STRIPS) or "0", database.fact(CHANNELS) or "0"
    if strips.isdecimal() and channels.isdecimal() and max(len(strips), len(channels)) < 8:
        shape = int(strips), int(channels)
        if shape[0] * shape[1] <= MOST_NUMBERS:
            return shape
    raise GalleryError(f"{database.path} is damaged (embeddings of {strips[:9]} x {channels[:9]}); restore a copy")


def require_shape(database: Database, vectors: np.ndarray) -> None:
    """Note the shape of a gallery's first vectors (N, S, D); refuse later ones of another. Within `writing`.

    Raises:
        GalleryError: another shape, or numbers that are not finite.
    """
    if not np.isfinite(vectors).all():
        raise GalleryError("the model gives an embedding that is not finite; use another model or other walks")
    known, shape = vector_shape(database), tuple(vectors.shape[1:])
    if known == (0, 0):
        database.set_fact(STRIPS, str(shape[0]))
        database.set_fact(CHANNELS, str(shape[1]))
    elif shape != known:
        raise GalleryError(
            f"{database.path} holds embeddings of {known[0]} strips of {known[1]} numbers, not of {shape[0]} of "
            f"{shape[1]}; use the model that it was made with"
        )
