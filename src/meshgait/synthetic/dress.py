"""Clothes: how far fabric stands off the skin, and the parts that hang free of it.

Tight fabric is an offset along the normals with a thickness that varies along trunk and limbs. What hangs
free (jackets and coats from the chest down to the hem) is the convex hull of the clothed trunk and a ring of
hem points: fabric bridges hollows, and hulls are cheap and exact in the image. Hair, hoods and bags are solid
parts tied to a joint (`parts`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from meshgait.body.raster import Topology
from meshgait.synthetic.bodies import Build
from meshgait.synthetic.gait import Motion
from meshgait.synthetic.luggage import Luggage, headwear_parts
from meshgait.synthetic.parts import Part, bag_parts, hair_parts, hood_part, scarf_part, shape
from meshgait.synthetic.surface import Skin

MM = 1e-3


@dataclass(frozen=True)
class Top:
    """A shirt, jacket or coat; thickness in metres.

    Attributes:
        trunk: off the shoulders, chest, waist and hips.
        sleeve: off the upper arm, elbow and cuff.
        collar: off the neck.
        hem: metres from the pelvis joint down to the hem; the fabric hangs free if `free`.
        flare: metres the hem stands off the hips.
        free: whether it hangs from the chest instead of following the waist.
        hood: size of the hood lying on the back, metres, 0 = none.
    """

    trunk: tuple[float, ...]
    sleeve: tuple[float, ...]
    collar: float = 0.004
    hem: float = 0.05
    flare: float = 0.02
    free: bool = False
    hood: float = 0.0

    @classmethod
    def everyday(cls, rng: np.random.Generator) -> Top:
        """A shirt (close to the skin), a loose pullover, or a jacket."""
        kind = rng.choice(3, p=(0.3, 0.35, 0.35))
        low, high = ((4, 9), (9, 18), (16, 30))[kind]
        bulk = rng.uniform(low, high) * MM
        trunk = (0.5 * bulk, bulk, (1.0 + 0.5 * rng.random()) * bulk, (1.0 + 0.4 * rng.random()) * bulk)
        sleeve = (0.6 * bulk + 2 * MM, 0.7 * bulk + 3 * MM, (0.4 + 0.5 * rng.random()) * bulk)
        return cls(
            trunk,
            sleeve,
            collar=(0.3 + 0.5 * rng.random()) * bulk,
            hem=rng.uniform(0.02, 0.14),
            flare=rng.uniform(0.006, 0.02) + 0.5 * bulk,
            free=bool(kind > 0),
            hood=rng.uniform(0.05, 0.085) if kind > 0 and rng.random() < 0.3 else 0.0,
        )

    @classmethod
    def coat(cls, rng: np.random.Generator) -> Top:
        """A padded jacket or a coat down to somewhere between hip and knee."""
        bulk = rng.uniform(25, 44) * MM
        trunk = (0.5 * bulk, bulk, (1.0 + 0.3 * rng.random()) * bulk, (1.0 + 0.3 * rng.random()) * bulk)
        sleeve = (0.6 * bulk, 0.65 * bulk, (0.5 + 0.3 * rng.random()) * bulk)
        return cls(
            trunk,
            sleeve,
            collar=rng.uniform(0.4, 0.9) * bulk,
            hem=rng.uniform(0.12, 0.48),
            flare=rng.uniform(0.03, 0.09),
            free=True,
            hood=rng.uniform(0.06, 0.10) if rng.random() < 0.5 else 0.0,
        )

    def varied(self, rng: np.random.Generator, amount: float) -> Top:
        """Worn a little differently: thickness and flare scaled, hem moved."""
        scale = np.exp(amount * rng.standard_normal(4))
        return replace(
            self,
            trunk=tuple(float(t * scale[0]) for t in self.trunk),
            sleeve=tuple(float(t * scale[1]) for t in self.sleeve),
            collar=float(self.collar * scale[2]),
            hem=float(self.hem + 0.1 * amount * rng.standard_normal()),
            flare=float(self.flare * scale[3]),
        )


@dataclass(frozen=True)
class Skirt:
    """A skirt, or a dress from the chest down.

    Attributes:
        hem: metres from the pelvis joint down to the hem.
        flare: metres the hem stands off the hips.
        dress: whether it hangs from the chest instead of the waist.
    """

    hem: float
    flare: float
    dress: bool = False


@dataclass(frozen=True)
class Outfit:
    """All that a person wears; thickness in metres.

    Attributes:
        top: upper garment.
        trousers: off the seat, knee, calf and hem.
        shoe: off the foot.
        hair: off the scalp.
        style: hair that hangs or stands: "short", "long", "tail", "bun" or "cap".
        skirt: over the trousers, None for none.
        headwear: see `luggage.HEADWEAR`.
        headwear_size: 0 small to 1 large.
        scarf: metres it stands off the neck, 0 for none.
    """

    top: Top
    trousers: tuple[float, ...]
    shoe: float
    hair: float
    style: str
    skirt: Skirt | None = None
    headwear: str = "none"
    headwear_size: float = 0.5
    scarf: float = 0.0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Outfit:
        """Everyday clothes of a person."""
        slim, bulk = rng.random() < 0.25, rng.uniform(8, 26) * MM
        # straight trousers stand off more the thinner the leg is below the knee
        straight = rng.uniform(0.3, 1.2)
        loose = (0.6 * bulk, bulk, bulk + 8 * MM * straight, bulk + 22 * MM * straight)
        trousers = (6 * MM, 5 * MM, 5 * MM, 8 * MM) if slim else loose
        return cls(
            Top.everyday(rng),
            trousers,
            shoe=rng.uniform(5, 12) * MM,
            hair=rng.uniform(2, 30) * MM,
            style=str(rng.choice(["short", "long", "tail", "bun", "cap"], p=(0.55, 0.2, 0.1, 0.07, 0.08))),
        )

    def varied(self, rng: np.random.Generator, amount: float) -> Outfit:
        """The same clothes on another day."""
        scale = np.exp(amount * rng.standard_normal(3))
        return replace(
            self,
            top=self.top.varied(rng, amount),
            trousers=tuple(float(t * scale[0]) for t in self.trousers),
            shoe=float(self.shoe * scale[1]),
            hair=float(self.hair * scale[2]),
        )

    def scaled(self, factor: float) -> Outfit:
        """The same clothes with fabric and hair `factor` times as thick; they reach as far down the body."""
        if factor == 1:
            return self
        top = replace(
            self.top,
            trunk=tuple(factor * t for t in self.top.trunk),
            sleeve=tuple(factor * t for t in self.top.sleeve),
            collar=factor * self.top.collar,
            flare=factor * self.top.flare,
        )
        trousers = tuple(factor * t for t in self.trousers)
        return replace(self, top=top, trousers=trousers, shoe=factor * self.shoe, hair=factor * self.hair)


class Dressed:
    """A clothed person, ready to be posed.

    Args:
        skin: the person's surface.
        outfit: clothes.
        bag: kind and size of what is carried, None for nothing; see `parts.bag_parts`.
        luggage: what is carried besides.
        build: the person's flesh, None for what the skin has.
    """

    def __init__(
        self,
        skin: Skin,
        outfit: Outfit,
        bag: dict[str, float | str] | None = None,
        luggage: Luggage | None = None,
        build: Build | None = None,
    ) -> None:
        self.skin, top = skin, outfit.top
        thickness = _thickness(skin, outfit)
        if build is not None:
            thickness = thickness + build.thickness(skin)
        self.rest = skin.points + skin.normals * thickness[:, None]
        self.parts = hair_parts(skin, outfit.style, outfit.hair)
        self.parts += headwear_parts(skin, outfit.headwear, outfit.headwear_size)
        if outfit.scarf:
            self.parts.append(scarf_part(skin, outfit.scarf))
        if top.hood:
            self.parts.append(hood_part(skin, top.hood, top.trunk[0]))
        self.bags = bag_parts(skin, bag, top.trunk[1]) if bag else []
        if luggage is not None:
            self.bags += luggage.parts(skin, top.trunk[1])
        self.parts += self.bags
        self.hem = max(top.hem if top.free else 0.05, outfit.skirt.hem if outfit.skirt else 0.0)
        self.cloths: list[np.ndarray] = []
        self.rings: list[Part] = []
        if top.free:
            self._hang(top.hem, top.flare, 0.72)
        if outfit.skirt:
            self._hang(outfit.skirt.hem, outfit.skirt.flare, 0.7 if outfit.skirt.dress else 0.3)
        # fingers are closer together than in the rest pose: each hand counts with its hull
        mitten = (skin.share["hand"] > 0.6) & (skin.along["arm"] > 1.9)
        self.hands = [np.flatnonzero(mitten & (side * skin.points[:, 0] > 0)) for side in (1, -1)]
        self.topology, count = skin.surface.topology, len(self.rest)
        for part in self.parts:
            self.topology = self.topology.joined(Topology.of(part.faces), count)
            count += len(part.points)

    def _hang(self, drop: float, flare: float, upper: float) -> None:
        """Let a garment hang: a hull of the trunk, the legs above the hem, and a ring of the hem.

        Args:
            drop: of the hem below the pelvis joint, metres.
            flare: metres the hem stands off the hips.
            upper: where on the trunk it hangs from, 0 hips to 1 neck.
        """
        share, along, points = self.skin.share, self.skin.along, self.rest
        joints = self.skin.figure.joints
        hem = joints[0, 1] - drop
        trunk = (share["torso"] > 0.7) & (along["torso"] < upper)
        thigh = (share["leg"] > 0.5) & (points[:, 1] > hem)
        self.cloths.append(np.flatnonzero((trunk | thigh) & (points[:, 1] > hem - 0.02)))
        hips = points[(share["torso"] > 0.5) & (np.abs(points[:, 1] - joints[1, 1]) < 0.07)]
        centre, half = (hips.max(axis=0) + hips.min(axis=0)) / 2, (hips.max(axis=0) - hips.min(axis=0)) / 2
        angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        ring = np.stack([np.cos(angle), np.zeros_like(angle), np.sin(angle)], axis=-1)
        size = np.array([half[0] + 0.7 * flare, 0, half[2] + flare])
        place = np.array([centre[0], hem, centre[2]]) - joints[0]
        self.rings.append(Part(0, ring * size + place, np.zeros((0, 3), np.int64), upright=0.6))

    def pose(self, motion: Motion) -> tuple[np.ndarray, list[np.ndarray]]:
        """Pose the clothed person.

        Args:
            motion: T frames.

        Returns:
            Points (3, N, T) float32 of `topology` from the pelvis in world axes, and a list of point sets
            (3, n, T) whose convex hulls belong to the figure as well.
        """
        body = self.skin.surface.skin(self.skin.figure, self.rest, motion.rotations, motion.joints)
        points = np.concatenate([body, *(part.pose(motion) for part in self.parts)], axis=1)
        loose = [
            np.concatenate([body[:, cloth], ring.pose(motion)], axis=1)
            for cloth, ring in zip(self.cloths, self.rings, strict=True)
        ]
        return points, [*loose, *(body[:, hand] for hand in self.hands)]

    def carried(self, motion: Motion) -> list[np.ndarray]:
        """Points (3, n, T) of each thing that is carried, from the pelvis in world axes."""
        return [part.pose(motion) for part in self.bags]


def _thickness(skin: Skin, outfit: Outfit) -> np.ndarray:
    """Thickness (N,) of what covers each point of the skin, metres."""
    share, along, top = skin.share, skin.along, outfit.top
    shoulders, chest, waist, hips = top.trunk
    seat, knee, calf, hem = outfit.trousers
    trunk = np.interp(along["torso"], [-0.3, 0.05, 0.35, 0.7, 0.95], [hips, hips, waist, chest, shoulders])
    leg = np.interp(along["leg"], [0.0, 0.35, 1.0, 1.5, 1.95], [max(seat, 0.5 * hips), seat, knee, calf, hem])
    arm = np.interp(along["arm"], [0.0, 0.4, 1.0, 1.95], [0.5 * (shoulders + top.sleeve[0]), *top.sleeve])
    scalp = shape(skin, outfit.hair, top.collar)
    parts = {"torso": trunk, "leg": leg, "arm": arm, "foot": outfit.shoe, "hand": 0.0, "head": scalp}
    # trousers fall over the shoe: the ankle's skin counts to the foot, but the hem covers it
    foot_top = np.interp(skin.points[:, 1] - skin.figure.joints[7, 1], [-0.05, 0.02], [0.0, 1.0])
    parts["foot"] = outfit.shoe + np.maximum(hem - outfit.shoe, 0.0) * foot_top
    return sum(share[part] * thick for part, thick in parts.items())
