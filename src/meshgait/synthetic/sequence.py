"""One sequence of one walker: kinematics, clothes, camera, silhouettes and truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from einops import rearrange, repeat

from meshgait.body.raster import fill, hulls, outlines
from meshgait.data.silhouettes import normalise
from meshgait.synthetic.camera import Shot, film
from meshgait.synthetic.cast import KINDS, Settings, Subject
from meshgait.synthetic.dress import Dressed, Outfit, Top
from meshgait.synthetic.gait import Gait, Motion
from meshgait.synthetic.motions import Motions
from meshgait.synthetic.noise import roughen
from meshgait.synthetic.parts import sample_bag, vary_bag
from meshgait.synthetic.rig import Rig
from meshgait.synthetic.rotations import to_axis_angle
from meshgait.synthetic.style import Style
from meshgait.synthetic.surface import Skin, Surface

SIZE = (64, 44)

MARGIN = 3
"""Pixels of background around the figure in the camera's image."""

HELD = 0.35
"""Arm swing left to an arm that carries a hand bag."""


@dataclass(frozen=True)
class Job:
    """One sequence to make."""

    subject: Subject
    condition: str
    view: int


@dataclass(frozen=True)
class Take:
    """A finished sequence.

    Attributes:
        silhouettes: (T, H, W) uint8 0..255.
        poses: (T, 72) axis-angle, global orientation in the camera frame.
        betas: (T, 10).
        cameras: (T, 3) pixels per metre at the pelvis, pelvis joint in the silhouette (u right, v down).
    """

    silhouettes: np.ndarray
    poses: np.ndarray
    betas: np.ndarray
    cameras: np.ndarray


@dataclass(frozen=True)
class Wardrobe:
    """What a subject owns: clothes, a coat, a bag."""

    outfit: Outfit
    coat: Top
    bag: dict[str, float | str]


class Studio:
    """Makes sequences of the subjects of one data set.

    Args:
        settings: of the data set.
        rig: the body model.
        motions: recorded walks, of one person a style; None to make walks of styles.
    """

    def __init__(self, settings: Settings, rig: Rig, motions: Motions | None = None) -> None:
        self.settings, self.rig, self.motions = settings, rig, motions
        self.surface = Surface(rig)
        self.skin = lru_cache(maxsize=4)(self._skin)
        self.wardrobe = lru_cache(maxsize=4)(self._wardrobe)

    def _skin(self, body: int) -> Skin:
        betas = np.clip(self.settings.generator("body", body).standard_normal(10), -2.5, 2.5)
        # rounded to what the store holds, so that its betas give exactly this body
        return Skin(self.surface, self.rig.figure(betas.astype(np.float32)))

    def _wardrobe(self, name: str) -> Wardrobe:
        rng = self.settings.generator("clothes", int(name))
        return Wardrobe(Outfit.sample(rng), Top.coat(rng), sample_bag(rng))

    def style(self, index: int) -> Style:
        """Style number `index` of the data set."""
        return Style.sample(self.settings.generator("style", index), self.settings.style_spread)

    def walk(self, job: Job) -> tuple[Motion, Dressed, np.random.Generator]:
        """Let the subject walk: kinematics and clothes of the sequence, and its random numbers."""
        settings, subject = self.settings, job.subject
        kind, number = job.condition.split("-")
        rng = settings.generator("walk", int(subject.name), KINDS.index(kind), int(number), job.view)
        style = self.style(subject.style).perturbed(rng, settings.style_jitter)
        own, skin = self.wardrobe(subject.name), self.skin(subject.body)
        outfit = own.outfit if kind != "cl" else replace(own.outfit, top=own.coat)
        outfit = outfit.varied(rng, settings.clothes_jitter)
        bag = vary_bag(own.bag, rng, settings.clothes_jitter) if kind == "bg" else None
        carried = (1.0, 1.0)
        if bag and bag["kind"] == "hand":
            carried = (HELD, 1.0) if bag["side"] > 0 else (1.0, HELD)
        times = np.arange(settings.frames) / settings.fps
        if self.motions:
            motion = self.motions.perform(subject.style, skin.figure, times, rng, carried)
        else:
            motion = Gait(style, skin.figure, carried).frames(times, start=rng.random())
        return motion, Dressed(skin, outfit, bag), rng

    def take(self, job: Job) -> Take:
        """Make one sequence."""
        settings = self.settings
        motion, dressed, rng = self.walk(job)
        view = job.view + settings.view_jitter * rng.uniform(-1, 1)
        shot = film(motion.path, view, settings.camera_distance, settings.camera_height)
        return record(dressed, motion, shot, rng if settings.noise != "none" else None)


def record(dressed: Dressed, motion: Motion, shot: Shot, noise: np.random.Generator | None = None) -> Take:
    """Silhouettes and truth of a filmed walk, with segmentation noise if random numbers for it are given."""
    images, pelvis = shoot(dressed, motion, shot)
    if noise is not None:
        images = roughen(images, noise)
    silhouettes, cameras = crop(images, pelvis, shot.scale)
    local = motion.local.copy()
    local[:, 0] = shot.rotation @ local[:, 0]
    poses = rearrange(to_axis_angle(local), "t j c -> t (j c)").astype(np.float32)
    betas = repeat(dressed.skin.figure.betas, "b -> t b", t=len(poses))
    return Take(silhouettes, poses, betas.astype(np.float32), cameras)


def shoot(dressed: Dressed, motion: Motion, shot: Shot) -> tuple[np.ndarray, np.ndarray]:
    """The camera's binary images (T, h, w) uint8, just large enough, and the pelvis joint (x, y) in them."""
    points, loose = dressed.pose(motion)
    projected = [shot.project(cloud) for cloud in (points, *loose)]
    low = np.floor(np.min([cloud.min(axis=(1, 2)) for cloud in projected], axis=0)) - MARGIN
    high = np.ceil(np.max([cloud.max(axis=(1, 2)) for cloud in projected], axis=0)) + MARGIN
    width, height = (high - low).astype(int)
    surface, *cloths = [cloud - low[:, None, None] for cloud in projected]
    edges = np.concatenate([outlines(surface, dressed.topology), *map(hulls, cloths)], axis=1)
    return fill(edges, len(motion.path), (height, width)), -low


def crop(images: np.ndarray, pelvis: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Apply the crop rule to each image.

    Args:
        images: (T, h, w) uint8.
        pelvis: (2,) pelvis joint (x, y) in the images, pixels.
        scale: (T,) pixels per metre in the images at the pelvis' depth.

    Returns:
        Silhouettes (T, H, W) and cameras (T, 3) float32.
    """
    silhouettes, cameras = np.empty((len(images), *SIZE), np.uint8), np.empty((len(images), 3), np.float32)
    for frame, image in enumerate(images):
        silhouettes[frame], cut = normalise(image, SIZE)
        cameras[frame] = (scale[frame] * cut.scale, *cut.to_silhouette(pelvis))
    return silhouettes, cameras
