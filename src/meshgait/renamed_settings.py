"""Settings of experiments that have another name since they are in groups: old names still work, with a note.

They are read here for one release; `docs/renamed.md` has them as a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from meshgait.errors import ConfigError

MODEL = {
    "lr": "optimizer.lr",
    "weight_decay": "optimizer.weight_decay",
    "decay_vectors": "optimizer.decay_vectors",
    "optimizer": "optimizer.name",
    "warmup": "optimizer.warmup",
    "milestones": "optimizer.milestones",
    "body": "body.file",
    "markers": "body.markers",
    "decoder": "body.decoder",
    "losses": "body.losses",
    "use_3d": "network.use_3d",
    "reads_smpl": "network.reads_smpl",
    "fusion": "network.fusion",
    "detach_heatmaps": "network.detach_heatmaps",
    "freeze_3d": "branch_3d.freeze",
    "lr_3d": "branch_3d.lr_factor",
    "body_weight": "branch_3d.loss_weight",
    "body_frames": "branch_3d.frames",
    "body_augmentation": "branch_3d.augmentation",
    "triplet_weight": "identity.triplet_weight",
    "class_weight": "identity.class_weight",
    "margin": "identity.margin",
}
"""Old and new name of each setting of ``model``."""

GROUPS = {name.split(".")[0] for name in MODEL.values()}
FILES = (".yaml", ".yml", ".json")
OURS = "meshgait.stages."


def renamed_settings(content: object, overlays: bool = True) -> tuple[Any, dict[str, str]]:
    """Content of an experiment YAML by the new names.

    Args:
        content: of the YAML; what is no experiment comes back as it is.
        overlays: whether a ``model`` that names no class is one of ours.

    Returns:
        (content, {old name: new name} of what was renamed).

    Raises:
        ConfigError: a setting is given by both names.
    """
    if not isinstance(content, dict):
        return content, {}
    model = content.get("model")
    if not isinstance(model, dict) or not _is_ours(model.get("class_path"), overlays):
        return content, {}
    if not isinstance(settings := model.get("init_args"), dict):
        return content, {}
    kept = {name: value for name, value in settings.items() if not _is_old(name, value)}
    renamed: dict[str, str] = {}
    for name in [name for name in settings if name not in kept]:
        kept = _put(kept, MODEL[name].split("."), settings[name], name)
        renamed[f"model.{name}"] = f"model.{MODEL[name]}"
    return ({**content, "model": {**model, "init_args": kept}} if renamed else content), renamed


def renamed_setting(name: str, value: str) -> str:
    """The new name of a setting as the command line writes it, such as ``model.lr``; others as they are."""
    part, *rest = name.split(".")
    if part != "model" or not rest:
        return name
    inner = rest[1:] if rest[0] == "init_args" else rest
    if not inner or not _is_old(inner[0], value if len(inner) == 1 else {}):
        return name
    return ".".join(["model", MODEL[inner[0]], *inner[1:]])


def renamed_words(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The words of a command line by the new names, and {old name: new name} of what was renamed."""
    result: list[str] = []
    renamed: dict[str, str] = {}
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        name, equals, value = word.partition("=")
        new = name
        if name.startswith("--"):
            new = f"--{renamed_setting(name.removeprefix('--'), value if equals else following)}"
        if new != name:
            renamed[name] = new
        result.append(f"{new}{equals}{value}")
    return result, renamed


def renaming_note(renamed: Mapping[str, str]) -> str:
    """What to tell of old names."""
    names = ", ".join(f"{old} is {new}" for old, new in sorted(renamed.items()))
    return f"settings have new names, the old ones will go with the next release: {names}"


def _is_ours(class_path: object, overlays: bool) -> bool:
    return overlays if class_path is None else isinstance(class_path, str) and class_path.startswith(OURS)


def _is_old(name: object, value: object) -> bool:
    """Whether a name is an old one; two of them are groups now, and tell by their values which is meant."""
    if name not in MODEL:
        return False
    if name not in GROUPS:
        return True
    return (
        not isinstance(value, dict) and not str(value).strip().startswith("{") and not str(value).endswith(FILES)
    )


def _put(settings: dict[str, Any], path: Sequence[str], value: object, old: str) -> dict[str, Any]:
    """Settings with a value below some groups, which are made where they are missing."""
    first, *rest = path
    if not rest:
        if first in settings:
            raise ConfigError(
                f"model.{old} and model.{MODEL[old]} are one setting, and both are given", "leave the first out"
            )
        return {**settings, first: value}
    group = settings.get(first, {})
    if not isinstance(group, dict):
        raise ConfigError(f"model.{old} belongs to model.{first}, which is {group}", "give its values one by one")
    return {**settings, first: _put(group, rest, value, old)}
