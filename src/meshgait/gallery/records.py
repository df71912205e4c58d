"""What a gallery holds and what it answers, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

Direction = Literal["left", "right", ""]
Status = Literal["named", "unknown", "uncalibrated"]
Level = Literal["strong", "fair", "weak", "none"]


@dataclass(frozen=True)
class Person:
    """An enrolled person.

    Attributes:
        id: number that is never given twice in a gallery; the log names people by it.
        name: as enrolled.
        enrolled: date and time (UTC, ISO 8601) of the first walk.
        consent: what the person agreed to, in the user's words.
        consent_until: last day of the consent; None: no end was given.
        walks: how many are enrolled.
        directions: of these, sorted; "left" and "right", those not known left out.
        views: of these, sorted, those not known left out.
    """

    id: int
    name: str
    enrolled: str
    consent: str
    consent_until: date | None
    walks: int
    directions: tuple[str, ...] = ()
    views: tuple[str, ...] = ()

    def expired(self, today: date) -> bool:
        """Whether the consent has ended."""
        return self.consent_until is not None and self.consent_until < today


@dataclass(frozen=True)
class EnrolledWalk:
    """One enrolled pass: its number, person, time (UTC, ISO 8601), frames, and direction and view if known."""

    id: int
    person: int
    enrolled: str
    frames: int
    direction: str
    view: str
    silhouettes: bool = False


@dataclass(frozen=True)
class Enrolment:
    """What was enrolled: the person as it is now, how many walks were added, and advice on what is missing."""

    person: Person
    added: int
    advice: tuple[str, ...] = ()


@dataclass(frozen=True)
class Calibration:
    """A threshold and what is known of it. Rates are in percent.

    Attributes:
        fpir: false-positive identification rate that was asked for.
        threshold: largest distance at which a person is named.
        measured: share of strangers that are named at it.
        low: lower end of the exact 95 % interval of that share.
        high: upper end.
        strangers: different people that it was measured with.
        searches: walks of these.
        groups: strangers, searches and measured share of each group of them, by its name.
        curve: rising distances, each with the share of strangers that come as near and its upper end.
        people: enrolled at the time.
        made: date and time (UTC, ISO 8601).
        current: whether the gallery is still the one that was calibrated.
    """

    fpir: float
    threshold: float
    measured: float
    low: float
    high: float
    strangers: int
    searches: int
    groups: dict[str, tuple[int, int, float]]
    curve: tuple[tuple[float, float, float], ...]
    people: int
    made: str
    current: bool = True


@dataclass(frozen=True)
class Identification:
    """The answer to "who is this walker?".

    Attributes:
        status: "named"; "unknown": nobody enrolled is near enough; "uncalibrated": nobody can say what is near.
        name: of the person, or None.
        distance: of the nearest person, averaged over the passes.
        nearest: that person's name, named or not.
        runner_up: the second nearest person, or None.
        runner_up_distance: of that person, or None.
        level: of confidence: "strong", "fair", "weak" or, without a name, "none".
        confidence: the same in words, with the calibrated rate.
        mirrored: the walk is near enough only to the mirror image of what is enrolled, which is weaker.
        threshold: of the calibration, or None.
        fpir: calibrated false-positive identification rate in percent, or None.
        frames: used, of all passes.
        passes: averaged.
    """

    status: Status
    name: str | None
    distance: float
    nearest: str
    runner_up: str | None
    runner_up_distance: float | None
    level: Level
    confidence: str
    mirrored: bool
    threshold: float | None
    fpir: float | None
    frames: int
    passes: int


@dataclass(frozen=True)
class Erasure:
    """A person who was erased, and what the search of the gallery's files for the stored bytes found.

    Attributes:
        name: of the person.
        walks: that were erased.
        files: that were searched, with their sizes in bytes.
        searched_for: pieces of embeddings, silhouettes and texts that were looked for.
        found: files in which a piece was found.
        on_server: places on a server where an embedding was found, in words.
        remarks: what the search cannot see.
    """

    name: str
    walks: int
    files: tuple[tuple[Path, int], ...]
    searched_for: int
    found: tuple[Path, ...] = ()
    on_server: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def left(self) -> tuple[str, ...]:
        """Files and places on a server where something was found."""
        return (*map(str, self.found), *self.on_server)

    @property
    def proven(self) -> bool:
        """Whether pieces were looked for and none is left."""
        return self.searched_for > 0 and not self.left


@dataclass(frozen=True)
class OpenSetRates:
    """Error rates of a gallery in terms of ISO/IEC 19795-1, in percent.

    Attributes:
        fpir: false-positive identification rates that were asked for.
        fnir: false-negative identification rate at each; NaN where it cannot be told.
        low: lower end of its 95 % interval over people.
        high: upper end.
        mated: searches of enrolled people.
        nonmated: searches of people who are not enrolled (or whose own walks were left out).
        people: among the mated searches.
        det: thresholds, FPIR and FNIR of the detection error trade-off curve.
        at_threshold: FPIR and FNIR at the calibrated threshold, or None.
        remarks: what the figures rest on.
    """

    fpir: tuple[float, ...]
    fnir: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    mated: int
    nonmated: int
    people: int
    det: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
    at_threshold: tuple[float, float] | None = None
    remarks: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class LogEntry:
    """A line of the audit log; it names people by their numbers and holds nothing of their bodies."""

    time: str
    action: str
    person: int | None
    detail: str
