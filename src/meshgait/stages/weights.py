"""Models to hand on: a folder of ``model.safetensors`` (weights) and ``model.yaml`` (what they are of).

Neither file can run code. The YAML holds what rebuilds the network (``stage``, ``settings``), the SHA-256 of the
weights, the names and SHA-256 of files that the model was trained with and that are not part of it (``needs``: a
licensed body and its markers), and, for people, where the weights come from (``training``).

Only what was learnt is written. Bodies and markers have licences of their own, and the classifier has one vector a
training subject: a template of that person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from meshgait import __version__
from meshgait.checksum import sha256_of
from meshgait.errors import ConfigError, DataError
from meshgait.plain import few_values
from meshgait.stages.hub import download, is_repository
from meshgait.textfiles.reading import TextFile

FORMAT = 1
DESCRIPTION, WEIGHTS = "model.yaml", "model.safetensors"
CLASSIFIER = "network.classify."
LEARNT = ("network.", "supervision.mesh.gamma")
"""What a state may hold: the network, and how much a mesh trusts its markers."""
FILES = ("body", "markers")
"""Settings that name files of the machine the model was trained on."""


def learnt(state: Mapping[str, Tensor], with_classifier: bool = True) -> dict[str, Tensor]:
    """The part of a stage's state that is handed on."""
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
    """Write weights and description into an existing folder.

    Args:
        folder: where to.
        stage: name of the class that the state is of.
        settings: what rebuilds its network; paths in it stay here, only the names of their files are told.
        state: of the stage.
        with_classifier: keep the vectors of the training subjects.
        half: write half precision; it is computed in single precision all the same.
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


def find_model(path: str | Path) -> Path | None:
    """Folder of an exported model: ``path`` itself, or the copy of a Hugging Face repository; None if neither.

    Raises:
        DataError: the repository cannot be had.
    """
    if Path(path).is_dir():
        return Path(path)
    return download(str(path), [DESCRIPTION, WEIGHTS]) if is_repository(path) else None


MOST_HEADER, MOST_WEIGHTS = 2**24, 2**32
"""Bytes; the largest of our models has a thousandth of the first, a hundredth of the others."""


def require_safetensors(file: Path) -> None:
    """Refuse a file that its own size and header show to be none of ours, before it is read.

    Raises:
        DataError: which limit it exceeds.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
    if size > MOST_WEIGHTS or not 2 <= length <= min(size - 8, MOST_HEADER):
        raise DataError(
            f"{file} cannot be read as safetensors ({size} bytes with a header of {length})",
            "export the model anew",
        )


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Description and state of an exported model, once its weights are found to be those it describes.

    Raises:
        DataError: a file is missing, damaged, of another version, or not the one that belongs here.
    """
    description, file = read_description(folder), folder / WEIGHTS
    if not file.is_file():
        raise DataError(f"{file} is missing", "copy the whole folder again")
    require_safetensors(file)
    content = file.read_bytes()  # what is checked is what is used: the file may be replaced meanwhile
    found, meant = hashlib.sha256(content).hexdigest(), description["weights"]["sha256"]
    if found != meant:
        raise DataError(
            f"{file} is not the file that {DESCRIPTION} describes (SHA-256 {found[:12]}, not {str(meant)[:12]})",
            "it is damaged or of another model, copy the whole folder again",
        )
    try:
        return description, load(content)
    except (SafetensorError, ValueError) as error:
        raise DataError(
            f"{file} cannot be read as safetensors ({_short(error)})", "export the model anew"
        ) from error


def read_description(folder: Path) -> dict[str, Any]:
    """The YAML of an exported model.

    Raises:
        DataError: it is missing, damaged or of another version.
    """
    file = folder / DESCRIPTION
    if not file.is_file():
        raise DataError(
            f"{folder} is no exported model, {DESCRIPTION} is missing", "make one with `meshgait export`"
        )
    content = TextFile(file, "export it again", "description of an exported model").yaml(dict[str, Any])
    if not few_values(content):
        raise DataError(f"{file} holds more values than a description has", "export it again")
    version = content.get("format")
    if version != FORMAT:
        raise DataError(
            f"{file} is of format {version} (meshgait {content.get('version')}), this is meshgait {__version__}, "
            f"which reads format {FORMAT}",
            "use the version that wrote it, or export the model anew",
        )
    if len(str(version)) > 20:
        version = "unknown"
    parts = {"stage": str, "settings": dict, "needs": dict, "weights": dict}
    wrong = [name for name, kind in parts.items() if not isinstance(content.get(name), kind)]
    if not wrong and "sha256" not in content["weights"]:
        wrong = ["weights.sha256"]
    if not wrong and not all(isinstance(need, dict) for need in content["needs"].values()):
        wrong = ["needs.name"]
    if wrong:
        raise DataError(f"{file} lacks {', '.join(wrong)}", "it was changed by hand, export the model anew")
    if named := [name for name in FILES if content["needs"].keys() - set(FILES) or name in content["settings"]]:
        raise DataError(
            f"{file} names files of {named[0]} in a way that no export does, and nothing that a model names is "
            "opened",
            "export it anew",
        )
    return content


def given_files(source: str | Path, needs: Mapping[str, Any], given: Mapping[str, str | None]) -> dict[str, str]:
    """The files among ``given`` that a model needs, once they are found to be the right ones.

    Raises:
        ConfigError: one is not given, cannot be read, or is another one than the model was trained with.
    """
    for name, need in needs.items():
        title, path = f"{name} file {need.get('name')}", given.get(name)
        if not path:
            raise ConfigError(
                f"{source} was trained with the {title}, which has a licence of its own and is not part of it",
                f"give yours as --{name} FILE",
            )
        if not Path(path).is_file():
            raise ConfigError(f"there is no file {path}", f"give the {title} that {source} was trained with")
        if sha256_of(Path(path)) != need.get("sha256"):
            raise ConfigError(f"{path} is not the {title} that {source} was trained with", "give that one")
    return {name: path for name, path in given.items() if path}


def require_fit(source: str | Path, state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Refuse weights that are not exactly those of the network that the settings describe.

    Args:
        source: where the weights are from.
        state: the weights.
        own: those of the network.

    Raises:
        DataError: names or shapes differ; says which.
    """
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = [
        f"{name} is {list(state[name].shape)} instead of {list(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    wrong = [
        f"{len(names)} {text} ({', '.join(names[:2])}{', ...' if len(names) > 2 else ''})"
        for names, text in ((missing, "missing"), (extra, "too many"), (shapes, "of another shape"))
        if names
    ]
    if wrong:
        raise DataError(
            f"{source}: weights and settings disagree, {'; '.join(wrong)}",
            "they are not of one model, take both from one training",
        )


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Tuples become lists, which is what YAML has."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
