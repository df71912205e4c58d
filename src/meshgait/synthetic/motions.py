"""Recorded walks in place of styles: who walks where in which file, and the walk on another body."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from meshgait.errors import DataError, MeshGaitError
from meshgait.progress import Progress
from meshgait.synthetic.gait import Motion
from meshgait.synthetic.recordings import BODY, SPEEDS, Recording, find_walks, read_recording
from meshgait.synthetic.rig import JOINTS, Figure
from meshgait.synthetic.rotations import about, turn

MOST = 8
"""Stretches of one person that are used."""

ARMS = ((16, 18), (17, 19))
"""Shoulder and elbow, left and right."""

BALLS = (10, 11)
"""Joints of the balls of the feet: while a foot bears, its ball stays where it is."""

SCALES = (0.6, 1.6)
"""Range of the factor of a path that fits it to another body's legs."""


class Stretch(NamedTuple):
    """A straight walk within a file, from `begin` to `end` seconds."""

    file: Path
    begin: float
    end: float


@dataclass(frozen=True)
class Motions:
    """Recorded walks of a number of people.

    Attributes:
        people: stretches of each person.
        names: of the people, below the folder they were found in.
        hash: 16 hexadecimal digits that stand for the recordings and stretches.
        recordings: how many were read.
        skipped: reason -> how many recordings it kept out.
    """

    people: tuple[tuple[Stretch, ...], ...]
    names: tuple[str, ...]
    hash: str
    recordings: int
    skipped: dict[str, int]

    @classmethod
    def collect(cls, sources: Sequence[Path], people: int, seconds: float, progress: bool = True) -> Motions:
        """Look for walks.

        Recordings in one sub-folder are of one person, as in AMASS (`SET/PERSON/RECORDING.npz`); any other file
        is a person of its own. Nothing is read beyond the people that are needed.

        Args:
            sources: files and folders.
            people: how many people are needed.
            seconds: how long a walk must be.
            progress: show how far it is.

        Raises:
            DataError: not enough people walk straight on for that long, or a file named is no recording.
        """
        found: dict[str, tuple[Stretch, ...]] = {}
        digest, count = hashlib.sha256(), 0
        reasons: Counter[str] = Counter()
        with Progress("looking for walks", people, "people", show=progress) as bar:
            for name, files, strict in _persons(sources):
                stretches: list[Stretch] = []
                for file in files:
                    if len(stretches) >= MOST:
                        break
                    walks, reason = _look(file, seconds, strict)
                    count, reasons[reason] = count + 1, reasons[reason] + (not walks)
                    stretches += [Stretch(file, *walk) for walk in walks[: MOST - len(stretches)]]
                if stretches:
                    # equal names of several sources are different people
                    found[name if name not in found else f"{name} ({len(found)})"] = tuple(stretches)
                    for file in dict.fromkeys(stretch.file for stretch in stretches):
                        digest.update(hashlib.sha256(file.read_bytes()).digest())
                    digest.update(repr([(begin, end) for _, begin, end in stretches]).encode())
                    bar.advance()
                if len(found) == people:
                    break
        skipped = {reason: number for reason, number in sorted(reasons.items()) if number}
        if len(found) < people:
            why = f" (skipped: {_listed(skipped)})" if skipped else ""
            raise DataError(
                f"{', '.join(map(str, sources))}: in {count} recordings {len(found)} people walk straight on for "
                f"{seconds:.1f} s{why}",
                f"--styles needs {people}: give more recordings, or ask for fewer --bodies or --frames",
            )
        return cls(tuple(found.values()), tuple(found), digest.hexdigest()[:16], count, skipped)

    def __str__(self) -> str:
        stretches = sum(map(len, self.people))
        skipped = f", skipped: {_listed(self.skipped)}" if self.skipped else ""
        return f"{len(self.people)} people, {stretches} straight walks, {self.recordings} recordings read{skipped}"

    def retarget(
        self,
        person: int,
        figure: Figure,
        times: np.ndarray,
        rng: np.random.Generator,
        carried: tuple[float, float] = (1.0, 1.0),
    ) -> Motion:
        """One of a person's walks, from a random moment on.

        Args:
            person: number of the person.
            figure: the body that walks.
            times: (T,) seconds, from 0.
            rng: random numbers for the choice.
            carried: damping of the arm swing, left and right, see `Gait`.
        """
        stretch = self.people[person][rng.integers(len(self.people[person]))]
        begin = stretch.begin + rng.random() * max(stretch.end - stretch.begin - times[-1], 0.0)
        return retarget(_recording(stretch.file), begin, figure, times, carried)


_recording = lru_cache(maxsize=8)(read_recording)  # a person's sequences follow one another


