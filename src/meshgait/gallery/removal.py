"""Erase people from the tables and from the file, and search the files to prove it."""

from __future__ import annotations

from collections.abc import Sequence

from meshgait.gallery import erasure
from meshgait.gallery.database import COMPACT_DUE
from meshgait.gallery.opened import Opened
from meshgait.gallery.people import vectors_of
from meshgait.gallery.records import Erasure, Person
from meshgait.gallery.sources import counted
from meshgait.gallery.vectors import Recheck


def erase(opened: Opened, persons: Sequence[Person], action: str) -> list[Erasure]:
    """Remove people completely, and search the gallery's files, and its server, for what was stored of them.

    If the process is killed before the change is made, everybody is still there; after it, the next who opens the
    gallery compacts the file.

    Args:
        opened: the gallery.
        persons: who are enrolled.
        action: word for the log.

    Raises:
        GalleryError: the file cannot be written or read.
    """
    database, people, vectors = opened.database, opened.people, opened.vectors
    stored, counts, gone = {}, {}, {}
    with database.writing():
        for person in persons:
            walks = people.walks([person.id])
            counts[person.id] = len(walks)
            ids = vectors_of(walks)
            gone[person.id] = ids, vectors.read(ids)
            embeddings = {vector.astype("<f4").tobytes() for vector in gone[person.id][1]}
            stored[person.id] = embeddings.union(people.stored_bytes(person.id))
            vectors.delete(ids)
            people.delete(person.id)
            people.log(action, person.id, counted(len(walks), "walk"))
        database.set_fact(COMPACT_DUE, "1")
        database.changed()
        kept = people.texts()
    database.compact()
    traces = [erasure.trace_of(stored[person.id], [person.name, person.consent], kept) for person in persons]
    rechecked = [vectors.recheck(*gone[person.id]) for person in persons]
    return [_proof(opened, *one) for one in zip(persons, counts.values(), traces, rechecked, strict=True)]


def _proof(opened: Opened, person: Person, walks: int, trace: erasure.Trace, rechecked: Recheck) -> Erasure:
    database, vectors = opened.database, opened.vectors
    with database.reading(), database.reported():
        database.count_rows()  # the first read takes the lock: nobody writes while the files are searched
        files = [(path, path.stat().st_size) for path in database.files()]
        found = erasure.search(trace, [path for path, _ in files])
        pieces: set[bytes] = set().union(*found.values())
        others = (vector.astype("<f4").tobytes() for _, vector in vectors.iterate())
        shared = erasure.everybodys(pieces, others)
    left = tuple(path for path, held in found.items() if held - shared)
    return Erasure(person.name, walks, tuple(files), len(trace), left, rechecked.found, rechecked.remarks)
