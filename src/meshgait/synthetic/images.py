"""A dressed walker as the camera's binary images, and these cut to silhouettes."""

from __future__ import annotations

import numpy as np

from meshgait.body.raster import fill, hulls, outlines
from meshgait.data.silhouettes import normalise
from meshgait.synthetic.camera import Camera
from meshgait.synthetic.dress import Dressed
from meshgait.synthetic.gait import Motion

SIZE = (64, 44)

MARGIN = 3
"""Pixels of background around the figure in the camera's image."""


def render_images(dressed: Dressed, motion: Motion, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """The camera's binary images (T, h, w) uint8, just large enough, and the pelvis joint (x, y) in them."""
    points, loose = dressed.pose(motion)
    projected = [camera.project(cloud) for cloud in (points, *loose)]
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
        pelvis: (T, 2) pelvis joint (x, y) in the images, pixels.
        scale: (T,) pixels per metre in the images at the pelvis' depth.

    Returns:
        Silhouettes (T, H, W) and cameras (T, 3) float32.
    """
    silhouettes, cameras = np.empty((len(images), *SIZE), np.uint8), np.empty((len(images), 3), np.float32)
    for frame, image in enumerate(images):
        silhouette, cut = normalise(image, SIZE)
        assert silhouette is not None and cut is not None  # the whole walker is in the image
        silhouettes[frame] = silhouette
        cameras[frame] = (scale[frame] * cut.scale, *cut.to_silhouette(pelvis[frame]))
    return silhouettes, cameras
