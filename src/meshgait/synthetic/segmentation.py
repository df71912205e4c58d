"""Which segmenter a sequence went through, by the name of its noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from einops import rearrange

from meshgait.synthetic.appearance import Scene
from meshgait.synthetic.camera import Camera
from meshgait.synthetic.dress import Dressed
from meshgait.synthetic.gait import Motion
from meshgait.synthetic.learned import LearnedSegmenter
from meshgait.synthetic.noise import roughen
from meshgait.synthetic.subtraction import Subtraction, smooth

Segmenter = Callable[[Scene], np.ndarray]
"""Turns a scene into silhouettes (T, h, w) uint8, 0 or 255."""

NOISES = ("none", "mild", "subtraction", "learned", "mixed")

MIXTURE = {"smooth": 0.12, "mild": 0.08, "subtraction": 0.5, "learned": 0.3}
"""Shares of sequences with "mixed" noise."""

HEAD, TOES = 15, (10, 11)


def choose_segmenter(noise: str, strength: float, rng: np.random.Generator) -> Segmenter | None:
    """The segmenter of one sequence.

    Args:
        noise: one of `NOISES`.
        strength: 0 loses nothing, 1 is as bad as in old footage; with "mixed" the most a sequence has.
        rng: random numbers, which the segmenter goes on using.
    """
    if noise == "mixed":
        noise = str(rng.choice(list(MIXTURE), p=list(MIXTURE.values())))
        strength *= rng.uniform(0.25, 1.0)
    if noise == "subtraction":
        subtraction = Subtraction.sample(rng, strength)
        return lambda scene: subtraction.apply(scene, rng)
    if noise == "learned":
        network = LearnedSegmenter.sample(rng, strength)
        return lambda scene: network.apply(scene, rng)
    if noise == "smooth":
        blur, level = rng.uniform(0.6, 2.2), rng.uniform(0.3, 0.55)
        return lambda scene: np.stack([smooth(image, blur, level) for image in scene.images])
    if noise == "mild":
        return lambda scene: roughen(scene.images, rng)
    return None


def scene_of(dressed: Dressed, motion: Motion, camera: Camera, images: np.ndarray, pelvis: np.ndarray) -> Scene:
    """The scene of rendered images.

    Args:
        dressed: who walks.
        motion: T frames.
        camera: that saw them.
        images: (T, h, w) uint8.
        pelvis: (2,) pelvis joint (x, y) in the images.
    """

    def seen(points: np.ndarray) -> np.ndarray:
        pixels = camera.project(rearrange(points, "t n c -> c n t"))
        return rearrange(pixels, "c n t -> t n c") + pelvis

    ahead = (camera.rotation @ motion.rotations[:, HEAD, :, 2:])[:, :2, 0] * np.array([1.0, -1.0])
    feet = motion.joints[:, TOES].copy()
    feet[..., 1] = -motion.path[:, None, 1]
    towards = camera.rotation[:, 2]
    sight = np.stack([np.unwrap(np.arctan2(towards[:, 0], towards[:, 2])), np.arcsin(towards[:, 1])], axis=-1)
    return Scene(
        images,
        joints=seen(motion.joints),
        depth=(motion.joints @ towards[..., None])[..., 0],
        scale=np.broadcast_to(camera.scale, len(images)),
        face=0.05 * camera.scale[:, None] * ahead,
        bags=[rearrange(camera.project(points), "c n t -> t n c") + pelvis for points in dressed.carried(motion)],
        hem=dressed.hem,
        ground=seen(feet),
        shift=np.mean(camera.focal) * sight,
    )
