"""SMPL's skeleton: names, parents and mirror partners of its 24 joints, in SMPL's order."""

from __future__ import annotations

JOINT_NAMES: tuple[str, ...] = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hand",
    "right_hand",
)
"""Joint names; "left" is the body's own left, which lies at +x when the body faces +z."""

PARENTS: tuple[int, ...] = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21,
)  # fmt: skip
"""Parent of each joint; the root has -1. Parents always come before their children."""

NUM_JOINTS = len(JOINT_NAMES)


def _mirror_name(name: str) -> str:
    side, _, rest = name.partition("_")
    return {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, name)


JOINT_FLIP: tuple[int, ...] = tuple(JOINT_NAMES.index(_mirror_name(name)) for name in JOINT_NAMES)
"""Permutation that swaps left and right: joint j of a mirrored body is joint JOINT_FLIP[j] of the body."""
