"""Luggage beyond the bags of `parts`, headwear, and how the arms hold what is carried."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from meshgait.synthetic.parts import HEAD, PELVIS, SPINE3, WRISTS, Part, superellipsoid
from meshgait.synthetic.surface import Skin

ELBOWS = {1: 18, -1: 19}

KINDS: dict[str, tuple[float, tuple[float, ...], tuple[float, ...]]] = {
    "backpack": (0.20, (0.12, 0.16, 0.06), (0.18, 0.26, 0.14)),
    "trekking pack": (0.06, (0.15, 0.30, 0.11), (0.20, 0.42, 0.17)),
    "hand bag": (0.12, (0.04, 0.09, 0.10), (0.10, 0.20, 0.22)),
    "two bags": (0.07, (0.05, 0.10, 0.09), (0.12, 0.20, 0.19)),
    "shoulder bag": (0.14, (0.04, 0.08, 0.10), (0.09, 0.17, 0.20)),
    "cross-body bag": (0.10, (0.08, 0.08, 0.04), (0.16, 0.15, 0.08)),
    "bag on the forearm": (0.07, (0.05, 0.09, 0.10), (0.09, 0.16, 0.18)),
    "folder": (0.04, (0.02, 0.11, 0.14), (0.05, 0.16, 0.20)),
    "sports bag": (0.04, (0.22, 0.10, 0.09), (0.34, 0.15, 0.15)),
    "carrier": (0.03, (0.11, 0.18, 0.09), (0.15, 0.26, 0.13)),
    "box": (0.03, (0.15, 0.09, 0.11), (0.26, 0.20, 0.19)),
    "suitcase": (0.05, (0.13, 0.24, 0.10), (0.22, 0.36, 0.16)),
    "stroller": (0.03, (0.20, 0.13, 0.18), (0.26, 0.22, 0.26)),
    "umbrella": (0.02, (0.38, 0.10, 0.38), (0.50, 0.15, 0.50)),
}
"""How often each occurs, and the least and greatest half sizes: across, up, along; metres."""

BOTH_SIDES = (1, -1)


@dataclass(frozen=True)
class Luggage:
    """One thing that is carried.

    Attributes:
        kind: key of `KINDS`.
        side: 1 left, -1 right, where it matters.
        half: (3,) half sizes, metres.
        roundness: 1 = ellipsoid, towards 0 = box.
        strap: metres it hangs lower or lies higher.
    """

    kind: str
    side: int
    half: tuple[float, float, float]
    roundness: float
    strap: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Luggage:
        """What one person carries in one condition."""
        names = list(KINDS)
        share = np.array([KINDS[name][0] for name in names])
        kind = names[rng.choice(len(names), p=share / share.sum())]
        half = rng.uniform(*KINDS[kind][1:])
        side, roundness, strap = int(rng.choice(BOTH_SIDES)), rng.uniform(0.3, 0.8), rng.uniform(0.0, 0.14)
        across, up, along = half.tolist()
        return cls(kind, side, (across, up, along), float(roundness), float(strap))

    def varied(self, rng: np.random.Generator, amount: float) -> Luggage:
        """The same thing, packed differently."""
        scale = np.exp(amount * rng.standard_normal(3))
        across, up, along = (np.array(self.half) * scale).tolist()
        return replace(self, half=(across, up, along))

    def scaled(self, factor: float) -> Luggage:
        """The same thing `factor` times as large."""
        across, up, along = (factor * h for h in self.half)
        return replace(self, half=(across, up, along), strap=factor * self.strap)

    def holds(self) -> dict[int, str]:
        """How the arms are held for it, see `carriage.HOLDS`."""
        one = {
            "bag on the forearm": "bag on forearm",
            "folder": "under the arm",
            "suitcase": "pulling",
            "umbrella": "in front",
        }
        two = {"box": "in front", "stroller": "pushing"}
        if self.kind in one:
            return {self.side: one[self.kind]}
        return dict.fromkeys(BOTH_SIDES, two[self.kind]) if self.kind in two else {}

    def stilled(self) -> tuple[bool, bool]:
        """Whether the left and the right arm swing less because a hand carries weight."""
        if self.kind == "two bags":
            return True, True
        return (self.side > 0, self.side < 0) if self.kind == "hand bag" else (False, False)

    def parts(self, skin: Skin, thickness: float) -> list[Part]:
        """Solids on a body in clothes of a thickness [m] at the chest."""
        joints, half, side = skin.figure.joints, np.array(self.half), self.side
        torso = skin.points[skin.share["torso"] > 0.5]
        hips = torso[np.abs(torso[:, 1] - joints[1, 1]) < 0.1]
        wide, hip_front = np.abs(hips[:, 0]).max() + thickness, hips[:, 2].max() + thickness
        chest = torso[np.abs(torso[:, 1] - joints[SPINE3, 1]) < 0.12]
        back, front = chest[:, 2].min() - thickness, chest[:, 2].max() + thickness
        floor = skin.points[:, 1].min()

        def solid(
            joint: int, place: tuple[float, float, float], size: np.ndarray = half, upright: float = 0.0
        ) -> Part:
            """A solid whose centre is at `place` in the rest pose."""
            centre = np.array(place) - joints[joint]
            return Part(joint, *superellipsoid(centre, size, self.roundness), upright)

        def hanging(joint: int, grip: float) -> list[Part]:
            """A bag below a joint of the arm, with its handles."""
            drop = grip + 0.7 * self.strap
            bag = superellipsoid(np.array([0.0, -drop - half[1], 0.0]), half, self.roundness)
            strap = superellipsoid(np.array([0.0, -drop / 2, 0.0]), np.array([0.01, drop / 2, 0.04]), 0.5, 5, 8)
            return [Part(joint, *bag, 1.0), Part(joint, *strap, 1.0)]

        hip, shoulder = joints[PELVIS, 1], joints[16, 1]
        match self.kind:
            case "backpack" | "trekking pack":
                top = shoulder + (0.05 if self.kind == "backpack" else 0.22) - 0.5 * self.strap
                return [solid(SPINE3, (0.0, top - half[1], back - 0.75 * half[2]))]
            case "hand bag":
                return hanging(WRISTS[side], 0.05)
            case "two bags":
                return hanging(WRISTS[1], 0.05) + hanging(WRISTS[-1], 0.05)
            case "bag on the forearm":
                return hanging(ELBOWS[side], 0.04)
            case "shoulder bag":
                return [solid(PELVIS, (side * (wide + 0.6 * half[0]), hip - self.strap, -0.05), upright=0.7)]
            case "cross-body bag":
                # before or behind the hip
                ahead = hip_front + 0.6 * half[2] if self.strap > 0.05 else hips[:, 2].min() - 0.6 * half[2]
                return [solid(PELVIS, (0.5 * side * wide, hip + 0.02, ahead), upright=0.5)]
            case "folder":
                return [solid(PELVIS, (side * (wide + 0.03), hip + 0.16, 0.06), upright=0.5)]
            case "sports bag":
                return [solid(SPINE3, (0.0, joints[SPINE3, 1] - 0.18, back - 0.8 * half[2]))]
            case "carrier":
                return [solid(SPINE3, (0.0, joints[SPINE3, 1] - 0.10, front + 0.7 * half[2]))]
            case "box":
                return [solid(PELVIS, (0.0, hip + 0.1 + half[1], front + 0.06 + half[2]), upright=0.8)]
            case "suitcase":
                x, z, rise = side * 0.30, -0.36 - half[2], hip - 0.06 - floor - 2 * half[1]
                rod = np.array([0.03, max(rise, 0.1) / 2, 0.03])
                body = solid(PELVIS, (x, floor + half[1] + 0.02, z), upright=1.0)
                return [body, solid(PELVIS, (x, floor + 2 * half[1] + rod[1], z + half[2]), rod, 1.0)]
            case "stroller":
                ahead = front + 0.22 + half[2]
                seat = solid(PELVIS, (0.0, floor + 0.62, ahead), upright=1.0)
                wheels = solid(PELVIS, (0.0, floor + 0.16, ahead), np.array([half[0], 0.15, 0.9 * half[2]]), 1.0)
                bar = np.array([half[0], 0.03, 0.5 * (ahead - front) - 0.1])
                return [seat, wheels, solid(PELVIS, (0.0, hip + 0.08, front + 0.12 + bar[2]), bar, 1.0)]
            case "umbrella":
                above = skin.points[:, 1].max() + 0.12 + half[1]
                stick = np.array([0.012, 0.4, 0.012])
                roof = solid(PELVIS, (0.1 * side, above, 0.12), upright=1.0)
                return [roof, solid(PELVIS, (0.12 * side, above - stick[1], 0.28), stick, 1.0)]
        raise ValueError(self.kind)


HEADWEAR = ("none", "brim", "beanie", "helmet", "hood", "headscarf", "mane", "pigtails", "afro")
"""On the head in addition to the hair: hats, a hood or scarf over it, and hair that hangs or stands out."""


def headwear_parts(skin: Skin, kind: str, size: float) -> list[Part]:
    """Solids on the head.

    Args:
        skin: the body.
        kind: one of `HEADWEAR`.
        size: 0 small to 1 large.
    """
    joints = skin.figure.joints
    points = skin.points[skin.share["head"] > 0.5] - joints[HEAD]
    skull = points[points[:, 1] > 0]
    back, front, top = skull[:, 2].min(), skull[:, 2].max(), skull[:, 1].max()
    wide, middle = np.abs(skull[:, 0]).max(), (back + front) / 2
    behind = skin.back(joints[SPINE3, 1]) - joints[SPINE3, 2]
    long, neck = 0.13 + 0.14 * size, joints[12, 1] - joints[SPINE3, 1]
    over = np.array([wide, 0.55 * top, (front - back) / 2])
    solids: dict[str, list[tuple[int, tuple[float, float, float], tuple[float, float, float], float]]] = {
        "none": [],
        "brim": [
            (HEAD, (0, 0.68 * top, middle), (wide + 0.04 + 0.07 * size, 0.014, over[2] + 0.04 + 0.07 * size), 0.9),
            (HEAD, (0, 0.9 * top, middle), (wide + 0.012, 0.09 + 0.03 * size, over[2] + 0.005), 0.7),
        ],
        "beanie": [
            (HEAD, (0, 0.75 * top, middle), (wide + 0.015, 0.5 * top + 0.03 * size, over[2] + 0.012), 0.9),
            (HEAD, (0, 1.15 * top, middle), (0.035 * size, 0.035 * size, 0.035 * size), 1.0),
        ],
        "helmet": [(HEAD, (0, 0.72 * top, middle), (wide + 0.035, 0.6 * top, over[2] + 0.045), 1.0)],
        "hood": [(HEAD, (0, 0.4 * top, middle - 0.015), (wide + 0.025, 0.75 * top, over[2] + 0.025), 0.85)],
        "headscarf": [
            (HEAD, (0, 0.4 * top, middle - 0.01), (wide + 0.015, 0.72 * top, over[2] + 0.012), 0.9),
            (SPINE3, (0, neck - 0.02, 0.02), (0.13 + 0.04 * size, 0.12, 0.11), 0.9),
        ],
        "mane": [
            (HEAD, (0, 0.1 * top, back + 0.03), (wide + 0.025, 0.13, 0.05), 0.8),
            (SPINE3, (0, neck - long, behind - 0.005), (0.09 + 0.03 * size, long, 0.035), 0.8),
        ],
        "pigtails": [
            (HEAD, (side * (wide + 0.03), -0.02, back + 0.06), (0.03, 0.09 + 0.05 * size, 0.03), 1.0)
            for side in (1, -1)
        ],
        "afro": [(HEAD, (0, 0.62 * top, middle - 0.01), tuple(over + 0.03 + 0.05 * size), 1.0)],
    }
    return [
        Part(joint, *superellipsoid(np.array(centre, float), np.array(half, float), roundness, 7, 12))
        for joint, centre, half, roundness in solids[kind]
    ]
