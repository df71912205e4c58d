"""A colour video of synthetic walkers in front of a textured background, with the exact mask of each walker.

It stands in for footage of real people where the truth must be known: tests and benchmarks of segmentation, and a
video to try commands on. Clothes are plain colours with folds, the ground takes the walkers' shadows, every pixel
has noise. The picture is seen from far away, so a walker keeps the same size from one border to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from meshgait.body.smpl import BodyModel
from meshgait.errors import OutputError
from meshgait.synthetic.appearance import FACE, HAND, PARTS, SHANK, SLEEVE, TOP, TROUSERS, texture
from meshgait.synthetic.camera import FIGURE_HEIGHT, following_camera
from meshgait.synthetic.images import render_images
from meshgait.synthetic.population import WalkerSettings
from meshgait.synthetic.rig import Rig
from meshgait.synthetic.segmentation import scene_of
from meshgait.synthetic.sequence import SequenceJob, SequenceRenderer

FAR = 60.0
"""Metres to the camera."""


@dataclass(frozen=True)
class Actor:
    """Somebody in a film: T pictures of a figure and where they are put.

    Attributes:
        masks: (T, h, w) bool.
        colours: (T, h, w, 3) uint8 BGR; used only where the mask is true.
        corners: (T, 2) x and y of the upper left corner in the film's frame, whole pixels.
        first: frame of the film in which the actor appears.
    """

    masks: np.ndarray
    colours: np.ndarray
    corners: np.ndarray
    first: int = 0


@dataclass(frozen=True)
class Film:
    """A video and its truth.

    Attributes:
        frames: (T, H, W, 3) uint8 BGR.
        masks: (N, T, H, W) bool, what is visible of each actor; later actors stand in front of earlier ones.
    """

    frames: np.ndarray
    masks: np.ndarray


def walking_actor(
    number: int,
    frames: int,
    feet: tuple[float, float],
    height: float = 120.0,
    view: int = 270,
    first: int = 0,
    fps: float = 25.0,
    seed: int = 0,
) -> Actor:
    """A synthetic walker.

    Args:
        number: which body and style, 0 to 7.
        frames: how long the walker is in the film.
        feet: x and y, pixels of the frame, on the ground below the walker in the first frame.
        height: of a figure of 1.75 m, pixels.
        view: azimuth; 90 walks to the left of the image, 270 to the right, 0 towards the camera.
        first: frame of the film in which the walker appears.
        fps: frames per second.
        seed: of body, style and clothes.
    """
    renderer = _renderer(frames, fps, seed)
    job = SequenceJob(renderer.settings.subjects()[number], "nm-01", view)
    motion, dressed, rng = renderer.walk(job)
    camera = following_camera(motion.path, view, FAR, 1.2)
    camera = replace(camera, focal=height / FIGURE_HEIGHT * float(camera.distance.mean()))
    images, pelvis = render_images(dressed, motion, camera)
    pixels = height / FIGURE_HEIGHT * (motion.path - motion.path[0]) @ camera.rotation[frames // 2].T
    hip = height / FIGURE_HEIGHT * motion.path[0, 1]
    places = np.stack([feet[0] + pixels[:, 0], feet[1] - hip - pixels[:, 1]], axis=1)
    scene = scene_of(dressed, motion, camera, images, pelvis)
    palette = _palette(rng)
    rows, columns = images.shape[1:]
    cloth = 14 * texture(rows, columns, max(height / 14, 2.0), rng)[..., None]
    colours = np.stack([(palette[scene.parts(frame)] + cloth).clip(0, 255) for frame in range(frames)])
    return Actor(images > 0, colours.astype(np.uint8), np.round(places - pelvis).astype(int), first)


@lru_cache(maxsize=8)
def _renderer(frames: int, fps: float, seed: int) -> SequenceRenderer:
    settings = WalkerSettings(bodies=4, styles=4, conditions=("nm-01",), frames=frames, fps=fps, seed=seed)
    settings_far = replace(settings, camera_distance=FAR)
    return SequenceRenderer(settings_far, Rig(BodyModel.default().arrays))


def _palette(rng: np.random.Generator) -> np.ndarray:
    """(PARTS, 3) BGR: clothes dark or light and of any colour, skin from dark to light."""
    grey = np.where(rng.random((PARTS, 1)) < 0.6, 50.0, 185.0) + rng.normal(0, 25, (PARTS, 1))
    base = grey + rng.normal(0, 16, (PARTS, 3))
    base[[FACE, HAND]] = np.array([95.0, 125.0, 175.0]) * rng.uniform(0.5, 1.2)
    base[SLEEVE], base[SHANK] = base[TOP], base[TROUSERS]
    return base.clip(5, 250)


def backdrop(size: tuple[int, int], horizon: float, seed: int = 0, contrast: float = 1.0) -> np.ndarray:
    """A wall with posts and a ground with grain, (H, W, 3) float32 BGR.

    Args:
        size: (H, W) pixels.
        horizon: row at which the ground begins.
        seed: of the texture.
        contrast: of the texture; 0 is a plain wall and a plain ground.
    """
    rng, (height, width) = np.random.default_rng(seed), size
    picture = np.empty((height, width, 3), np.float32)
    coarse, fine = (texture(height, width, cell, rng) for cell in (height / 4, height / 40))
    for channel in range(3):
        tint = texture(height, width, height / 6, rng)
        picture[..., channel] = 125 + contrast * (20 * coarse + 12 * fine + 6 * tint)
    posts = np.sort(rng.integers(0, width, 8))
    levels = contrast * (22 * rng.standard_normal((9, 1)) + 6 * rng.standard_normal((9, 3))).astype(np.float32)
    picture += levels[np.searchsorted(posts, np.arange(width))]
    ground = max(int(horizon), 0)
    picture[ground:] = 0.5 * picture[ground:] + 70 + 10 * contrast * rng.standard_normal(3).astype(np.float32)
    return picture.clip(20, 235)


def shoot(
    actors: Sequence[Actor],
    background: np.ndarray,
    frames: int,
    noise: float = 3.0,
    shadow: float = 0.6,
    shift: np.ndarray | None = None,
    seed: int = 0,
) -> Film:
    """Film actors in front of a background.

    Args:
        actors: from the farthest to the nearest.
        background: (H, W, 3) BGR.
        frames: length of the film.
        noise: standard deviation of each pixel's brightness from frame to frame.
        shadow: how much light is left in a shadow on the ground; 1 casts none.
        shift: (T, 2) whole pixels by which the camera has moved; the background repeats beyond its border.
        seed: of the noise.
    """
    rng, (height, width) = np.random.default_rng(seed), background.shape[:2]
    film = np.empty((frames, height, width, 3), np.uint8)
    truth = np.zeros((len(actors), frames, height, width), bool)
    for time in range(frames):
        move = np.zeros(2, int) if shift is None else np.asarray(shift[time])
        picture = np.roll(background, -move[::-1], (0, 1)).astype(np.float32)
        present = [(number, actor, time - actor.first) for number, actor in enumerate(actors)]
        present = [(n, actor, at) for n, actor, at in present if 0 <= at < len(actor.masks)]
        for _, actor, at in present:
            shade = _shade(actor.masks[at], actor.corners[at] - move, (height, width))
            picture *= 1 - (1 - shadow) * shade[..., None]
        for number, actor, at in present:
            seen, part = _overlap(actor.masks[at].shape, actor.corners[at] - move, (height, width))
            mask = actor.masks[at][part]
            picture[seen][mask] = actor.colours[at][part][mask]
            covered = (slice(None), *seen)
            truth[:number, time][covered] &= ~mask
            truth[number, time][seen] |= mask
        picture += noise * rng.standard_normal(picture.shape, np.float32)
        film[time] = cv2.GaussianBlur(picture, (0, 0), 0.6).clip(0, 255)
    return Film(film, truth)


def _overlap(
    shape: tuple[int, ...], corner: np.ndarray, size: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a picture lies within a frame: slices of the frame and of the picture."""
    (left, top), (height, width) = corner, shape
    rows = slice(min(max(top, 0), size[0]), min(max(top + height, 0), size[0]))
    columns = slice(min(max(left, 0), size[1]), min(max(left + width, 0), size[1]))
    part = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    return (rows, columns), part


def _shade(mask: np.ndarray, corner: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) from 0 to 1: the shadow that a figure throws to the right on the ground at its feet."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return np.zeros(size, np.float32)
    foot = rows[-1]
    # a point h above the ground throws its shadow 0.5 h to the right and 0.12 h up, away from the camera
    lean = np.array([[1, -0.5, corner[0] + 0.5 * foot], [0, 0.12, corner[1] + 0.88 * foot]])
    cast = cv2.warpAffine(mask.astype(np.float32), lean, size[::-1])
    return cv2.GaussianBlur(cast, (0, 0), 1.5)


def write_video(path: Path | str, frames: np.ndarray, fps: float = 25.0, codec: str = "mp4v") -> None:
    """Encode frames (T, H, W, 3) uint8 BGR.

    Args:
        path: of the video; its extension chooses the container, such as .mp4 or .avi.
        frames: of the video.
        fps: frames per second.
        codec: four letters, such as mp4v or MJPG.

    Raises:
        OutputError: OpenCV cannot write there or lacks the codec.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, frames.shape[2:0:-1])
    if not writer.isOpened():
        raise OutputError(f"{path} cannot be written with codec {codec}", "choose another place or another codec")
    for frame in frames:
        writer.write(frame)
    writer.release()
