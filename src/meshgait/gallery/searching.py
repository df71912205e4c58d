"""Who is nearest to a vector: the searches that identification, calibration and evaluation share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from meshgait.errors import GalleryError
from meshgait.gallery.people import People, vectors_of
from meshgait.gallery.records import Person
from meshgait.gallery.vectors import VectorStore, strip_distances, walk_of

NEAREST = 50
"""Vectors that a search returns; the people they are of are then compared exactly with all their walks."""


class Nearest(NamedTuple):
    """The nearest person to a vector: number, and distance to the nearest walk or mirror image."""

    person: int
    distance: float


class Searches:
    """Searches in one state of a gallery; made and used within ``database.reading()``.

    People whose consent has ended are left out of all of them.

    Args:
        people: of the gallery.
        vectors: of the gallery.
        today: to which consents are held.
    """

    def __init__(self, people: People, vectors: VectorStore, today: date) -> None:
        self._vectors = vectors
        everybody = people.by_id()
        self.people: dict[int, Person] = {
            number: person for number, person in everybody.items() if not person.expired(today) and person.walks
        }
        self.expired = [person for person in everybody.values() if person.expired(today)]
        self._owners = people.owners()
        self.walks: dict[int, list[int]] = defaultdict(list)
        for walk, owner in self._owners.items():
            if owner in self.people:
                self.walks[owner].append(walk)
        self._left_out = set(vectors_of([w for w, owner in self._owners.items() if owner not in self.people]))

    def require_somebody(self, path: Path) -> None:
        """Refuse a gallery in which nobody can be searched for.

        Raises:
            GalleryError: says whether nobody is enrolled or all consents have ended.
        """
        if self.people:
            return
        if self.expired:
            raise GalleryError(
                f"the consent of everybody in {path} has ended; erase them with `meshgait gallery expire`"
            )
        raise GalleryError(f"nobody is enrolled in {path}; enrol somebody first")

    def nearest(self, vector: np.ndarray, without: Collection[int] = ()) -> Nearest | None:
        """The nearest person to a vector (S, D) without some walks (by number); None if no walk is left."""
        hits = self._vectors.search(vector, 1, {*self._left_out, *vectors_of(list(without))})
        return Nearest(self._owners[walk_of(hits[0].id)[0]], hits[0].distance) if hits else None

    def distances(self, vectors: Sequence[np.ndarray]) -> tuple[list[Person], np.ndarray]:
        """Who may be the walker of some passes.

        Args:
            vectors: (S, D) of each of P passes.

        Returns:
            N people, and distances (P, N, 2) to the nearest of their walks and to the nearest mirror image.
        """
        hits = [hit for vector in vectors for hit in self._vectors.search(vector, NEAREST, self._left_out)]
        found = sorted({self._owners[walk_of(hit.id)[0]] for hit in hits})
        result = np.empty((len(vectors), len(found), 2), np.float32)
        everything = self._vectors.read(vectors_of([walk for number in found for walk in self.walks[number]]))
        start = 0
        for place, number in enumerate(found):
            end = start + 2 * len(self.walks[number])
            for mirrored in (0, 1):  # walks and mirror images take turns
                for row, vector in enumerate(vectors):
                    own = everything[start + mirrored : end : 2]
                    result[row, place, mirrored] = strip_distances(vector, own).min()
            start = end
        return [self.people[number] for number in found], result
