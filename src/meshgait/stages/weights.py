"""Writing exported models: a folder of ``model.safetensors`` (weights) and ``model.yaml`` (description).

Neither file can run code. The YAML holds what rebuilds the network (``stage``, ``settings``), the SHA-256 of the
weights, the names and SHA-256 of files that the model was trained with and that are not part of it (``needs``: a
licensed body and its markers), and, for the reader, where the weights come from (``training``).

Only learnt weights are written. Bodies and markers have their own licences, and the classifier has one vector per
training subject, which is a biometric template of that person.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save
from torch import Tensor

from meshgait import __version__
from meshgait.checksum import sha256_of
from meshgait.errors import ConfigError, DataError
from meshgait.stages.checkpoint import DESCRIPTION, FILES, FORMAT, WEIGHTS

CLASSIFIER = "network.classify."
LEARNT = ("network.", "supervision.mesh.gamma")
"""Prefixes of learnt weights: the network, and the exponent of the markers' confidence."""


def learnt(state: Mapping[str, Tensor], with_classifier: bool = True) -> dict[str, Tensor]:
    """The part of a stage's state that is exported."""
    kept = {name: value for name, value in state.items() if name.startswith(LEARNT)}
    return {name: value for name, value in kept.items() if with_classifier or not name.startswith(CLASSIFIER)}


def write_model(
    folder: Path,
    stage: str,
    settings: Mapping[str, Any],
    state: Mapping[str, Tensor],
    with_classifier: bool = False,
    half: bool = False,
    **about: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Write weights and description to an existing folder.

    Args:
        folder: where to.
        stage: name of the class that the state is of.
        settings: what rebuilds its network; of paths in it only the names of the files are written.
        state: of the stage.
        with_classifier: keep the vectors of the training subjects.
        half: write half precision; computations use single precision all the same.
        about: further keys of the description.

    Returns:
        The description as it was written.

    Raises:
        DataError: a weight is not finite.
        ConfigError: a weight is beyond half precision.
    """
    kept = {
        name: value.detach().clone(memory_format=torch.contiguous_format)
        for name, value in sorted(learnt(state, with_classifier).items())
    }
    if broken := [name for name, value in kept.items() if not value.isfinite().all()]:
        raise DataError(f"the weights {broken[0]} are not finite, the training has diverged", "export another one")
    if half:
        kept = {name: value.half() if value.is_floating_point() else value for name, value in kept.items()}
        if large := [name for name, value in kept.items() if not value.isfinite().all()]:
            raise ConfigError(f"the weights {large[0]} are too large for half precision", "export without --half")
    (folder / WEIGHTS).write_bytes(save(kept, {"format": "pt"}))  # its own way makes a file for the owner alone
    needs = {name: Path(settings[name]) for name in FILES if settings.get(name)}
    plain = {name: value for name, value in settings.items() if name not in FILES}
    if not with_classifier and "num_subjects" in plain:
        plain["num_subjects"] = 0
    description = {
        "format": FORMAT,
        "version": __version__,
        "stage": stage,
        "settings": _plain(plain),
        "needs": {name: {"name": path.name, "sha256": sha256_of(path)} for name, path in needs.items()},
        "weights": {
            "sha256": sha256_of(folder / WEIGHTS),
            "tensors": len(kept),
            "values": sum(value.numel() for value in kept.values()),
        },
        **about,
    }
    write_description(folder, description)
    return description


def write_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Write the YAML of a model."""
    text = yaml.safe_dump(dict(description), sort_keys=False, allow_unicode=True, width=115)
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:  # noqa: ANN401
    """The value with tuples as lists, as YAML has no tuples."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
