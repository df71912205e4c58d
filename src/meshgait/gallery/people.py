"""People and walks of a gallery, and the log of what was done with them."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timezone

import numpy as np

from meshgait.errors import DataError, GalleryError
from meshgait.gallery.database import Database
from meshgait.gallery.records import EnrolledWalk, LogEntry, Person
from meshgait.gallery.vectors import digest, vector_id
from meshgait.text import printable, shortened

LONGEST_NAME, LONGEST_NOTE = 255, 2000
"""Characters of a name and of a note of consent."""
MOST_BYTES = 1 << 30
"""Of the silhouettes of a walk, unpacked."""


class People:
    """People and their walks in an open gallery. What changes them is called within ``database.writing()``.

    Args:
        database: the open gallery.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Person]:
        """Everybody, by name."""
        return self._persons("1 = 1")

    def find(self, name: str) -> Person | None:
        """The person of that name, or None."""
        found = self._persons("people.name = ?", (checked_name(name),))
        return found[0] if found else None

    def get(self, name: str) -> Person:
        """The person of that name.

        Raises:
            GalleryError: nobody is called that.
        """
        person = self.find(name)
        if person is None:
            known = [shortened(printable(other.name), 30) for other in self.all()[:8]]
            people = f"enrolled are {', '.join(known)}{', ...' if len(known) == 8 else ''}"
            raise GalleryError(
                f"nobody is enrolled as {printable(name)} in {self._database.path}; "
                f"{people if known else 'the gallery is empty'}"
            )
        return person

    def by_id(self) -> dict[int, Person]:
        """Everybody, by number."""
        return {person.id: person for person in self._persons("1 = 1")}

    def _persons(self, condition: str, values: tuple[object, ...] = ()) -> list[Person]:
        with self._database.reading():
            rows = self._database.rows(
                "SELECT people.id, name, people.enrolled, consent, consent_until, count(walks.id) FROM people "
                f"LEFT JOIN walks ON walks.person = people.id WHERE {condition} GROUP BY people.id ORDER BY name",
                values,
            )
            seen = self._database.rows("SELECT DISTINCT person, direction, view FROM walks")
        directions, views = defaultdict(set), defaultdict(set)
        for number, direction, view in seen:
            directions[number].add(direction)
            views[number].add(view)
        return [
            Person(
                number,
                name,
                enrolled,
                consent,
                None if until is None else parsed_date(until),
                walks,
                tuple(sorted(filter(None, directions[number]))),
                tuple(sorted(filter(None, views[number]))),
            )
            for number, name, enrolled, consent, until, walks in rows
        ]

    def add(self, name: str, consent: str, until: date | None) -> int:
        """Add a person; returns the number."""
        values = (checked_name(name), now(), checked_note(consent), None if until is None else until.isoformat())
        return self._database.change(
            "INSERT INTO people (name, enrolled, consent, consent_until) VALUES (?, ?, ?, ?)", values
        )

    def set_consent(self, person: int, consent: str | None, until: date | None) -> None:
        """Replace the given parts of a consent."""
        if consent:
            self._database.change("UPDATE people SET consent = ? WHERE id = ?", (checked_note(consent), person))
        if until is not None:
            self._database.change("UPDATE people SET consent_until = ? WHERE id = ?", (until.isoformat(), person))

    def add_walk(
        self, person: int, vectors: np.ndarray, frames: int, direction: str, view: str, enrolled: str = ""
    ) -> int:
        """Add a walk with vectors (2, S, D), which are kept elsewhere; returns its number.

        Raises:
            GalleryError: exactly this walk is enrolled already.
        """
        mark = digest(vectors)
        if twin := self._owner(mark):
            raise GalleryError(
                f"this walk is enrolled already, as {printable(twin)}; enrol another one, or erase or merge"
            )
        return self._database.change(
            "INSERT INTO walks (person, enrolled, frames, direction, view, digest) VALUES (?, ?, ?, ?, ?, ?)",
            (person, enrolled or now(), int(frames), checked_direction(direction), checked_view(view), mark),
        )

    def has_walk(self, vectors: np.ndarray) -> bool:
        """Whether exactly the walk of these vectors (2, S, D) is enrolled."""
        return self._owner(digest(vectors)) is not None

    def _owner(self, mark: bytes) -> str | None:
        rows = self._database.rows(
            "SELECT people.name FROM walks JOIN people ON people.id = walks.person WHERE digest = ?", (mark,)
        )
        return rows[0][0] if rows else None

    def walks(self, people: Iterable[int] | None = None) -> list[EnrolledWalk]:
        """Walks of some people (by number), or all, in the order in which they were enrolled."""
        where, values = "", tuple[int, ...]()
        if people is not None:
            values = tuple(people)
            where = f"WHERE person IN ({','.join('?' * len(values))})"
        rows = self._database.rows(
            "SELECT id, person, walks.enrolled, walks.frames, direction, view, silhouettes.walk IS NOT NULL "
            f"FROM walks LEFT JOIN silhouettes ON silhouettes.walk = walks.id {where} ORDER BY id",
            values,
        )
        return [
            EnrolledWalk(number, person, enrolled, frames, direction, view, bool(kept))
            for number, person, enrolled, frames, direction, view, kept in rows
        ]

    def owners(self) -> dict[int, int]:
        """Number of the person of each walk, by the walk's number."""
        return dict(self._database.rows("SELECT id, person FROM walks"))

    def rename(self, person: int, name: str) -> None:
        """Give a person another name, which nobody has."""
        self._database.change("UPDATE people SET name = ? WHERE id = ?", (checked_name(name), person))

    def move_walks(self, person: int, into: int) -> None:
        """Give the walks of one person to another one."""
        self._database.change("UPDATE walks SET person = ? WHERE person = ?", (into, person))

    def delete(self, person: int) -> None:
        """Remove a person with walks and silhouettes; vectors are removed by their store."""
        self._database.change(
            "DELETE FROM silhouettes WHERE walk IN (SELECT id FROM walks WHERE person = ?)", (person,)
        )
        self._database.change("DELETE FROM walks WHERE person = ?", (person,))
        self._database.change("DELETE FROM people WHERE id = ?", (person,))

    def keep_silhouettes(self, walk: int, silhouettes: np.ndarray) -> None:
        """Keep the frames (T, H, W) uint8 of a walk, packed to bits and compressed."""
        bits = zlib.compress(np.packbits(silhouettes > 127, axis=-1).tobytes())
        self._database.change("INSERT INTO silhouettes VALUES (?, ?, ?, ?, ?)", (walk, *silhouettes.shape, bits))

    def silhouettes(self, walk: int) -> np.ndarray | None:
        """Frames (T, H, W) uint8 0 or 255 that were kept of a walk, or None.

        Raises:
            GalleryError: they are damaged.
        """
        rows = self._database.rows("SELECT frames, height, width, bits FROM silhouettes WHERE walk = ?", (walk,))
        if not rows:
            return None
        (frames, height, width, bits), row = rows[0], -(-rows[0][2] // 8)
        size = frames * height * row
        try:
            packed = zlib.decompressobj().decompress(bits, size + 1) if 0 < size <= MOST_BYTES else b""
        except (zlib.error, TypeError):
            packed = b""
        if not packed or len(packed) != size:
            raise GalleryError(f"{self._database.path} holds damaged silhouettes; restore a copy")
        unpacked = np.unpackbits(np.frombuffer(packed, np.uint8).reshape(frames, height, row), axis=-1)
        return unpacked[..., :width] * np.uint8(255)

    def stored_bytes(self, person: int) -> list[bytes]:
        """Digests, vectors (or their digests, if they are on a server) and silhouettes as they lie in the file."""
        walks = "SELECT id FROM walks WHERE person = ?"
        digests = self._database.rows("SELECT digest FROM walks WHERE person = ?", (person,))
        ids = vectors_of([row[0] for row in self._database.rows(walks, (person,))])
        digests += [
            row for number in ids
            for row in self._database.rows("SELECT embedding FROM vectors WHERE id = ?", (number,))
        ]  # fmt: skip
        frames = self._database.rows(f"SELECT bits FROM silhouettes WHERE walk IN ({walks})", (person,))
        return [row[0] for row in (*digests, *frames)]

    def texts(self) -> list[str]:
        """All names and notes that are kept."""
        return [text for row in self._database.rows("SELECT name, consent FROM people") for text in row]

    def log(self, action: str, person: int | None = None, detail: str = "") -> None:
        """Write a line into the audit log; ``detail`` must not hold names or anything of a body."""
        self._database.change(
            "INSERT INTO log (time, action, person, detail) VALUES (?, ?, ?, ?)", (now(), action, person, detail)
        )

    def entries(self, most: int | None = None) -> list[LogEntry]:
        """The last lines of the audit log, oldest first."""
        limit = -1 if most is None else most
        rows = self._database.rows(
            "SELECT time, action, person, detail FROM log ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [LogEntry(*row) for row in reversed(rows)]


def vectors_of(walks: Sequence[EnrolledWalk] | Sequence[int]) -> list[int]:
    """Numbers of both vectors of each walk."""
    ids = [walk if isinstance(walk, int) else walk.id for walk in walks]
    return [vector_id(walk, mirrored) for walk in ids for mirrored in (False, True)]


def now() -> str:
    """Date and time in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def checked_name(name: str) -> str:
    """A name as it is kept: composed letters, no space at the ends. Any character may be in it.

    Raises:
        DataError: it is empty, too long, or no Unicode.
    """
    return _text(name, "a name", LONGEST_NAME, "give another name", empty=False)


def checked_note(note: str) -> str:
    """A note of consent as it is kept; errors as `checked_name`."""
    return _text(note, "the note of consent", LONGEST_NOTE, "shorten it")


def checked_view(view: str) -> str:
    """A view as it is kept; errors as `checked_name`."""
    return _text(view, "a view", LONGEST_NAME, "give a short name or an angle such as 090")


def checked_direction(direction: str) -> str:
    """A direction, "" if it is not known.

    Raises:
        DataError: it is another word.
    """
    if direction not in ("left", "right", ""):
        raise DataError(f"direction {printable(direction)} is unknown", "give left or right, or leave it out")
    return direction


def _text(text: str, what: str, longest: int, remedy: str, empty: bool = True) -> str:
    text = unicodedata.normalize("NFC", text).strip()
    if re.search(r"[\ud800-\udfff\0]", text):
        raise DataError(f"{what} holds bytes that are no text ({printable(text[:40])})", remedy)
    if len(text) > longest:
        raise DataError(f"{what} has {len(text)} characters, at most {longest} are kept", remedy)
    if not text and not empty:
        raise DataError(f"{what} is empty", remedy)
    return text


def parsed_date(text: str) -> date:
    """A date YYYY-MM-DD.

    Raises:
        DataError: it is none.
    """
    try:
        return date.fromisoformat(text)
    except (ValueError, TypeError):
        raise DataError(f"{printable(str(text)[:40])} is no date", "write it as 2027-12-31") from None
