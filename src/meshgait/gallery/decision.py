"""From distances to an answer: a name or unknown, the confidence in it, and advice, as text."""

from __future__ import annotations

import numpy as np

from meshgait.gallery.records import Calibration, Identification, Level, Person

CLEAR = 0.1
"""Share of the calibrated rate below which a name is a strong one."""
NEARER = 0.8
"""Distance of the name against that of the runner-up at most (the ratio test of Lowe, IJCV 2004): the threshold
tells strangers from the enrolled, not the enrolled from each other."""


def decide(
    distances: np.ndarray,
    people: list[str],
    calibration: Calibration | None,
    frames: int,
) -> Identification:
    """Answer for one walker.

    Args:
        distances: (P, N, 2) of P passes to N people: to the nearest of their walks, and of the mirror images.
        people: names of the N people, at least one.
        calibration: of the gallery, or None.
        frames: used, of all passes.
    """
    nearer = distances.min(axis=2).mean(axis=0)  # (N,)
    first, *others = (int(place) for place in np.argsort(nearer, kind="stable"))
    distance, second = float(nearer[first]), float(nearer[others[0]]) if others else None
    named = mirrored = False
    if calibration is not None:
        named = distance <= calibration.threshold
        mirrored = named and float(distances[:, first, 0].mean()) > calibration.threshold
    level, words = _confidence(distance, second, named, mirrored, calibration)
    return Identification(
        status="uncalibrated" if calibration is None else "named" if named else "unknown",
        name=people[first] if named else None,
        distance=distance,
        nearest=people[first],
        runner_up=people[others[0]] if others else None,
        runner_up_distance=second,
        level=level,
        confidence=words,
        mirrored=mirrored,
        threshold=None if calibration is None else calibration.threshold,
        fpir=None if calibration is None else calibration.fpir,
        frames=frames,
        passes=len(distances),
    )


def _confidence(
    distance: float, second: float | None, named: bool, mirrored: bool, calibration: Calibration | None
) -> tuple[Level, str]:
    """Level of the answer, and a text with the reasons."""
    if calibration is None:
        return "none", (
            "not calibrated, so nobody can say how near strangers come; run `meshgait gallery calibrate` with "
            "walks of people who are not enrolled"
        )
    share, most = strangers_within(calibration, distance)
    words = f"{percent(share)} % of {calibration.strangers} strangers come as near (at most {percent(most)} %)"
    level: Level
    if not named:
        level, words = "none", f"nobody enrolled is near enough: {words}, {calibration.fpir:g} % are allowed"
    else:
        rival = second is not None and (second <= calibration.threshold or distance > NEARER * second)
        level = "weak" if mirrored or rival else "strong" if share <= CLEAR * calibration.fpir else "fair"
        words += f"; {calibration.fpir:g} % are allowed"
        words += "; alike only in the mirror image" if mirrored else ""
        words += "; the runner-up is nearly as near" if rival else ""
    if not calibration.current:
        words += "; the gallery has changed since it was calibrated, calibrate again"
        level = "weak" if named else level
    return level, words


def percent(share: float) -> str:
    """A share in percent with two digits: 0.41, 8.9, 89, 100."""
    return f"{share:.0f}" if share >= 9.95 else f"{share:.2g}"


def strangers_within(calibration: Calibration, distance: float) -> tuple[float, float]:
    """Share in percent of strangers that come as near as ``distance``, and the upper end of its interval."""
    place = np.searchsorted([point[0] for point in calibration.curve], distance, side="right") - 1
    return calibration.curve[max(place, 0)][1:]


def advice(person: Person) -> tuple[str, ...]:
    """What else should be enrolled of a person."""
    found = []
    if len(person.directions) == 1:
        other = {"left": "right", "right": "left"}[person.directions[0]]
        found.append(f"no walk to the {other} is enrolled; such walks are compared with mirror images")
    elif not person.directions and len(person.views) < 2:
        found.append("enrol walks in both directions or from several views: one side says little about the other")
    if person.walks < 2:
        found.append("one walk is enrolled; several, also of another day and in other clothes, are safer")
    return tuple(found)
