"""The parts of an open gallery, and the model that it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from meshgait.errors import GalleryError
from meshgait.gallery.database import Database
from meshgait.gallery.people import People
from meshgait.gallery.vectors import SqliteVectors, VectorStore

MODEL = "model"
"""Fact: SHA-256 of the weights that all embeddings of a gallery were made with."""


class Opened(NamedTuple):
    """File, people and vectors of a gallery."""

    database: Database
    people: People
    vectors: VectorStore


def open_gallery(path: Path, create: bool = False) -> Opened:
    """Open a gallery's file, or make it.

    Raises:
        GalleryError: it is missing, damaged, no gallery, or cannot be made.
    """
    database = Database(path, create)
    return Opened(database, People(database), SqliteVectors(database))


def require_model(database: Database, fingerprint: str, note: bool = False) -> None:
    """Refuse embeddings of another model: distances between them and those of the gallery mean nothing.

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
