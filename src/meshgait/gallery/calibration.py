"""The threshold of a gallery: distances of strangers to the enrolled people, and the error rates that follow.

FPIR: false-positive identification rate, share of the searches of people who are not enrolled that return a name
(ISO/IEC 19795-1). People are the unit: many walks of few people say little. Where no error was seen among n people
the rate is below 3 / n with 95 % confidence, so a lower rate than that is not promised (rule of three, ibid.).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import betaincinv

from meshgait.errors import ConfigError, GalleryError
from meshgait.gallery.database import Database
from meshgait.gallery.people import now
from meshgait.gallery.records import Calibration
from meshgait.textfiles.json_text import parse_json

RULE = 3.0
"""Errors at least that a rate must let expect among the people it was measured with."""
LEVEL = 0.95
POINTS = 1000
"""Of the curve that is kept; no single person can be read from it."""
FACT = "calibration"


def calibrate(groups: Mapping[str, Sequence[np.ndarray]], fpir: float, people: int) -> Calibration:
    """Find the threshold.

    It is the largest distance at which no group of strangers exceeds the rate: people may come nearer to each
    other than synthetic walkers do to people, and few of the former must not be outvoted by many of the latter.

    Args:
        groups: by name, for each stranger the distances (n,) of their walks to the nearest enrolled person.
        fpir: rate in percent.
        people: who are enrolled.

    Raises:
        ConfigError: these strangers are too few for that rate; says what rate they can carry.
    """
    groups = {name: [walks for walks in strangers if len(walks)] for name, strangers in groups.items()}
    groups = {name: strangers for name, strangers in groups.items() if strangers}
    everybody = [walks for strangers in groups.values() for walks in strangers]
    require_enough(len(everybody), fpir)
    threshold = min(_threshold(strangers, fpir) for strangers in groups.values())
    measured = share_within(everybody, threshold)
    low, high = exact_interval(measured, len(everybody))
    return Calibration(
        fpir=float(fpir),
        threshold=threshold,
        measured=measured,
        low=low,
        high=high,
        strangers=len(everybody),
        searches=sum(map(len, everybody)),
        groups={
            name: (len(strangers), sum(map(len, strangers)), share_within(strangers, threshold))
            for name, strangers in groups.items()
        },
        curve=_curve(everybody),
        people=people,
        made=now(),
    )


def require_enough(strangers: int, fpir: float) -> None:
    """Refuse a rate that so few strangers cannot show.

    Raises:
        ConfigError: what they can show, and how many are needed.
    """
    if not 0 < fpir < 100:
        raise ConfigError(
            f"the false-positive identification rate is {fpir:g} %", "give a number between 0 and 100"
        )
    if strangers * fpir / 100 >= RULE - 1e-9:
        return
    least = 100 * RULE / strangers if strangers else math.inf
    can = f"at best {math.ceil(10 * least) / 10:g} % can be shown" if least < 100 else "no rate can be shown"
    raise ConfigError(
        f"a false-positive identification rate of {fpir:g} % cannot be promised: it takes walks of "
        f"{math.ceil(100 * RULE / fpir - 1e-9)} people who are not enrolled, here are {strangers}, with whom "
        f"{can} (rule of three)",
        "give more strangers or a higher rate",
    )


def exact_interval(percent: float, people: int) -> tuple[float, float]:
    """Exact 95 % interval of a share in percent among people (Clopper and Pearson, Biometrika 1934)."""
    wrong, tail = percent / 100 * people, (1 - LEVEL) / 2
    low = 0.0 if wrong <= 0 else float(betaincinv(wrong, people - wrong + 1, tail))
    high = 1.0 if wrong >= people else float(betaincinv(wrong + 1, people - wrong, 1 - tail))
    return 100 * low, 100 * high


def share_within(strangers: Sequence[np.ndarray], distance: float) -> float:
    """Share in percent of strangers who come as near; of each the share of walks, so that all count the same."""
    return 100 * float(np.mean([(walks <= distance).mean() for walks in strangers]))


def _threshold(strangers: Sequence[np.ndarray], fpir: float) -> float:
    """Largest distance at which the share does not exceed the rate."""
    values, weights = _weighed(strangers)
    within = 100 * np.cumsum(weights)
    # the first distance that must not be reached
    place = int(np.searchsorted(within, fpir + 1e-9, side="right"))
    return float(np.nextafter(values[place], -np.inf)) if place < len(values) else float(values[-1])


def _weighed(strangers: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rising distances, and the share of all strangers that each stands for; equal ones are one."""
    every = np.concatenate([np.asarray(walks, float) for walks in strangers])
    weight = np.concatenate([np.full(len(walks), 1 / len(walks) / len(strangers)) for walks in strangers])
    values, place = np.unique(every, return_inverse=True)
    return values, np.bincount(place, weight)


def _curve(strangers: Sequence[np.ndarray]) -> tuple[tuple[float, float, float], ...]:
    values, weights = _weighed(strangers)
    shares = np.minimum(100 * np.cumsum(weights), 100)
    chosen = np.unique(np.linspace(0, len(values) - 1, POINTS).round().astype(int))
    rows = [(0.0, 0.0, exact_interval(0, len(strangers))[1])]
    for place in chosen:
        rows.append((float(values[place]), float(shares[place]), exact_interval(shares[place], len(strangers))[1]))
    return tuple(rows)


def keep(database: Database, calibration: Calibration) -> None:
    """Keep a calibration in the gallery; within a change."""
    content = {name: value for name, value in vars(calibration).items() if name != "current"}
    database.set_fact(FACT, json.dumps({**content, "generation": database.generation}))


def kept(database: Database) -> Calibration | None:
    """The calibration of a gallery, or None.

    Raises:
        GalleryError: it is damaged.
    """
    with database.reading():
        text, generation = database.fact(FACT), database.generation
    if text is None:
        return None
    try:
        content: dict[str, Any] = parse_json(text)
        current = content.pop("generation") == generation
        content["groups"] = {name: tuple(group) for name, group in content["groups"].items()}
        content["curve"] = tuple((float(a), float(b), float(c)) for a, b, c in content["curve"])
        found = Calibration(**content, current=current)
        if not found.curve or not math.isfinite(found.threshold + found.fpir):
            raise ValueError("no threshold")
        return found
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise GalleryError(f"{database.path} holds a damaged calibration; calibrate again") from error
