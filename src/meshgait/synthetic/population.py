"""Who walks: bodies and styles crossed into subjects, and the settings of a whole data set."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from meshgait.errors import ConfigError
from meshgait.synthetic.segmentation import NOISES

KINDS = ("nm", "bg", "cl")
PURPOSES = ("body", "style", "clothes", "walk", "camera", "wardrobe", "looks", "build")
"""Things that have random numbers of their own."""

LATER = ("noise_strength", "camera_variety", "wardrobe_variety", "body_variety")
"""Settings that stores of earlier versions do not name."""

FASTEST, NEAREST = 1.8, 1.5
"""Metres per second no walker exceeds; metres at least between a walker and the camera."""


class Subject(NamedTuple):
    """One walker: a body in a style; both ids count over the whole data set."""

    name: str
    body: int
    style: int
    test: bool


@dataclass(frozen=True)
class WalkerSettings:
    """What defines a data set of synthetic walkers; the same settings give the same bytes.

    Attributes:
        bodies: number of body shapes.
        styles: number of gait styles, as many as bodies: each occurs in exactly two subjects.
        test_fraction: share of bodies and styles, and so of subjects, that make up the test set.
        views: azimuths in degrees, 0 from the front, 90 from the walker's left, 180 from behind.
        conditions: kind and number, as in CASIA-B: nm-01 (normal), bg-01 (with a bag), cl-01 (in a coat).
        frames: per sequence.
        fps: frames per second.
        seed: of everything.
        camera_height: metres above the ground.
        camera_distance: metres from the middle of the path.
        noise: segmentation noise, one of `NOISES`.
        noise_strength: 0 loses nothing, 1 is as bad as in old footage; not for "none" and "mild".
        camera_variety: 0 is one camera for all, which turns with the walker; from there to 1, each sequence has
            its own, which does not turn, ever nearer and farther, higher and lower, of other frame rates and
            pixels.
        wardrobe_variety: share of rare clothes: skirts, wide trousers, long and padded coats, hats, hair,
            luggage that is pulled or pushed, arms in pockets or crossed; coats and bags are then another in each
            condition.
        body_variety: how far bodies go beyond ten standard-normal coefficients: wider ones, flesh, age, children.
        style_spread: standard deviation of styles between people, in units of the population's.
        style_jitter: the same between sequences of one person.
        clothes_jitter: relative change of clothes between sequences.
        view_jitter: degrees by which a view may differ from its nominal azimuth.
    """

    bodies: int = 30
    styles: int = 30
    test_fraction: float = 1 / 3
    views: tuple[int, ...] = (0, 36, 72, 108, 144)
    conditions: tuple[str, ...] = ("nm-01", "nm-02", "nm-03", "nm-04", "bg-01", "cl-01")
    frames: int = 30
    fps: float = 25.0
    seed: int = 0
    camera_height: float = 1.2
    camera_distance: float = 8.0
    noise: str = "none"
    noise_strength: float = 1.0
    camera_variety: float = 0.0
    wardrobe_variety: float = 0.0
    body_variety: float = 0.0
    style_spread: float = 0.6
    style_jitter: float = 0.3
    clothes_jitter: float = 0.15
    view_jitter: float = 3.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("bodies", 2, 20_000),
            ("styles", 2, 20_000),
            ("test_fraction", 0.0, 1.0),
            ("frames", 1, 10_000),
            ("fps", 1.0, 1000.0),
            ("seed", 0, 2**32 - 1),
            ("camera_height", 0.1, 10.0),
            ("camera_distance", 3.0, 100.0),
            ("noise_strength", 0.0, 2.0),
            ("camera_variety", 0.0, 1.0),
            ("wardrobe_variety", 0.0, 1.0),
            ("body_variety", 0.0, 1.0),
            ("style_spread", 0.0, 2.0),
            ("style_jitter", 0.0, 2.0),
            ("clothes_jitter", 0.0, 0.5),
            ("view_jitter", 0.0, 45.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(
                    f"{_option(name)} {value} is out of range", f"it must be between {low} and {high}"
                )
        if self.bodies != self.styles:
            raise ConfigError(
                f"--styles {self.styles} differs from --bodies {self.bodies}",
                "they must be equal, so that each body and each style occurs in exactly two subjects",
            )
        if self.noise not in NOISES:
            raise ConfigError(f"--noise {self.noise} is unknown", f"choose one of {', '.join(NOISES)}")
        self._check_list("views", [v for v in self.views if not 0 <= v < 360], "whole degrees from 0 to 359")
        bad = [c for c in self.conditions if not re.fullmatch(rf"({'|'.join(KINDS)})-\d\d", c)]
        self._check_list("conditions", bad, "nm-, bg- or cl- and two digits, such as nm-01")
        part = self.test_bodies
        if part == 1 or self.bodies - part == 1:
            raise ConfigError(
                f"--test-fraction {self.test_fraction:g} leaves one of {self.bodies} bodies alone in its half",
                "crossing needs two or more (or none) on each side: change the fraction or raise --bodies",
            )

        self._check_distance()

    def _check_distance(self) -> None:
        """No walker may come nearer to a camera than `NEAREST`, at the pace of a fast one."""
        half = FASTEST * (self.frames - 1) / self.fps / 2
        for view in self.views:
            ahead, beside = (abs(self.camera_distance * f(np.deg2rad(view))) for f in (np.cos, np.sin))
            if np.hypot(beside, max(ahead - half, 0.0)) < NEAREST:
                raise ConfigError(
                    f"--camera-distance {self.camera_distance:g} is too near for --frames {self.frames} at --fps "
                    f"{self.fps:g}: at view {view} a fast walker would come within {NEAREST:g} m of the camera",
                    f"put it {half + NEAREST:.1f} m away or more, or take fewer frames",
                )

    def _check_list(self, name: str, bad: list[Any], allowed: str) -> None:
        values = getattr(self, name)
        if not values:
            raise ConfigError(f"{_option(name)} is empty", "give one or more, comma-separated")
        if bad:
            raise ConfigError(f"{_option(name)} {bad[0]} is not allowed", f"it must be {allowed}")
        if len(set(values)) < len(values):
            twice = max(values, key=values.count)
            raise ConfigError(f"{_option(name)} names {twice} more than once", "name each once")

    @property
    def test_bodies(self) -> int:
        """Number of bodies (and of styles) in the test set: none, all, or enough to cross on both sides."""
        wanted = round(self.bodies * self.test_fraction)
        if 0 < self.test_fraction < 1 and self.bodies >= 4:
            wanted = min(max(wanted, 2), self.bodies - 2)
        return wanted

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain JSON types; later ones only where they are used, so that earlier stores match."""
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        return {name: v for name, v in values.items() if name not in LATER or v != getattr(type(self), name)}

    def subjects(self) -> list[Subject]:
        """Subjects, training first; bodies and styles of the test set never occur in training.

        Within each set of n bodies and n styles the subjects go around a ring: body 0 with styles 0 and 1,
        body 1 with styles 1 and 2, ..., the last body with the last style and style 0.
        """
        train = self.bodies - self.test_bodies
        ring = [(0, train, False), (train, self.test_bodies, True)]
        crossed = [
            (first + k // 2, first + (k + 1) // 2 % count, test)
            for first, count, test in ring
            for k in range(2 * count)
        ]
        digits = max(3, len(str(len(crossed))))
        return [Subject(f"{i + 1:0{digits}d}", *subject) for i, subject in enumerate(crossed)]

    def generator(self, what: str, *key: int) -> np.random.Generator:
        """Random numbers for one thing of `PURPOSES` with its own key."""
        purpose = PURPOSES.index(what)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(purpose, *key)))


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