def _persons(sources: Sequence[Path]) -> Iterator[tuple[str, list[Path], bool]]:
    """Name, files, and whether these were named by the user, of each person in a fixed order; no file twice."""
    seen: set[Path] = set()
    for source in map(Path, sources):
        persons: dict[str, list[Path]] = {}
        for file in sorted(source.rglob("*.npz")) if source.is_dir() else [source]:
            if file.resolve() not in seen:
                owner = file.with_suffix("") if file.parent == source else file.parent
                name = owner.relative_to(source).as_posix() if source.is_dir() else file.stem
                persons.setdefault(name, []).append(file)
                seen.add(file.resolve())
        yield from ((name, files, not source.is_dir()) for name, files in persons.items())


def _look(file: Path, seconds: float, strict: bool) -> tuple[list[tuple[float, float]], str]:
    """Walks of a file, or the reason why there are none; a file that the user named must be a recording."""
    try:
        return find_walks(read_recording(file), seconds)
    except MeshGaitError:
        if strict:
            raise
        return [], "no recording of AMASS"


def _listed(skipped: dict[str, int]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in skipped.items())


def retarget(
    recording: Recording,
    begin: float,
    figure: Figure,
    times: np.ndarray,
    carried: tuple[float, float] = (1.0, 1.0),
) -> Motion:
    """A recorded walk on another body, turned to walk along +z.

    Joints turn as recorded. The path is scaled to the body's legs, such that the balls of its bearing feet do not
    slide on average, and lies as high as lets them touch the ground.

    Args:
        recording: of somebody.
        begin: seconds into the recording.
        figure: the body that walks.
        times: (T,) seconds from there on.
        carried: damping of the arm swing, left and right.
    """
    when = np.clip(begin + times, 0.0, recording.seconds)
    heading = _heading(recording, when[0], when[-1])
    first = max(int(when[0] * recording.rate) - 1, 0)
    chosen = slice(first, int(when[-1] * recording.rate) + 3)
    known = np.arange(len(recording.path))[chosen] / recording.rate
    to_front = about("y", -np.rad2deg(heading))

    local = np.broadcast_to(np.eye(3), (len(times), JOINTS, 3, 3)).copy()
    for joint in range(BODY):
        local[:, joint] = Slerp(known, Rotation.from_rotvec(recording.turns[chosen, joint]))(when).as_matrix()
    local[:, 0] = to_front @ local[:, 0]
    for damping, arm in zip(carried, ARMS, strict=True):
        for joint in arm if damping < 1 else ():
            local[:, joint] = _damped(local[:, joint], damping)
    rotations, joints = figure.pose(local)
    path = np.stack([np.interp(when, known, column) for column in recording.path[chosen].T], axis=-1)
    path = turn(to_front, path - path[0])
    return Motion(local, rotations, joints, _fitted(path, joints[:, BALLS], figure, times))


def _heading(recording: Recording, begin: float, end: float) -> float:
    """Direction of a walk, radians from +z to +x."""
    frames = np.arange(len(recording.path)) / recording.rate
    smooth = recording.smooth_path()
    # a moment more at both ends, for sequences of a few frames
    moments = np.clip([begin - 0.25, end + 0.25], 0.0, recording.seconds)
    dx, dz = (np.diff(np.interp(moments, frames, smooth[:, axis]))[0] for axis in (0, 2))
    return float(np.arctan2(dx, dz))


def _damped(turns: np.ndarray, damping: float) -> np.ndarray:
    """Rotations (T, 3, 3) brought nearer to their mean."""
    middle = Rotation.from_matrix(turns).mean()
    away = (middle.inv() * Rotation.from_matrix(turns)).as_rotvec()
    return (middle * Rotation.from_rotvec(damping * away)).as_matrix()


def _fitted(path: np.ndarray, balls: np.ndarray, figure: Figure, times: np.ndarray) -> np.ndarray:
    """Path (T, 3) of a body whose feet bear it.

    Args:
        path: (T, 3) as recorded, along +z.
        balls: (T, 2, 3) balls of the feet from the pelvis.
        figure: the body.
        times: (T,) seconds.
    """
    scale = 1.0
    walked = path[-1, 2] - path[0, 2]
    if walked > 0:
        # between two frames the lower ball stays: the pelvis moves as much as that ball moves back below it
        lower = (balls[1:, :, 1] + balls[:-1, :, 1]).argmin(axis=1)
        back = -np.diff(balls[..., 2], axis=0)[np.arange(len(lower)), lower].sum()
        fastest = SPEEDS[1] * (times[-1] - times[0]) / walked
        scale = float(np.clip(back / walked, SCALES[0], min(SCALES[1], max(fastest, SCALES[0]))))
    path = scale * path
    flat = figure.joints[list(BALLS), 1].mean() - figure.vertices[:, 1].min()
    height = np.mean(flat - balls[..., 1].min(axis=1) - path[:, 1])
    return path + np.array([0.0, height, 0.0])
