"""Segmenter `torchvision`: Mask R-CNN, which needs no still camera and tells people apart, but is slow on a CPU.

The weights are torchvision's (He et al., ICCV 2017; trained on COCO) and are not part of this package. Torchvision
fetches them, once, when the user says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from meshgait.errors import ConfigError
from meshgait.extras import require
from meshgait.video.figures import Box, Figure
from meshgait.video.outline import bridged

PERSON = 1
"""Class of COCO."""
SURE = 0.7
"""Score of a person at least."""


class MaskRCNN:
    """Mask R-CNN by torchvision; see the module.

    Args:
        fetch: let torchvision fetch its weights (180 MB) if they are not there.

    Raises:
        ConfigError: torchvision or its weights are missing.
    """

    name, needs_still_camera = "torchvision", False

    def __init__(self, fetch: bool = False) -> None:
        require("masks", "--segmenter torchvision")
        import torch
        from torchvision.models import detection

        weights = detection.MaskRCNN_ResNet50_FPN_V2_Weights.DEFAULT
        cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        if not fetch and not cached.is_file():
            raise ConfigError(
                f"the weights of torchvision's Mask R-CNN are not in {cached.parent}",
                "give --fetch to let torchvision fetch 180 MB, or use subtract",
            )
        self._torch = torch
        self._network: Any = detection.maskrcnn_resnet50_fpn_v2(weights=weights).eval()

    def learn(self, samples: Sequence[np.ndarray]) -> None:
        """The network has learned already."""

    def figures(self, picture: np.ndarray, expected: Sequence[Box] = ()) -> list[Figure]:
        """Figures in a frame; see `meshgait.video.figures.Segmenter`."""
        torch = self._torch
        image = torch.from_numpy(np.moveaxis(picture[..., ::-1], -1, 0).astype(np.float32) / 255)
        with torch.no_grad():
            given = self._network([image])[0]
        figures = []
        for label, score, mask in zip(given["labels"], given["scores"], given["masks"], strict=True):
            if int(label) != PERSON or float(score) < SURE:
                continue
            found = mask[0].numpy() > 0.5
            own, pieces = bridged(found, float(np.count_nonzero(found.any(axis=1))))
            if (figure := Figure.cut(own, pieces=pieces)) is not None:
                figures.append(figure)
        return figures
