"""Drawn walkers that can be told apart, and a model without PyTorch, which processes start with quickly."""

from types import SimpleNamespace

import numpy as np

from meshgait.data.readers import ReadReport, Silhouettes


def walk(person, number=0, frames=10, mirrored=False):
    """Silhouettes (T, 96, 80) uint8 of a figure with the person's proportions; ``number`` varies it a little."""
    build, gait = np.random.default_rng(person), np.random.default_rng((person, number))
    head, trunk, hips = build.uniform(4, 9), build.uniform(8, 20), build.uniform(5, 16)
    stride, lean = build.uniform(6, 16), build.uniform(-6, 6)
    rows, columns = np.mgrid[:96, :80]
    result = []
    for time in np.arange(frames) * 0.6 + gait.uniform(0, 6):
        legs = 40 + stride * np.sin(time)
        figure = np.hypot(rows - 14, columns - 40 - lean) < head + gait.uniform(0, 0.5)
        figure |= (rows > 14) & (rows < 55) & (np.abs(columns - 40 - lean * (55 - rows) / 41) < trunk / 2)
        for foot in (legs, 80 - legs):
            middle = 40 + (foot - 40) * (rows - 50) / 40
            figure |= (rows >= 50) & (rows < 92) & (np.abs(columns - middle) < hips / 3)
        # a hand in front makes a walk differ from its mirror image
        figure |= (np.abs(rows - 40) < 3) & (columns > 40) & (columns < 40 + stride + 8)
        result.append(figure[:, ::-1] if mirrored else figure)
    return np.array(result, np.uint8) * np.uint8(255)


class LightModel:
    """Embeds mean brightness in 4 strips of 8 x 20 fields, and has the part of `Recogniser` that galleries use."""

    size = (96, 80)
    network = SimpleNamespace(state_dict=dict)

    def read(self, walk):
        if isinstance(walk, Silhouettes):
            return walk
        return Silhouettes(walk, np.arange(len(walk)), ReadReport("drawn", len(walk), "drawn", {}))

    def embed(self, walks):
        means = [walk.frames.mean(axis=0, dtype=np.float32) / np.float32(255) for walk in walks]
        fields = [mean.reshape(4, 8, 3, 20, 4).mean(axis=(2, 4), dtype=np.float32) for mean in means]
        return np.array([field.reshape(4, 160) for field in fields])
