"""Changes to who is who in a gallery: other names, and two people who are one."""

from __future__ import annotations

from meshgait.errors import GalleryError
from meshgait.gallery.opened import Opened
from meshgait.gallery.records import Person
from meshgait.gallery.sources import counted
from meshgait.text import printable


def rename(opened: Opened, name: str, new: str) -> Person:
    """Give a person another name.

    Raises:
        GalleryError: nobody is called ``name``, or somebody else is called ``new``.
    """
    database, people = opened.database, opened.people
    with database.writing():
        person, other = people.get(name), people.find(new)
        if other is not None and other.id != person.id:
            raise GalleryError(f"{printable(new)} is enrolled already; choose another name, or merge the two")
        people.rename(person.id, new)
        people.log("rename", person.id)
        return people.get(new)


def merge(opened: Opened, name: str, into: str) -> Person:
    """Merge one person into another, who keeps name and consent; the earlier end of consent counts.

    Raises:
        GalleryError: one of them is not enrolled, or both are the same.
    """
    database, people = opened.database, opened.people
    with database.writing():
        source, target = people.get(name), people.get(into)
        if source.id == target.id:
            raise GalleryError(f"{printable(name)} and {printable(into)} are the same person; name two")
        people.move_walks(source.id, target.id)
        people.delete(source.id)
        ends = [person.consent_until for person in (source, target) if person.consent_until is not None]
        people.set_consent(target.id, None, min(ends, default=None))
        database.changed()
        people.log("merge", target.id, f"{counted(source.walks, 'walk')} of person {source.id}")
        return people.get(into)
