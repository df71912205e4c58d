"""Entering embedded walks of a person into a gallery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from meshgait.gallery.embedding import Embedded
from meshgait.gallery.opened import Opened, require_model
from meshgait.gallery.records import Person
from meshgait.gallery.sources import Pass, counted
from meshgait.gallery.vectors import vector_id


def enter(
    opened: Opened,
    fingerprint: str,
    name: str,
    walks: Sequence[tuple[Pass, Embedded]],
    consent: str,
    consent_until: date | None,
    keep_silhouettes: bool,
) -> Person:
    """Add walks to a person, who is added if new; all of the walks or none.

    Args:
        opened: the gallery.
        fingerprint: SHA-256 of the weights of the model that embedded the walks.
        name: of the person.
        walks: passes, and what the model made of them.
        consent: what the person agreed to.
        consent_until: last day of it.
        keep_silhouettes: keep the frames too.

    Raises:
        DataError: a direction or view cannot be used.
        GalleryError: the gallery is of another model, cannot be written, or has one of the walks already.
    """
    database, people, vectors = opened.database, opened.people, opened.vectors
    with database.writing():
        require_model(database, fingerprint, note=True)
        person = people.find(name)
        number = people.add(name, consent, consent_until) if person is None else person.id
        people.set_consent(number, consent, consent_until)
        for one, made in walks:
            walk = people.add_walk(number, made.vectors, len(made.silhouettes), one.direction, one.view)
            vectors.add([vector_id(walk, False), vector_id(walk, True)], made.vectors)
            if keep_silhouettes:
                people.keep_silhouettes(walk, made.silhouettes)
        database.changed()
        people.log("enrol", number, counted(len(walks), "walk"))
        return people.get(name)
