"""Small data sets in the forms in which they are published, for the tests of packing."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np

from meshgait.data.silhouettes import normalise


def figure(step: float, shape: tuple[int, int] = (120, 160), shift: int = 0) -> np.ndarray:
    """An image (h, w) uint8 of somebody who walks."""
    image = np.zeros(shape, np.uint8)
    x, y = shape[1] // 2 + shift, shape[0]
    cv2.circle(image, (x, y // 5), y // 12, 255, -1)
    cv2.ellipse(image, (x, y // 2), (y // 9, y // 4), 0, 0, 360, 255, -1)
    for side in (-1, 1):
        foot = x + side * int(y / 8 * np.sin(step))
        cv2.line(image, (x, y * 6 // 10), (foot, y * 9 // 10), 255, max(y // 20, 1))
    return image


def frames(folder: Path, count: int = 3, shape: tuple[int, int] = (120, 160)) -> list[np.ndarray]:
    """Write a folder of frames; returns them."""
    folder.mkdir(parents=True)
    images = [figure(step, shape, shift=5 * step) for step in range(count)]
    for step, image in enumerate(images, 1):
        cv2.imwrite(str(folder / f"{step:03d}.png"), image)
    return images


def silhouettes(count: int = 3, size: tuple[int, int] = (64, 64), seed: int = 0) -> np.ndarray:
    """(T, H, W) uint8 in the silhouette frame, with grey edges; every seed and frame gives another one."""
    return np.stack([normalise(figure(seed + 0.4 * step, (150 + seed, 170)), size)[0] for step in range(count)])


def rows(count: int = 3, seed: int = 0) -> np.ndarray:
    """SMPL rows (T, 85) as fitted."""
    return np.random.default_rng(seed).normal(size=(count, 85)).astype(np.float32)


def dump(path: Path, content: object) -> None:
    """Write a pickle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        pickle.dump(content, file)


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def romp(path: Path, count: int, first: float = 0.0) -> np.ndarray:
    """Write the fits of a sequence by ROMP's names; returns betas (T, 10), those of frame t all first + t."""
    path.parent.mkdir(parents=True, exist_ok=True)
    betas = np.repeat(first + np.arange(count, dtype=np.float32)[:, None], 10, axis=1)
    np.savez(path, smpl_thetas=np.full((count, 72), 0.1), smpl_betas=betas, cam=np.ones((count, 3)))
    return betas
