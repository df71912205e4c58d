"""A collection of a Qdrant server: numbered vectors, each with the number of the walk that it is of."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from meshgait.errors import ConfigError, GalleryError, ServerError
from meshgait.gallery.vectors import walk_of
from meshgait.text import printable, shortened

KEY = "QDRANT_API_KEY"
"""Variable of the environment that holds the server's key; it is never written anywhere."""
BATCH = 128
"""Points of a request: 2,048 numbers each as JSON are 6 MB, the server takes 32 MB."""
NAME = r"meshgait-[0-9a-f]{16}"
"""Of a gallery's collection."""
PATIENCE = 60
"""Seconds to wait for an answer."""
BREADTH = 256
"""Points that the server's index looks at for a search; more than its default of 100, so that it misses fewer."""


class QdrantCollection:
    """Points (id, vector of N numbers, walk), compared by Euclidean distance, not normalised.

    Args:
        client: of the server, or a local one.
        url: of the server, for messages.
        name: of the collection.
    """

    def __init__(self, client: QdrantClient, url: str, name: str) -> None:
        self._client, self.url, self.name = client, url, name

    def exists(self) -> bool:
        """Whether the server has the collection."""
        with self._reported():
            return self._client.collection_exists(self.name)

    def make(self, size: int) -> None:
        """Make it for vectors of ``size`` numbers, unless it is there."""
        if self.exists():
            self.require_size(size)
            return
        with self._reported():
            self._client.create_collection(
                self.name, vectors_config=models.VectorParams(size=size, distance=models.Distance.EUCLID)
            )

    def require_size(self, size: int) -> None:
        """Refuse a collection that is not for vectors of ``size`` numbers and Euclidean distances.

        Raises:
            GalleryError: it is missing, or for others.
        """
        with self._reported():
            vectors = self._client.get_collection(self.name).config.params.vectors
        if not isinstance(vectors, models.VectorParams):
            raise GalleryError(f"{self} has named vectors, so it is of another program; use another collection")
        if (vectors.size, vectors.distance) != (size, models.Distance.EUCLID):
            raise GalleryError(
                f"{self} is for {vectors.size} numbers and {vectors.distance.value} distance, the gallery needs "
                f"{size} and Euclid; restore the server's snapshot of this gallery"
            )

    def put(self, ids: Sequence[int], vectors: np.ndarray) -> None:
        """Add points or replace them: numbers (N,), vectors (N, ...) float32."""
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            flat = vectors[start : start + BATCH].reshape(len(some), -1).tolist()
            walks = [{"walk": walk_of(number)[0]} for number in some]
            with self._reported():
                self._client.upsert(self.name, models.Batch(ids=[*some], vectors=flat, payloads=walks), wait=True)

    def nearest(self, vector: np.ndarray, k: int, without: Collection[int] = ()) -> dict[int, np.ndarray]:
        """Vectors (N,) of the ``k`` points that are nearest to one, by their numbers."""
        left_out = models.Filter(must_not=[models.HasIdCondition(has_id=sorted(without))]) if without else None
        with self._reported():
            found = self._client.query_points(
                self.name,
                query=vector.reshape(-1).tolist(),
                limit=k,
                query_filter=left_out,
                search_params=models.SearchParams(hnsw_ef=max(BREADTH, k)),
                with_payload=False,
                with_vectors=True,
            )
        return {int(point.id): np.asarray(point.vector, np.float32) for point in found.points}

    def get(self, ids: Sequence[int]) -> dict[int, np.ndarray]:
        """Vectors of the points that exist among these, by their numbers."""
        found: dict[int, np.ndarray] = {}
        for start in range(0, len(ids), BATCH):
            with self._reported():
                some = self._client.retrieve(
                    self.name, list(ids[start : start + BATCH]), with_payload=False, with_vectors=True
                )
            found |= {int(point.id): np.asarray(point.vector, np.float32) for point in some}
        return found

    def remove(self, ids: Sequence[int]) -> None:
        """Delete points; missing numbers are ignored."""
        if not ids or not self.exists():
            return
        with self._reported():
            self._client.delete(self.name, models.PointIdsList(points=list(ids)), wait=True)

    def count(self, walks: Sequence[int] | None = None) -> int:
        """How many points there are, exactly: all, or those of some walks."""
        chosen = None
        if walks is not None:
            chosen = models.Filter(
                must=[models.FieldCondition(key="walk", match=models.MatchAny(any=list(walks)))]
            )
        with self._reported():
            return self._client.count(self.name, count_filter=chosen, exact=True).count

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __str__(self) -> str:
        return f"collection {self.name} at {self.url}"

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Errors of the client and of the server as ours, on one line, with the remedy."""
        try:
            yield
        except UnexpectedResponse as error:
            raise self._refusal(error) from error
        except (
            ResponseHandlingException,
            AssertionError,
            ValueError,
        ) as error:  # the client asserts that it is Qdrant
            reason = _one_line(getattr(error, "source", error))
            raise ServerError(
                f"the Qdrant server {self.url} gives no proper answer ({reason})",
                "start it, or correct its address",
            ) from error
        except (ApiException, QdrantException) as error:
            raise ServerError(
                f"the Qdrant server {self.url} is too busy ({_one_line(error)})", "repeat later"
            ) from error

    def _refusal(self, error: UnexpectedResponse) -> GalleryError:
        if error.status_code in (401, 403):
            wrong = f"refuses the key in {KEY}" if os.environ.get(KEY) else "asks for a key"
            return ServerError(
                f"the Qdrant server {self.url} {wrong}", f"set the variable {KEY} to one that may write"
            )
        if error.status_code == 404:
            return GalleryError(f"there is no {self}", "restore the server's snapshot of this gallery")
        reason = shortened(printable(error.content.decode(errors="replace")), 200)
        return ServerError(f"the Qdrant server {self.url} refuses ({error.status_code}: {reason})", "see its log")


def connect(url: str, name: str) -> QdrantCollection:
    """A collection of the server at an address such as https://gallery.example.org:6333.

    Nothing is asked of the server yet. A key is taken from the variable QDRANT_API_KEY.

    Raises:
        ConfigError: it is no such address.
        GalleryError: the name is not one that galleries give.
    """
    checked_address(url)
    if not re.fullmatch(NAME, name):
        raise GalleryError(
            f"{printable(name)} is no collection of a gallery, so the file is damaged; restore a copy"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a key without TLS, which is said when the gallery is made
        client = QdrantClient(
            url=url, api_key=os.environ.get(KEY) or None, timeout=PATIENCE, check_compatibility=False
        )
    return QdrantCollection(client, url, name)


def checked_address(url: str) -> None:
    """Refuse what is no address of a server.

    Raises:
        ConfigError: says what is wrong with it; a password within it is not repeated.
    """
    remedy = "write it as https://HOST:6333"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"{printable(url)} is no address of a server", remedy) from None
    if parts.username is not None or parts.password is not None:
        raise ConfigError("the address of a server must not hold a name or a password", f"set {KEY} to the key")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or port == 0:
        raise ConfigError(f"{printable(url)} is no address of a server", remedy)


def _one_line(error: Exception) -> str:
    return shortened(printable(" ".join(str(error).split())) or type(error).__name__, 200)
