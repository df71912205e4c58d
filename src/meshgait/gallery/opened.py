"""The parts of an open gallery, and the model that it belongs to."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from meshgait.errors import ConfigError, GalleryError, ServerError
from meshgait.extras import require
from meshgait.gallery.database import Database
from meshgait.gallery.people import People
from meshgait.gallery.vectors import SqliteVectors, VectorStore

MODEL = "model"
"""Fact: SHA-256 of the weights that all embeddings of a gallery were made with."""
SERVER, COLLECTION = "server", "collection"
"""Facts of a gallery whose embeddings are on a Qdrant server: its address, and the name of the collection."""


@dataclass(frozen=True)
class Opened:
    """File, people and vectors of a gallery.

    Attributes:
        database: the file.
        people: in it.
        away: why the vectors cannot be used: their server does not answer, or its client is not installed.
    """

    database: Database
    people: People
    _vectors: VectorStore | None
    away: ServerError | ConfigError | None = None

    @property
    def vectors(self) -> VectorStore:
        """The vectors.

        Raises:
            ServerError: they are on a server that does not answer.
            ConfigError: the package for it is not installed.
        """
        self.require_vectors()
        assert self._vectors is not None
        return self._vectors

    def require_vectors(self) -> None:
        """Raise the error of `vectors`, if there is one."""
        if self.away is not None:
            raise type(self.away)(f"{self.away.what}, so nothing was done", self.away.remedy)

    @property
    def server(self) -> tuple[str, str] | None:
        """Address and collection of the server that holds the vectors; None: they are in the file."""
        url, name = (self.database.fact(fact) for fact in (SERVER, COLLECTION))
        return None if url is None else (url, name or "")

    def close(self) -> None:
        """Let go of all of it."""
        if self._vectors is not None:
            self._vectors.close()
        self.database.close()


def open_gallery(path: Path, create: bool = False) -> Opened:
    """Open a gallery's file, or make it. Where its server is away, people can be seen all the same.

    Raises:
        GalleryError: it is missing, damaged, no gallery, or cannot be made; or what its server holds does not fit.
    """
    database = Database(path, create)
    try:
        people = People(database)
        try:
            return Opened(database, people, _vectors(database))
        except (ServerError, ConfigError) as error:
            return Opened(database, people, None, error)
    except BaseException:
        database.close()
        raise


def _vectors(database: Database) -> VectorStore:
    url = database.fact(SERVER)
    if url is None:
        return SqliteVectors(database)
    require("qdrant", "a gallery with a server")
    from meshgait.gallery import qdrant_collection
    from meshgait.gallery.qdrant_vectors import QdrantVectors

    collection = qdrant_collection.connect(url, database.fact(COLLECTION) or "")
    try:
        return QdrantVectors(database, collection)
    except BaseException:
        collection.close()
        raise


def create_on_server(path: Path, url: str) -> Opened:
    """Make a gallery whose embeddings lie on a Qdrant server, in a collection of its own.

    Args:
        path: of the file, which holds all else.
        url: of the server, such as https://gallery.example.org:6333.

    Raises:
        GalleryError: the file is there already or cannot be made, or the server does not answer.
        ConfigError: the package for it is not installed, or the address is none.
    """
    require("qdrant", "a gallery with a server")
    from meshgait.gallery import qdrant_collection

    if path.exists():
        raise GalleryError(
            f"{path} is there already; choose another file, and move people by `meshgait gallery export`, `import`"
        )
    name = f"meshgait-{secrets.token_hex(8)}"
    collection = qdrant_collection.connect(url, name)
    try:
        collection.exists()  # a server that does not answer is named before the file is made
    finally:
        collection.close()
    database = Database(path, create=True)
    with database.writing():
        database.set_fact(SERVER, url)
        database.set_fact(COLLECTION, name)
    database.close()
    return open_gallery(path)


def require_model(database: Database, fingerprint: str, note: bool = False) -> None:
    """Refuse embeddings of another model: they cannot be compared with those of the gallery.

    Args:
        database: the open gallery.
        fingerprint: SHA-256 of the model's weights.
        note: let a gallery without a model be one of this model, within a change.

    Raises:
        GalleryError: the gallery is of another model.
    """
    known = database.fact(MODEL)
    if known is None:
        if note:
            database.set_fact(MODEL, fingerprint)
    elif known != fingerprint:
        raise GalleryError(
            f"{database.path} was made with the model {known[:12]}, not with {fingerprint[:12]}; give that model "
            "with --model, or enrol everybody again in another gallery"
        )
