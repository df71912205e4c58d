"""A gallery of enrolled people: who is this walker, or nobody we know?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from meshgait.gallery import calibration as calibrations
from meshgait.gallery import editing, transfer
from meshgait.gallery.decision import advice, decide
from meshgait.gallery.embedding import Embedder
from meshgait.gallery.enrolment import enter
from meshgait.gallery.opened import MODEL, Opened, create_on_server, open_gallery, require_model
from meshgait.gallery.people import checked_name
from meshgait.gallery.records import (
    Calibration,
    EnrolledWalk,
    Enrolment,
    Erasure,
    Identification,
    LogEntry,
    OpenSetRates,
    Person,
)
from meshgait.gallery.removal import erase
from meshgait.gallery.searching import Searches
from meshgait.gallery.sources import passes_of

if TYPE_CHECKING:
    from meshgait.gallery.sources import Walks
    from meshgait.recogniser import Recogniser


class Gallery:
    """A gallery in one file.

        gallery = meshgait.Gallery("people.gallery")
        gallery.enrol("Anna", ["anna-1.npy", "anna-2.npy"], consent="form 12", consent_until=date(2027, 12, 31))
        gallery.calibrate(strangers, fpir=5)
        found = gallery.identify("walk.npy")
        print(found.name or "unknown", found.confidence)
        gallery.erase("Anna")

    Several processes may use one gallery. Walks are what `Recogniser.read` takes: silhouettes (T, h, w), or the
    path of a folder of frames, a .gif, .npy, .npz or .pkl.

    Args:
        path: of the file; `enrol` and `import_people` make it if there is none.
        model: a loaded model, its path, or None for the model that comes with the package; it is loaded when the
            first walk is to be embedded.
    """

    def __init__(self, path: str | Path, model: Recogniser | str | Path | None = None) -> None:
        self.path, self._embedder = Path(path), Embedder(model)
        self._parts: Opened | None = None

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @property
    def model(self) -> Recogniser:
        """The model, loaded now if it was not."""
        return self._embedder.model

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._parts is not None:
            self._parts.close()
            self._parts = None

    def create(self, server: str) -> None:
        """Make the gallery with its embeddings on a Qdrant server, for more walks than one machine can hold.

        People, consents, log and calibration are in the file all the same. A key is taken from the variable
        QDRANT_API_KEY. Without this, `enrol` makes a gallery that is in its file.

        Args:
            server: its address, such as https://gallery.example.org:6333.

        Raises:
            GalleryError: the file is there already or cannot be made, or the server does not answer.
            ConfigError: `meshgait[qdrant]` is not installed, or the address is none.
        """
        self.close()
        self._parts = create_on_server(self.path, server)

    def _open(self, create: bool = False) -> Opened:
        """The gallery, with embeddings that can be used."""
        if self._file(create).away:
            self.close()  # the server may have come back
        self._file(create).require_vectors()
        return self._file()

    def _file(self, create: bool = False) -> Opened:
        """The gallery, perhaps without embeddings."""
        if self._parts is None:
            self._parts = open_gallery(self.path, create)
        return self._parts

    def enrol(
        self,
        name: str,
        walks: Walks,
        consent: str = "",
        consent_until: date | None = None,
        direction: str = "",
        view: str = "",
        keep_silhouettes: bool = False,
    ) -> Enrolment:
        """Add walks to a person, who is entered if need be; all of them or, if one cannot be used, none.

        Args:
            name: of the person.
            walks: one or several.
            consent: what the person agreed to, such as where the signed form lies.
            consent_until: last day of it; from the day after on the person is not identified, and `expire` erases.
            direction: of the walks that do not say it themselves: "left", "right", or "" if it is not known.
            view: likewise.
            keep_silhouettes: keep the frames too; they show the body and are not needed to identify.

        Raises:
            DataError: a walk cannot be read, or the name cannot be used.
            GalleryError: the gallery is of another model, cannot be written, or has one of the walks already.
        """
        name, passes = checked_name(name), passes_of(walks, direction, view)
        if self.path.exists() and self.path.stat().st_size:  # it is empty where a process was killed early
            require_model(self._open().database, self._embedder.fingerprint)
        embedded = self._embedder.embed_all(passes, "enrolling")
        opened, made = self._open(create=True), list(zip(passes, embedded, strict=True))
        entered = enter(opened, self._embedder.fingerprint, name, made, consent, consent_until, keep_silhouettes)
        return Enrolment(entered, len(passes), advice(entered))

    def prepare(self) -> None:
        """Open the gallery and load its model now, which otherwise happens when they are first needed.

        Raises:
            GalleryError: there is no gallery, or it is of another model.
        """
        require_model(self._open().database, self._embedder.fingerprint)

    def identify(self, walks: Walks, today: date | None = None) -> Identification:
        """Name one walker, or say that nobody enrolled is near enough.

        Args:
            walks: one pass of the walker or several, which are averaged.
            today: to which consents are held; by default this day.

        Raises:
            DataError: a walk cannot be read.
            GalleryError: there is no gallery, nobody in it, or it is of another model.
        """
        opened, passes = self._open(), passes_of(walks)
        require_model(opened.database, self._embedder.fingerprint)
        embedded = self._embedder.embed_all(passes, "identifying")
        with opened.database.reading():
            searches = Searches(opened.people, opened.vectors, today or date.today())
            searches.require_somebody(self.path)
            people, distances = searches.distances([made.vectors[0] for made in embedded])
            known = calibrations.kept(opened.database)
        names, frames = [person.name for person in people], sum(len(made.silhouettes) for made in embedded)
        found = decide(distances, names, known, frames)
        with opened.database.writing():
            opened.people.log("identify", None, f"one walker: {found.status}")
        return found

    def erase(self, name: str) -> Erasure:
        """Remove a person completely, and search the gallery's files for what was stored.

        If the process is killed meanwhile, the person is there wholly or not at all, and whoever opens the gallery
        next finishes the cleaning of the file.

        Raises:
            GalleryError: nobody is called that, or the file cannot be written.
        """
        opened = self._open()
        return erase(opened, [opened.people.get(name)], "erase")[0]

    def expire(self, today: date | None = None) -> list[Erasure]:
        """Erase everybody whose consent has ended, as `erase` does."""
        gone = [person for person in self.people() if person.expired(today or date.today())]
        return erase(self._open(), gone, "expire") if gone else []

    def rename(self, name: str, new: str) -> Person:
        """Give a person another name.

        Raises:
            GalleryError: nobody is called ``name``, or somebody else is called ``new``.
        """
        return editing.rename(self._file(), name, new)

    def merge(self, name: str, into: str) -> Person:
        """Merge one person into another, who keeps name and consent; the earlier end of consent counts.

        Raises:
            GalleryError: one of them is not enrolled, or both are the same.
        """
        return editing.merge(self._file(), name, into)

    def people(self) -> list[Person]:
        """Everybody enrolled, by name."""
        return self._file().people.all()

    def person(self, name: str) -> Person:
        """The person of that name.

        Raises:
            GalleryError: nobody is called that.
        """
        return self._file().people.get(name)

    def walks(self, name: str) -> list[EnrolledWalk]:
        """Enrolled walks of a person."""
        return self._file().people.walks([self.person(name).id])

    def silhouettes(self, walk: EnrolledWalk) -> np.ndarray | None:
        """Frames (T, H, W) uint8 of an enrolled walk, if they were kept."""
        return self._file().people.silhouettes(walk.id)

    def log(self, most: int | None = None) -> list[LogEntry]:
        """The last lines of the audit log, oldest first; by default all."""
        return self._file().people.entries(most)

    @property
    def model_hash(self) -> str:
        """SHA-256 of the weights that the gallery was made with; "" before anybody is enrolled."""
        return self._file().database.fact(MODEL) or ""

    @property
    def server(self) -> tuple[str, str] | None:
        """Address and collection of the Qdrant server that holds the embeddings; None: they are in the file."""
        return self._file().server

    @property
    def away(self) -> str:
        """Why embeddings cannot be used now, though people can be seen: their server is away. "" if they can."""
        return f"{self._file().away or ''}"

    @property
    def calibration(self) -> Calibration | None:
        """The calibrated threshold, or None."""
        return calibrations.kept(self._file().database)

    def calibrate(
        self,
        strangers: Mapping[str, Walks] | None = None,
        fpir: float = 5.0,
        own: bool = True,
        today: date | None = None,
    ) -> Calibration:
        """Set the threshold at a false-positive identification rate.

        Args:
            strangers: walks of people who are not enrolled, by what they are called; synthetic walkers will do for
                a first threshold.
            fpir: the rate in percent.
            own: also search each enrolled person among the others, as if a stranger.
            today: to which consents are held.

        Raises:
            ConfigError: strangers are too few for that rate; says which rate they can show.
            GalleryError: a stranger is enrolled, nobody is, or the gallery is of another model.
        """
        from meshgait.gallery import measuring  # imports torch

        opened, strangers = self._open(), strangers or {}
        others = len(opened.people.all()) if own else 0
        calibrations.require_enough(len(strangers) + (others if others > 1 else 0), fpir)
        require_model(opened.database, self._embedder.fingerprint)
        embedded = self._embedder.embed_people(strangers, "calibrating")
        return measuring.calibrate(opened, embedded, fpir, own, today or date.today())

    def evaluate(
        self,
        probes: Mapping[str, Walks] | None = None,
        fpir: Sequence[float] = (1.0, 10.0),
        today: date | None = None,
    ) -> OpenSetRates:
        """Error rates in terms of ISO/IEC 19795-1: FNIR at FPIR, and the whole detection error trade-off.

        Args:
            probes: walks by person; who is enrolled under that name is mated. By default each enrolled walk is
                searched among the others.
            fpir: rates in percent at which FNIR is reported.
            today: to which consents are held.

        Raises:
            GalleryError: no search is mated, or all are.
        """
        from meshgait.gallery import measuring  # imports torch

        opened, embedded = self._open(), None
        if probes is not None:
            require_model(opened.database, self._embedder.fingerprint)
            embedded = self._embedder.embed_people(probes, "evaluating")
        return measuring.evaluate(opened, embedded, fpir, today or date.today())

    def export_people(self, path: str | Path, names: Sequence[str] | None = None) -> int:
        """Write people to an .npz file: all, or those named. Returns how many; see `meshgait.gallery.transfer`."""
        return transfer.export_people(self._open(), Path(path), names)

    def import_people(self, path: str | Path, merge: bool = False) -> list[Person]:
        """Add the people of a file of `export_people`.

        Args:
            path: of the file.
            merge: add walks to people who are enrolled under the same name; otherwise that is an error.

        Raises:
            DataError: the file is damaged or no such file.
            GalleryError: it is of another model, or a person is enrolled already.
        """
        return transfer.import_people(lambda: self._open(create=True), Path(path), merge)
