"""Old names of settings, of their values and of logged metrics; they work for one more release, with a note.

`docs/renamed.md` has them as a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
"""Old and new name of each setting of ``model`` that was in no group."""

IN_GROUPS = {"body.losses.confidence": "marginal_cross_entropy"}
"""Settings of groups of ``model``, and what the last part of their name is now."""

VALUES = {"network.fusion": {"deep": "3d-only"}}
"""Settings of groups of ``model``, and the old and new names of their values."""

METRICS = {"train/confidence": "train/marginal_cross_entropy"}
"""Old and new name of logged metrics."""

GROUPS = {name.split(".")[0] for name in MODEL.values()}
FILES = (".yaml", ".yml", ".json")
OURS = "meshgait.stages."


def renamed_settings(content: object, overlays: bool = True) -> tuple[Any, dict[str, str]]:
    """Content of an experiment YAML with the new names.

    Args:
        content: of the YAML; what is not an experiment is returned unchanged.
        overlays: whether a ``model`` without a class is taken for one of ours.

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
    kept, inside = _renamed_in_groups(kept, "")
    renamed |= {f"model.{old}": f"model.{new}" for old, new in inside.items()}
    return ({**content, "model": {**model, "init_args": kept}} if renamed else content), renamed


def renamed_group(content: object) -> tuple[Any, dict[str, str]]:
    """Content with the new names of a file, or an argument in braces, that holds one group of ``model``.

    Returns:
        (content, {old name: new name} of what was renamed).
    """
    renamed: dict[str, str] = {}
    if isinstance(content, dict):
        for group in ("", "network", "body", "body.losses"):
            content, names = _renamed_in_groups(content, group)
            renamed |= {f"model.{old}": f"model.{new}" for old, new in names.items()}
    return content, renamed


def renamed_network(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the network in a checkpoint or an exported model, with the new names."""
    return _renamed_in_groups(dict(settings), "network")[0]


def renamed_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Logged metrics by their new names."""
    return {METRICS.get(name, name): value for name, value in metrics.items()}


def renamed_setting(name: str, value: str) -> str:
    """The new name of a setting of the command line, such as ``model.lr``; other names are unchanged."""
    part, *rest = name.split(".")
    if part != "model" or not rest:
        return name
    inner = rest[1:] if rest[0] == "init_args" else rest
    if inner and _is_old(inner[0], value if len(inner) == 1 else {}):
        inner = [*MODEL[inner[0]].split("."), *inner[1:]]
    elif ".".join(inner) not in IN_GROUPS:
        return name
    if new := IN_GROUPS.get(".".join(inner)):
        inner = [*inner[:-1], new]
    return ".".join(["model", *inner])


def renamed_value(name: str, value: str) -> str:
    """The new name of a value of the setting ``name``, such as ``model.network.fusion``; others are unchanged."""
    path = name.removeprefix("model.").removeprefix("init_args.")
    return VALUES.get(path, {}).get(value, value) if name.startswith("model.") else value


def renamed_arguments(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Arguments of the command line with the new names, and {old name: new name} of what was renamed."""
    result: list[str] = []
    renamed: dict[str, str] = {}
    next_value: str | None = None  # the new name of a value that is an argument of its own
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        if next_value is not None or not argument.startswith("--"):
            result.append(argument if next_value is None else next_value)
            next_value = None
            continue
        name, equals, beside = argument.partition("=")
        value = beside if equals else following
        setting = renamed_setting(name.removeprefix("--"), value)
        new, new_value = f"--{setting}", renamed_value(setting, value)
        if new_value != value:
            renamed[f"{name} {value}"] = f"{new} {new_value}"
            next_value = None if equals else new_value
        elif new != name:
            renamed[name] = new
        result.append(f"{new}={new_value}" if equals else new)
    return result, renamed


def renaming_note(renamed: Mapping[str, str]) -> str:
    """The note about old names."""
    names = ", ".join(f"{old} is {new}" for old, new in sorted(renamed.items()))
    return f"settings have new names, the old ones will go with the next release: {names}"


def _is_ours(class_path: object, overlays: bool) -> bool:
    return overlays if class_path is None else isinstance(class_path, str) and class_path.startswith(OURS)


def _is_old(name: object, value: object) -> bool:
    """Whether a name is an old one; two of them are names of groups now, which their values show."""
    if name not in MODEL:
        return False
    if name not in GROUPS:
        return True
    return (
        not isinstance(value, dict) and not str(value).strip().startswith("{") and not str(value).endswith(FILES)
    )


def _put(settings: dict[str, Any], path: Sequence[str], value: object, old: str) -> dict[str, Any]:
    """Settings with a value put into nested groups, which are added if missing."""
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


def _renamed_in_groups(settings: dict[str, Any], group: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Settings of a group ("" for all of ``model``) with new names within groups, and what was renamed."""
    renamed: dict[str, str] = {}

    def rename(path: str, inner: dict[str, Any], last: str) -> dict[str, Any]:
        if last not in inner:
            return inner
        new = IN_GROUPS[path]
        if new in inner:
            raise ConfigError(
                f"{last} and {new} of model.{path.rpartition('.')[0]} are one setting, and both are given",
                "leave the first out",
            )
        renamed[path] = f"{path.rpartition('.')[0]}.{new}"
        return {new if name == last else name: value for name, value in inner.items()}

    def replace(path: str, inner: dict[str, Any], last: str) -> dict[str, Any]:
        value = inner.get(last)
        if not isinstance(value, str) or value not in VALUES[path]:
            return inner
        renamed[f"{path} {value}"] = f"{path} {VALUES[path][value]}"
        return {**inner, last: VALUES[path][value]}

    for changed, change in ((IN_GROUPS, rename), (VALUES, replace)):
        for path in changed:
            if path.startswith(group):
                parts = path.removeprefix(group).lstrip(".").split(".")
                settings = _changed_at(settings, parts, partial(change, path))
    return settings, renamed


def _changed_at(
    settings: dict[str, Any], path: Sequence[str], change: Callable[[dict[str, Any], str], dict[str, Any]]
) -> dict[str, Any]:
    """Settings with ``change`` applied to the group that ``path`` leads to; unchanged if there is none."""
    first, *rest = path
    if not rest:
        return change(settings, first)
    inner = settings.get(first)
    return {**settings, first: _changed_at(inner, rest, change)} if isinstance(inner, dict) else settings
