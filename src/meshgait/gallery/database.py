"""The file of a gallery: one SQLite database, consistent at every moment, without remains of erased data.

Deleted rows are overwritten with zeros (``secure_delete``). The journal is a rollback journal, which is gone after
every change; a write-ahead log would keep old pages. Temporary tables and the copy that ``VACUUM`` makes stay in
memory. A process that is killed leaves a journal from which SQLite restores the state before the change.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from meshgait.errors import GalleryError

APPLICATION = 0x4D474741
"""Number in the header of the file that says whose it is ("MGGA")."""
VERSION = 1
PATIENCE = 30.0
"""Seconds to wait for another process that writes."""

SCHEMA = {
    "facts": "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "people": "CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, "
    "enrolled TEXT NOT NULL, consent TEXT NOT NULL, consent_until TEXT)",
    "walks": "CREATE TABLE walks (id INTEGER PRIMARY KEY AUTOINCREMENT, "
    "person INTEGER NOT NULL REFERENCES people, enrolled TEXT NOT NULL, frames INTEGER NOT NULL, "
    "direction TEXT NOT NULL, view TEXT NOT NULL, digest BLOB NOT NULL UNIQUE)",
    "walks_of_person": "CREATE INDEX walks_of_person ON walks (person)",
    "vectors": "CREATE TABLE vectors (id INTEGER PRIMARY KEY, embedding BLOB NOT NULL)",
    "silhouettes": "CREATE TABLE silhouettes (walk INTEGER PRIMARY KEY REFERENCES walks, frames INTEGER NOT NULL, "
    "height INTEGER NOT NULL, width INTEGER NOT NULL, bits BLOB NOT NULL)",
    "log": "CREATE TABLE log (id INTEGER PRIMARY KEY, time TEXT NOT NULL, action TEXT NOT NULL, person INTEGER, "
    "detail TEXT NOT NULL)",
}
"""What the file holds; a file that holds anything else is not opened."""

COMPACT_DUE, GENERATION = "compact_due", "generation"
"""Facts: an erasure was not finished; a number that changes with the people and walks."""

_WORDS = (
    ("full", "the disk is full, nothing was changed; free space and repeat the command"),
    ("locked", f"another process has been writing for {PATIENCE:.0f} s; wait for it or stop it, then repeat"),
    ("busy", f"another process has been writing for {PATIENCE:.0f} s; wait for it or stop it, then repeat"),
    ("readonly", "it cannot be written; mend the permissions of the file and its folder"),
    ("unable to open", "it cannot be opened; check the folder, and the permissions of both"),
    ("not a database", "it is no gallery or damaged; give the path of a gallery, or restore a copy"),
    ("malformed", "it is damaged; restore a copy"),
    ("disk i/o", "the disk reports an error, nothing was changed; check the disk and repeat the command"),
)


class Partner(Protocol):
    """Something outside the file that changes together with it."""

    def before_commit(self) -> None:
        """All of a change is done in the file but its completion; an error undoes it."""

    def after_change(self, made: bool) -> None:
        """A change was completed, or undone."""


class Database:
    """An open gallery file.

    Args:
        path: of the file.
        create: make it if there is none.

    Raises:
        GalleryError: it is missing, no gallery, damaged, of a newer version or cannot be opened.
    """

    def __init__(self, path: Path, create: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        self.partner: Partner | None = None
        if not path.is_file():
            if path.exists():
                raise GalleryError(f"{path} is no file; give the path of a gallery's file")
            if not create:
                raise GalleryError(f"there is no gallery {path}; correct the path, or enrol somebody to make it")
            _make_file(path)
        with self.reported():
            self._connection = self._connect()
        try:
            with self.reported():
                self._prepare(create)
        except BaseException:
            self._connection.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        for setting in (
            "trusted_schema = OFF",
            "cell_size_check = ON",
            "secure_delete = ON",
            "temp_store = MEMORY",
            "foreign_keys = ON",
            "cache_size = -65536",  # kilobytes; a larger change is written twice to the disk
            "synchronous = EXTRA",  # a journal that is gone stays gone after a loss of power
        ):
            connection.execute(f"PRAGMA {setting}")
        return connection

    def _prepare(self, create: bool) -> None:
        """Make the tables in a new file; check those of an old one."""
        if self._one("PRAGMA journal_mode = DELETE") != "delete":
            raise GalleryError(f"{self.path} is kept open by another program; close it and repeat the command")
        if not self._one("SELECT count(*) FROM sqlite_master"):
            if not create:
                raise GalleryError(f"{self.path} is an empty file, no gallery; give the path of a gallery")
            with self.writing():
                if not self._one("SELECT count(*) FROM sqlite_master"):  # another process may have been faster
                    self._make_tables()
        if self._one("PRAGMA application_id") != APPLICATION:
            raise GalleryError(f"{self.path} is the database of another program; give the path of a gallery")
        version = self._one("PRAGMA user_version")
        if version != VERSION:
            raise GalleryError(
                f"{self.path} is a gallery of format {version}, this version of meshgait reads {VERSION}; "
                "use the version that wrote it"
            )
        found = dict(self.rows("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"))
        if found != SCHEMA:
            raise GalleryError(f"{self.path} was changed by another program and is not opened; restore a copy")
        if self.fact(COMPACT_DUE):  # a process was killed while it erased somebody
            self.compact()

    def _make_tables(self) -> None:
        self._connection.execute(f"PRAGMA application_id = {APPLICATION}")
        self._connection.execute(f"PRAGMA user_version = {VERSION}")
        for statement in SCHEMA.values():
            self._connection.execute(statement)

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Errors of SQLite and of the disk as ours, with the remedy."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            if isinstance(error, OSError):
                text = text.replace("No space left on device", "disk full")
            remedy = next((words for key, words in _WORDS if key in text.lower()), f"it cannot be used ({text})")
            raise GalleryError(f"{self.path}: {remedy}") from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction: made completely or not at all, without other writers. Transactions may be nested."""
        with self._lock:
            partner = None if self._depth else self.partner
            if partner is None:
                with self.alone():
                    yield
                return
            try:
                with self.alone():
                    yield
                    partner.before_commit()
            except BaseException:
                partner.after_change(made=False)
                raise
            partner.after_change(made=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """As `writing`, but for changes within the file alone."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Several reads of one consistent state."""
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._lock, self.reported():
            if self._depth:
                yield
                return
            self._connection.execute(begin)
            self._depth += 1
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def rows(self, query: str, values: tuple[object, ...] = ()) -> list[tuple]:
        """All rows of a query."""
        with self._lock, self.reported():
            return self._connection.execute(query, values).fetchall()

    def stream(self, query: str, values: tuple[object, ...] = ()) -> Iterator[tuple]:
        """Rows of a query one by one, for results that do not fit into memory."""
        with self.reported():
            yield from self._connection.execute(query, values)

    def change(self, statement: str, values: tuple[object, ...] = ()) -> int:
        """Run a statement within `writing`; returns the number of the row that was added last."""
        return int(self._connection.execute(statement, values).lastrowid or 0)

    def change_many(self, statement: str, values: Iterator[tuple] | list[tuple]) -> None:
        """Run a statement once for each of the values, within `writing`."""
        self._connection.executemany(statement, values)

    def _one(self, query: str, values: tuple[object, ...] = ()) -> object:
        row = self._connection.execute(query, values).fetchone()
        return None if row is None else row[0]

    def count_rows(self, table: str = "facts") -> int:
        """Rows of a table."""
        return self.rows(f"SELECT count(*) FROM {table}")[0][0]

    def fact(self, name: str) -> str | None:
        """A fact about the gallery, or None."""
        rows = self.rows("SELECT value FROM facts WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def set_fact(self, name: str, value: str | None) -> None:
        """Remember a fact, or forget it (None); within `writing`."""
        self.change("DELETE FROM facts WHERE name = ?", (name,))
        if value is not None:
            self.change("INSERT INTO facts VALUES (?, ?)", (name, value))

    @property
    def generation(self) -> int:
        """A number that changes whenever people or walks do."""
        return int(self.fact(GENERATION) or 0)

    def changed(self) -> None:
        """Record that people or walks have changed; within `writing`."""
        self.set_fact(GENERATION, str(self.generation + 1))

    def compact(self) -> None:
        """Write the file again without unused pages, so that no copy of a moved row is left in it."""
        with self._lock, self.reported():
            self._connection.execute("VACUUM")
            with self.writing():
                self.set_fact(COMPACT_DUE, None)

    def files(self) -> list[Path]:
        """The file, and whatever lies beside it under its name, as a journal does."""
        beside = self.path.parent.glob(f"{_escaped(self.path.name)}-*")
        return [self.path, *sorted(path for path in beside if path.is_file())]

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def _make_file(path: Path) -> None:
    """Make an empty file that its owner alone can read: it will hold biometric data."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise GalleryError(f"{path} cannot be made ({error.strerror}); choose another path") from error


def _escaped(name: str) -> str:
    """A name as a pattern that matches it alone."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
