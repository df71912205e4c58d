"""One sequence of one walker: kinematics, clothes, camera, silhouettes and truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from einops import rearrange, repeat

from meshgait.synthetic.bodies import Build
from meshgait.synthetic.camera import Camera, following_camera
from meshgait.synthetic.carriage import hold_arms
from meshgait.synthetic.dress import Dressed, Outfit, Top
from meshgait.synthetic.gait import Gait, Motion
from meshgait.synthetic.images import crop, render_images
from meshgait.synthetic.motions import Motions
from meshgait.synthetic.parts import sample_bag, vary_bag
from meshgait.synthetic.population import KINDS, Subject, WalkerSettings
from meshgait.synthetic.rig import Rig
from meshgait.synthetic.rotations import to_axis_angle
from meshgait.synthetic.segmentation import Segmenter, choose_segmenter, scene_of
from meshgait.synthetic.style import Style
from meshgait.synthetic.surface import Skin, Surface
from meshgait.synthetic.viewpoints import Viewpoint
from meshgait.synthetic.wardrobe import Look, dress_for, everyday

MOST_ERROR = 1.0
"""Pixels of a silhouette of 64 rows by which the joints may lie, on average, from where the truth's
weak-perspective camera puts them; a frame seen from so near that they lie farther off is not valid for learning
3D."""

HELD = 0.35
"""Arm swing left to an arm that carries a hand bag."""


@dataclass(frozen=True)
class SequenceJob:
    """One sequence to make."""

    subject: Subject
    condition: str
    view: int

    @property
    def kind(self) -> str:
        """Of the condition: nm, bg or cl."""
        return self.condition.split("-")[0]

    @property
    def key(self) -> tuple[int, ...]:
        """Whole numbers that only this sequence of the data set has."""
        kind, number = self.condition.split("-")
        return int(self.subject.name), KINDS.index(kind), int(number), self.view


@dataclass(frozen=True)
class RenderedSequence:
    """A finished sequence.

    Attributes:
        silhouettes: (T, H, W) uint8 0..255.
        poses: (T, 72) axis-angle, global orientation in the camera frame.
        betas: (T, 10).
        cameras: (T, 3) pixels per metre at the pelvis, pelvis joint in the silhouette (u right, v down).
        valid: (T,) whether this camera puts the joints where they are seen, see `MOST_ERROR`.
    """

    silhouettes: np.ndarray
    poses: np.ndarray
    betas: np.ndarray
    cameras: np.ndarray
    valid: np.ndarray


@dataclass(frozen=True)
class Wardrobe:
    """What a subject owns: clothes, a coat, a bag."""

    outfit: Outfit
    coat: Top
    bag: dict[str, float | str]


class SequenceRenderer:
    """Makes sequences of the subjects of one data set.

    Args:
        settings: of the data set.
        rig: the body model.
        motions: recorded walks, of one person a style; None to make walks of styles.
    """

    def __init__(self, settings: WalkerSettings, rig: Rig, motions: Motions | None = None) -> None:
        self.settings, self.rig, self.motions = settings, rig, motions
        self.surface = Surface(rig)
        self.skin = lru_cache(maxsize=4)(self._skin)
        self.wardrobe = lru_cache(maxsize=4)(self._wardrobe)

    def _skin(self, body: int) -> Skin:
        # rounded to what the store holds, so that its betas give exactly this body
        return Skin(self.surface, self.rig.figure(self.build(body).betas.astype(np.float32)))

    def build(self, body: int) -> Build:
        """Body number `body` of the data set."""
        settings = self.settings
        betas = np.clip(settings.generator("body", body).standard_normal(10), -2.5, 2.5)
        return Build.sample(settings.generator("build", body), betas, settings.body_variety)

    def _wardrobe(self, name: str) -> Wardrobe:
        rng = self.settings.generator("clothes", int(name))
        return Wardrobe(Outfit.sample(rng), Top.coat(rng), sample_bag(rng))

    def style(self, index: int) -> Style:
        """Style number `index` of the data set."""
        return Style.sample(self.settings.generator("style", index), self.settings.style_spread)

    def walk(self, job: SequenceJob, rate: float = 1.0) -> tuple[Motion, Dressed, np.random.Generator]:
        """Let the subject walk.

        Args:
            job: the sequence.
            rate: factor of the frame rate.

        Returns:
            Kinematics and clothes of the sequence, and its random numbers.
        """
        settings, subject = self.settings, job.subject
        rng, build = settings.generator("walk", *job.key), self.build(subject.body)
        style = self.style(subject.style).perturbed(rng, settings.style_jitter)
        if settings.body_variety:
            style = build.walks(style)
        skin, look = self.skin(subject.body), self._look(job)
        outfit = look.outfit.varied(rng, settings.clothes_jitter).scaled(1 / build.stature)
        bag = vary_bag(look.bag, rng, settings.clothes_jitter) if look.bag else None
        luggage = look.luggage
        left, right = (bool(bag and bag["kind"] == "hand" and bag["side"] == s) for s in (1, -1))
        if luggage is not None:
            luggage = luggage.varied(rng, settings.clothes_jitter).scaled(1 / build.stature)
            left, right = luggage.stilled()
        carried = (HELD if left else 1.0, HELD if right else 1.0)
        times = np.arange(settings.frames) / (rate * settings.fps)
        if self.motions:
            motion = self.motions.retarget(subject.style, skin.figure, times, rng, carried)
        else:
            motion = Gait(style, skin.figure, carried).frames(times, start=rng.random())
        motion = hold_arms(motion, skin.figure, look.holds)
        return motion, Dressed(skin, outfit, bag, luggage, build if settings.body_variety else None), rng

    def _look(self, job: SequenceJob) -> Look:
        """What the subject wears and carries in a condition."""
        own, variety = self.wardrobe(job.subject.name), self.settings.wardrobe_variety
        if not variety:
            outfit = own.outfit if job.kind != "cl" else replace(own.outfit, top=own.coat)
            return Look(outfit, own.bag if job.kind == "bg" else None)
        habit = self.settings.generator("wardrobe", job.key[0])
        outfit = everyday(habit, variety)
        return dress_for(outfit, job.kind, habit, self.settings.generator("looks", *job.key[:3]), variety)

    def render(self, job: SequenceJob) -> RenderedSequence:
        """Make one sequence."""
        settings = self.settings
        viewpoint = self._viewpoint(job)
        motion, dressed, rng = self.walk(job, viewpoint.rate if viewpoint else 1.0)
        jitter = settings.view_jitter * rng.uniform(-1, 1)
        stature = self.build(job.subject.body).stature
        if viewpoint:
            camera = viewpoint.camera(motion.path, jitter, stature)
        else:
            far, high = settings.camera_distance / stature, settings.camera_height / stature
            camera = following_camera(motion.path, job.view + jitter, far, high)
        return render_sequence(
            dressed, motion, camera, choose_segmenter(settings.noise, settings.noise_strength, rng)
        )

    def _viewpoint(self, job: SequenceJob) -> Viewpoint | None:
        """Where the camera of a sequence stands, if every sequence has its own."""
        settings = self.settings
        if not settings.camera_variety:
            return None
        rng = settings.generator("camera", *job.key)
        place = (job.view, settings.camera_distance, settings.camera_height)
        return Viewpoint.sample(rng, *place, settings.camera_variety)


def render_sequence(
    dressed: Dressed, motion: Motion, camera: Camera, segment: Segmenter | None = None
) -> RenderedSequence:
    """Silhouettes and truth of a walk that a camera sees, with the faults of a segmenter if there is one."""
    images, pelvis = render_images(dressed, motion, camera)
    scale, place, error = camera.scale, np.zeros((2, len(images))), np.zeros(len(images))
    if camera.lens is not None:
        scale, place, error = camera.weak_perspective(motion.joints)
    if segment is not None:
        images = segment(scene_of(dressed, motion, camera, images, pelvis))
    silhouettes, cameras = crop(images, place.T.astype(pelvis.dtype) + pelvis, scale)
    local = motion.local.copy()
    local[:, 0] = camera.rotation @ local[:, 0]
    poses = rearrange(to_axis_angle(local), "t j c -> t (j c)").astype(np.float32)
    betas = repeat(dressed.skin.figure.betas, "b -> t b", t=len(poses))
    valid = error / scale * cameras[:, 0] < MOST_ERROR
    return RenderedSequence(silhouettes, poses, betas.astype(np.float32), cameras, valid)
