"""Solid things on a walker: hair that hangs, hoods, bags; each tied to a joint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from einops import rearrange

from meshgait.synthetic.gait import Motion
from meshgait.synthetic.rotations import about, turn
from meshgait.synthetic.surface import Skin

PELVIS, SPINE3, HEAD = 0, 9, 15
WRISTS = {1: 22, -1: 23}

BAGS = ("backpack", "hand", "shoulder")


@dataclass(frozen=True)
class Part:
    """A solid tied to a joint.

    Attributes:
        joint: index of the joint.
        points: (n, 3) from the joint, in the rest pose's axes, metres.
        faces: (m, 3).
        upright: 0 turns with the joint, 1 hangs from it straight down whatever the joint does.
    """

    joint: int
    points: np.ndarray
    faces: np.ndarray
    upright: float = 0.0

    def pose(self, motion: Motion) -> np.ndarray:
        """Points (3, n, T) float32 from the pelvis, world axes."""
        turned = turn(motion.rotations[:, self.joint, None], self.points)
        placed = (1 - self.upright) * turned + self.upright * self.points + motion.joints[:, self.joint, None]
        return rearrange(placed.astype(np.float32), "t n c -> c n t")


def superellipsoid(
    centre: np.ndarray, half: np.ndarray, roundness: float = 1.0, rows: int = 9, columns: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) and outward faces of a superellipsoid: roundness 1 = ellipsoid, towards 0 = box."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, rows)
    longitude = np.linspace(0, 2 * np.pi, columns, endpoint=False)

    def power(value: np.ndarray) -> np.ndarray:
        return np.sign(value) * np.abs(value) ** roundness

    ring = np.stack([power(np.cos(longitude)), np.zeros(columns), power(np.sin(longitude))], axis=-1)
    points = power(np.cos(latitude))[:, None, None] * ring
    points[..., 1] = power(np.sin(latitude))[:, None]
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    a, b = i * columns + j, i * columns + (j + 1) % columns
    faces = np.stack([np.stack([a, a + columns, b]), np.stack([b, a + columns, b + columns])])
    return rearrange(points, "r c d -> (r c) d") * half + centre, rearrange(faces, "k v r c -> (k r c) v")


def shape(skin: Skin, hair: float, collar: float) -> np.ndarray:
    """Thickness (N,) over neck and head: a collar below, hair on the scalp, a bare face."""
    head = skin.points - skin.figure.joints[HEAD]
    top = skin.points[:, 1].max() - skin.figure.joints[HEAD, 1]
    height, ahead = head[:, 1] / top, (head[:, 2] - 0.02) / 0.1
    # the scalp begins above the forehead in front, and at the nape behind
    scalp = np.clip((height - 0.45 - 0.45 * ahead) / 0.25, 0.0, 1.0)
    neck = np.clip((0.0 - head[:, 1]) / 0.05, 0.0, 1.0)
    return hair * scalp + collar * neck * (1 - scalp)


def hair_parts(skin: Skin, style: str, hair: float) -> list[Part]:
    """What hair or a cap adds beyond the scalp."""
    points = skin.points[skin.share["head"] > 0.5] - skin.figure.joints[HEAD]
    back, top = points[points[:, 1] > 0].min(axis=0)[2], points[:, 1].max()
    solids = {
        "long": ((0.0, -0.05, back + 0.035), (0.075 + 0.4 * hair, 0.12 + hair, 0.05 + 0.4 * hair), 0.8),
        "tail": ((0.0, 0.0, back - 0.02), (0.025, 0.09, 0.03), 1.0),
        "bun": ((0.0, 0.55 * top, back - 0.015), (0.04, 0.04, 0.04), 1.0),
        "cap": ((0.0, 0.62 * top, 0.11), (0.07, 0.010, 0.09), 0.8),
    }
    if style not in solids:
        return []
    centre, half, roundness = solids[style]
    return [Part(HEAD, *superellipsoid(np.array(centre), np.array(half), roundness, 7, 12))]


def hood_part(skin: Skin, size: float, thickness: float) -> Part:
    """A hood that lies on the upper back, behind the neck."""
    joints = skin.figure.joints
    height = joints[12, 1] - 0.02
    centre = np.array([0.0, height, skin.back(height - 0.05) - thickness + 0.3 * size]) - joints[SPINE3]
    return Part(SPINE3, *superellipsoid(centre, np.array([1.35, 0.95, 0.8]) * size, 0.9, 7, 12))


def scarf_part(skin: Skin, thickness: float) -> Part:
    """A scarf around the neck."""
    neck = skin.figure.joints[12] - skin.figure.joints[SPINE3]
    size = np.array([0.065, 0.045, 0.07]) + np.array([1.0, 0.5, 1.0]) * thickness
    return Part(SPINE3, *superellipsoid(neck + np.array([0.0, 0.03, 0.01]), size, 0.9, 7, 12))


def sample_bag(rng: np.random.Generator) -> dict[str, float | str]:
    """What a person carries: kind, side (1 left, -1 right) and half sizes in metres."""
    kind = str(rng.choice(BAGS, p=(0.5, 0.25, 0.25)))
    low, high = {
        "backpack": ((0.13, 0.17, 0.06), (0.18, 0.25, 0.13)),
        "hand": ((0.05, 0.10, 0.12), (0.09, 0.17, 0.20)),
        "shoulder": ((0.045, 0.10, 0.12), (0.09, 0.16, 0.19)),
    }[kind]
    half = rng.uniform(low, high)
    return {
        "kind": kind,
        "side": int(rng.choice((1, -1))),
        "width": float(half[0]),
        "height": float(half[1]),
        "depth": float(half[2]),
        "strap": float(rng.uniform(0.02, 0.12)),
        "roundness": float(rng.uniform(0.3, 0.75)),
    }


def vary_bag(bag: dict[str, float | str], rng: np.random.Generator, amount: float) -> dict[str, float | str]:
    """The same bag, packed differently."""
    scale = np.exp(amount * rng.standard_normal(3))
    sizes = zip(("width", "height", "depth"), scale, strict=True)
    return {**bag, **{key: float(bag[key] * factor) for key, factor in sizes}}


def bag_parts(skin: Skin, bag: dict[str, float | str], thickness: float) -> list[Part]:
    """Parts of a bag carried over clothes of a thickness [m] at the chest."""
    joints = skin.figure.joints
    half, side = np.array([bag["width"], bag["height"], bag["depth"]]), int(bag["side"])
    round_, strap = float(bag["roundness"]), float(bag["strap"])
    if bag["kind"] == "backpack":
        # worn high: its top reaches the shoulders
        height = joints[16, 1] + 0.03 - half[1] - 0.5 * strap
        back = skin.back(joints[SPINE3, 1]) - thickness
        centre = np.array([0.0, height, back - 0.7 * half[2]]) - joints[SPINE3]
        points, faces = superellipsoid(centre, half, round_)
        return [Part(SPINE3, turn(about("x", 4.0), points), faces)]
    if bag["kind"] == "hand":
        grip = np.array([0.0, -0.05 - strap, 0.0])
        points, faces = superellipsoid(grip - [0.0, half[1], 0.0], half, round_)
        straps, strap_faces = superellipsoid(grip / 2, np.array([0.008, 0.06 + strap / 2, 0.05]), 0.5, 5, 8)
        return [Part(WRISTS[side], points, faces, 1.0), Part(WRISTS[side], straps, strap_faces, 1.0)]
    hips = skin.points[(skin.share["torso"] > 0.5) & (np.abs(skin.points[:, 1] - joints[1, 1]) < 0.1)]
    beside = side * (np.abs(hips[:, 0]).max() + thickness + 0.6 * half[0])
    centre = np.array([beside, joints[0, 1] - strap, joints[0, 2] - 0.06]) - joints[PELVIS]
    return [Part(PELVIS, *superellipsoid(centre, half, round_), 0.7)]
