"""Embeddings on a Qdrant server, for galleries that outgrow one machine; people stay in the gallery's file.

The file says which embeddings there are: its table of vectors holds the number and a hash of each. The server
holds number, vector and number of the walk; whatever else lies there is passed over. Vectors are added just before
a change of the file is completed and deleted just after it, so that readers of the file find every vector.
Numbers that are about to change are written to a second file first (``people.gallery-changes``): if the process is
killed or the server fails in between, the next who opens or changes the gallery deletes from the server those of
them that the gallery's file does not name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from meshgait.atomic import atomic_file
from meshgait.errors import GalleryError, MeshGaitError
from meshgait.gallery.database import Database
from meshgait.gallery.vectors import (
    Hit,
    Recheck,
    digest,
    require_shape,
    strip_distances,
    vector_shape,
    walk_of,
)

if TYPE_CHECKING:
    from meshgait.gallery.qdrant_collection import QdrantCollection

CANDIDATES = 50
"""Vectors that the server finds by the Euclidean distance of the concatenated strips, to be compared exactly."""
AT_A_TIME = 256


class QdrantVectors:
    """Vectors on a server. What changes them is called within ``database.writing()``.

    Args:
        database: the open gallery.
        collection: of the server; it is made when the first vectors come.

    Raises:
        GalleryError: the server does not answer, or lacks vectors of the gallery.
    """

    def __init__(self, database: Database, collection: QdrantCollection) -> None:
        self._database, self._collection = database, collection
        self._journal = database.path.with_name(f"{database.path.name}-changes")
        self._added: dict[int, np.ndarray] = {}
        self._deleted: set[int] = set()
        with database.reading():  # no change is completed meanwhile
            known = self.count()
            if known:
                collection.require_size(int(np.prod(vector_shape(database))))
                there = collection.count()
                if there < known:
                    raise GalleryError(
                        f"{collection} lacks {known - there} of {known} embeddings that {database.path} names; "
                        "restore the server's snapshot of this gallery"
                    )
            else:
                collection.exists()  # so that a server that does not answer is named now
        self._finish()
        database.partner = self

    def add(self, ids: Sequence[int], vectors: np.ndarray) -> None:
        """Keep vectors (N, S, D) under new numbers; they are sent when the change is made."""
        require_shape(self._database, vectors)
        new = {int(number): np.array(vector, np.float32) for number, vector in zip(ids, vectors, strict=True)}
        rows = [(number, digest(vector)) for number, vector in new.items()]
        self._database.change_many("INSERT INTO vectors VALUES (?, ?)", rows)
        self._added |= new

    def search(self, vector: np.ndarray, k: int, without: Collection[int] = ()) -> list[Hit]:
        """The nearest of the server's candidates, compared exactly.

        Raises:
            GalleryError: the server does not answer, or returns something else than was enrolled.
        """
        found, left_out = {}, set(without)
        while self.count():
            found = self._collection.nearest(vector, max(k, CANDIDATES), left_out)
            known = self._known(list(found))
            unknown = found.keys() - known.keys()  # of a change that is being made, or was not finished
            if not unknown:
                break
            left_out |= unknown
        if not found:
            return []
        ids = np.array(list(found), np.int64)
        distances = strip_distances(vector, self._checked(found, known))
        nearest = np.lexsort((ids, distances))[:k]
        return [Hit(int(ids[place]), float(distances[place])) for place in nearest]

    def read(self, ids: Sequence[int]) -> np.ndarray:
        """Vectors (N, S, D) of numbers (N,).

        Raises:
            GalleryError: one is not there, or is not what was enrolled.
        """
        wanted = [int(number) for number in ids]
        known = self._known(wanted)
        found = self._collection.get(wanted) if wanted else {}
        if any(number not in found or number not in known for number in wanted):
            raise GalleryError(f"{self._collection} lacks an embedding; restore the server's snapshot")
        return self._checked({number: found[number] for number in wanted}, known)

    def delete(self, ids: Sequence[int]) -> None:
        """Remove vectors; the server is asked to when the change is made."""
        numbers = [int(number) for number in ids]
        self._deleted |= self._known(numbers).keys()
        self._database.change_many("DELETE FROM vectors WHERE id = ?", [(number,) for number in numbers])

    def count(self) -> int:
        """How many there are."""
        return self._database.rows("SELECT count(*) FROM vectors")[0][0]

    def iterate(self) -> Iterator[tuple[int, np.ndarray]]:
        """Number and vector of each, in the order of the numbers."""
        ids = [row[0] for row in self._database.rows("SELECT id FROM vectors ORDER BY id")]
        for start in range(0, len(ids), AT_A_TIME):
            some = ids[start : start + AT_A_TIME]
            yield from zip(some, self.read(some), strict=True)

    def recheck(self, ids: Sequence[int], vectors: np.ndarray) -> Recheck:
        """Ask the server for vectors that were deleted: by number, by walk, and for the nearest to each."""
        numbers, where = [int(number) for number in ids], self._collection
        by_number = len(where.get(numbers))
        by_walk = where.count(sorted({walk_of(number)[0] for number in numbers}))
        # the same numbers under another number, unless it is somebody else's walk that gives them
        nearest = [where.nearest(vector, 1) for vector in vectors] if self.count() else []
        alike = sum(
            np.array_equal(found, vector.reshape(-1))
            for vector, hits in zip(vectors, nearest, strict=False)
            for number, found in hits.items()
            if number not in self._known([number])
        )
        left = {"by number": by_number, "by walk": by_walk, "by nearest neighbour": alike}
        return Recheck(
            tuple(f"{where} ({count} found {how})" for how, count in left.items() if count),
            (
                f"{where} was asked for {len(numbers)} embeddings by number, by walk and by nearest neighbour; it "
                f"holds {where.count()} now, the gallery {self.count()}. Its disk cannot be searched from here: "
                "deleted bytes are there until its optimiser has rewritten their segments and its log, and in its "
                "snapshots",
            ),
        )

    def before_commit(self) -> None:
        """Send what was added, once all else of a change is done.

        Raises:
            GalleryError: the server does not answer, or another file uses its collection.
        """
        if not self._added and not self._deleted:
            return
        self._clean_up()
        with atomic_file(self._journal) as temporary:
            temporary.write_bytes(np.array([*self._added, *self._deleted], "<i8").tobytes())
        if not self._added:
            return
        vectors = np.stack(list(self._added.values()))
        self._collection.make(int(np.prod(vectors.shape[1:])))
        if taken := self._collection.get(list(self._added)):
            self._journal.unlink()
            raise GalleryError(
                f"{self._collection} has {len(taken)} of the new numbers already, so another copy of "
                f"{self._database.path} writes to it; use that copy"
            )
        self._collection.put(list(self._added), vectors)

    def after_change(self, made: bool) -> None:
        """Delete from the server what the file does not name any more, or never came to name.

        Raises:
            GalleryError: the server does not answer.
        """
        self._added, self._deleted = {}, set()
        if not made:
            with suppress(MeshGaitError):  # the reason of the failed change is reported already
                self._finish()
            return
        try:
            self._finish()
        except GalleryError as error:
            raise GalleryError(
                f"{self._database.path} is changed, but the server still holds what was deleted: {error}; whoever "
                "opens the gallery next deletes it there"
            ) from error

    def close(self) -> None:
        """Close the connection."""
        self._collection.close()

    def _finish(self) -> None:
        if self._journal.exists():
            with self._database.alone():
                self._clean_up()

    def _clean_up(self) -> None:
        """Finish the change whose numbers were noted; while nobody else writes, so that it is over."""
        if not self._journal.exists():
            return
        content = self._journal.read_bytes()
        noted = np.frombuffer(content, "<i8", len(content) // 8).tolist()
        known = self._known(noted)
        self._collection.remove([number for number in noted if number not in known or number in self._added])
        self._journal.unlink(missing_ok=True)

    def _known(self, ids: Sequence[int]) -> dict[int, bytes]:
        """Hashes of those of the vectors that the file names."""
        known: dict[int, bytes] = {}
        for start in range(0, len(ids), AT_A_TIME):
            some = tuple(ids[start : start + AT_A_TIME])
            marks = ",".join("?" * len(some))
            known |= dict(self._database.rows(f"SELECT id, embedding FROM vectors WHERE id IN ({marks})", some))
        return known

    def _checked(self, found: dict[int, np.ndarray], known: dict[int, bytes]) -> np.ndarray:
        """Vectors (N, S, D), if they are what was enrolled."""
        strips, channels = vector_shape(self._database)
        vectors = np.empty((len(found), strips, channels), np.float32)
        for place, (number, vector) in enumerate(found.items()):
            if vector.size != strips * channels or digest(vector) != known[number]:
                raise GalleryError(
                    f"{self._collection} holds an embedding that is not the enrolled one; restore the server's "
                    "snapshot of this gallery"
                )
            vectors[place] = vector.reshape(strips, channels)
        return vectors
