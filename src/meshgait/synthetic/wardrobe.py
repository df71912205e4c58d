"""A wide wardrobe: what else people wear than shirts, jackets and trousers, and how they carry their arms.

A subject keeps the clothes, the headwear and the habit; coats, bags and whims are of one condition.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from meshgait.synthetic.dress import MM, Outfit, Skirt, Top
from meshgait.synthetic.luggage import Luggage

BOTH = (1, -1)


@dataclass(frozen=True)
class Look:
    """What somebody wears and carries in one sequence, and how.

    Attributes:
        outfit: clothes.
        bag: a bag of `parts`, None for none.
        luggage: what is carried besides, None for nothing.
        holds: how arms are held, see `carriage.hold_arms`.
    """

    outfit: Outfit
    bag: dict[str, float | str] | None = None
    luggage: Luggage | None = None
    holds: dict[int, str] = field(default_factory=dict)


def everyday(rng: np.random.Generator, variety: float) -> Outfit:
    """Clothes of a subject; at `variety` 1 most differ from those of `Outfit.sample`."""
    outfit = Outfit.sample(rng)
    if rng.random() < 0.4 * variety:
        outfit = replace(outfit, trousers=_trousers(rng))
    if rng.random() < 0.1 * variety:
        dress = bool(rng.random() < 0.5)
        hem = rng.choice([rng.uniform(0.25, 0.5), rng.uniform(0.5, 0.85)])
        outfit = replace(outfit, skirt=Skirt(float(hem), rng.uniform(0.0, 0.08), dress))
        outfit = replace(outfit, trousers=tuple(rng.uniform(1, 6) * MM for _ in range(4)))
    if rng.random() < 0.4 * variety:
        outfit = replace(outfit, top=_top(rng))
    chance = {"brim": 0.04, "beanie": 0.03, "headscarf": 0.04, "mane": 0.10, "pigtails": 0.02, "afro": 0.04}
    return _with_headwear(outfit, chance, variety, rng)


def coat(rng: np.random.Generator) -> Top:
    """A coat: down to the hip or to the calves, thin or padded."""
    kind = rng.choice(["common", "long", "padded", "cape"], p=(0.35, 0.25, 0.3, 0.1))
    if kind == "common":
        return Top.coat(rng)
    low, high = {"long": (14, 34), "padded": (38, 72), "cape": (25, 45)}[kind]
    bulk = rng.uniform(low, high) * MM
    hem = {"long": (0.45, 0.85), "padded": (0.06, 0.45), "cape": (0.1, 0.5)}[kind]
    flare = {"long": (0.02, 0.12), "padded": (0.03, 0.08), "cape": (0.12, 0.26)}[kind]
    trunk = bulk * np.array([0.5, 1.0, rng.uniform(0.8, 1.3), rng.uniform(0.9, 1.2)])
    sleeve = bulk * np.array([0.65, rng.uniform(0.55, 0.8), rng.uniform(0.4, 0.75)])
    return Top(
        tuple(map(float, trunk)),
        tuple(map(float, sleeve)),
        collar=float(rng.uniform(0.3, 0.8) * bulk),
        hem=rng.uniform(*hem),
        flare=rng.uniform(*flare),
        free=True,
        hood=rng.uniform(0.06, 0.11) if rng.random() < 0.4 else 0.0,
    )


def dress_for(
    outfit: Outfit, kind: str, habit: np.random.Generator, condition: np.random.Generator, variety: float
) -> Look:
    """What a subject wears in a condition.

    Args:
        outfit: its everyday clothes.
        kind: of the condition: nm, bg or cl.
        habit: random numbers of the subject.
        condition: random numbers of the subject in this condition.
        variety: 0 nothing that is rare, 1 everything.
    """
    luggage = Luggage.sample(condition) if kind == "bg" else None
    if kind == "cl":
        outfit = replace(outfit, top=coat(condition))
        chance = {"brim": 0.10, "beanie": 0.14, "hood": 0.16, "headscarf": 0.04, "helmet": 0.02}
        outfit = _with_headwear(outfit, chance, variety, condition)
        if condition.random() < 0.35 * variety:
            outfit = replace(outfit, scarf=condition.uniform(0.015, 0.045))
    holds = _whim(habit) if habit.random() < 0.2 * variety else {}
    if condition.random() < (0.3 if kind == "cl" else 0.12) * variety:
        holds = _whim(condition)
    if luggage is not None:
        if luggage.kind in ("backpack", "shoulder bag", "trekking pack") and condition.random() < 0.3:
            holds = {luggage.side: "at the strap", **holds}
        carrying = [side for side, still in zip(BOTH, luggage.stilled(), strict=True) if still]
        holds = {side: name for side, name in holds.items() if side not in carrying} | luggage.holds()
    return Look(outfit, luggage=luggage, holds=holds)


def _whim(rng: np.random.Generator) -> dict[int, str]:
    """A way to hold one or both arms."""
    side = int(rng.choice(BOTH))
    way = rng.choice(
        ["pockets", "one pocket", "jacket", "crossed", "back", "phone", "reading"],
        p=(0.28, 0.18, 0.18, 0.12, 0.07, 0.09, 0.08),
    )
    return {
        "pockets": {1: "pocket", -1: "pocket"},
        "one pocket": {side: "pocket"},
        "jacket": {1: "jacket pocket", -1: "jacket pocket"},
        "crossed": {side: "over", -side: "under"},
        "back": {1: "behind back", -1: "behind back"},
        "phone": {side: "phone at the ear"},
        "reading": {side: "reading a phone"},
    }[str(way)]


def _with_headwear(outfit: Outfit, chance: dict[str, float], variety: float, rng: np.random.Generator) -> Outfit:
    draw, size = rng.random(), rng.random()
    for kind, share in chance.items():
        draw -= share * variety
        if draw < 0:
            return replace(outfit, headwear=kind, headwear_size=size)
    return outfit


def _trousers(rng: np.random.Generator) -> tuple[float, ...]:
    """Seat, knee, calf, hem of leggings, wide trousers, flared ones, shorts."""
    kind, bulk = rng.choice(4, p=(0.35, 0.25, 0.2, 0.2)), rng.uniform(0.6, 1.4)
    seat, knee, calf, hem = ((3, 2, 2, 3), (14, 27, 37, 46), (8, 10, 22, 48), (18, 34, 0, 0))[kind]
    return tuple(float(bulk * part * MM) for part in (seat, knee, calf, hem))


def _top(rng: np.random.Generator) -> Top:
    """A T-shirt, a tunic or hoodie down to the thighs, a waistcoat."""
    kind = rng.choice(3, p=(0.4, 0.4, 0.2))
    bulk = rng.uniform(*((3, 12), (8, 24), (25, 50))[kind]) * MM
    sleeve = ((1.5, 0.0, 0.0), (1.0, 1.0, 0.8), (0.15, 0.15, 0.15))[kind]
    return Top(
        (0.5 * bulk, bulk, 1.2 * bulk, 1.1 * bulk),
        tuple(part * bulk for part in sleeve),
        collar=0.3 * bulk,
        hem=rng.uniform(0.05, 0.3 if kind == 1 else 0.16),
        flare=rng.uniform(0.01, 0.06),
        free=bool(kind > 0 or rng.random() < 0.5),
        hood=rng.uniform(0.05, 0.09) if kind == 1 and rng.random() < 0.5 else 0.0,
    )
