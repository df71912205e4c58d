"""A recogniser that is fast and tells the drawn walkers apart."""

import numpy as np
import torch

from meshgait.recogniser import Recogniser


class MeanModel(Recogniser):
    """Embeds the mean silhouette: 4 strips of 11 x 16 means of pixels. ``seed`` makes another model of it."""

    size = (64, 44)

    def __init__(self, seed=0):
        torch.manual_seed(seed)
        self._network = torch.nn.Linear(2, 2)

    @property
    def network(self):
        return self._network

    def _embed(self, frames):
        mean = frames.mean(axis=0, dtype=np.float32) / np.float32(255)
        return mean.reshape(4, 16, 11, 4).mean(axis=3, dtype=np.float32).reshape(4, 176)
