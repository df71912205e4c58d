"""Reading trained stages: a checkpoint of a training, an exported model's folder, or a name at Hugging Face.

All are read into a `Checkpoint`. The file may come from anybody: no code runs, and nothing takes more memory than
the file has bytes. `meshgait.stages.weights` writes exported models, `meshgait.callbacks.checkpoints`
checkpoints.
"""

from __future__ import annotations

import hashlib
import traceback
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from meshgait import __version__
from meshgait.checksum import sha256_of
from meshgait.errors import ConfigError, DataError, MeshGaitError
from meshgait.plain import few_values
from meshgait.renamed_settings import renamed_network
from meshgait.stages.hub import download, is_repository
from meshgait.text import shown
from meshgait.textfiles.reading import TextFile

SETTINGS = "meshgait"
"""Key of a training's checkpoint: stage, version and what rebuilds the network."""
FORMAT = 1
DESCRIPTION, WEIGHTS = "model.yaml", "model.safetensors"
FILES = ("body", "markers")
"""Settings that name files of the machine the model was trained on."""
NETWORK = "network."
"""Prefix of the network's weights within those of a stage."""
MOST_HEADER, MOST_WEIGHTS = 2**24, 2**32
"""Bytes; the largest of our models has a thousandth of the first, a hundredth of the others."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained stage as read from a file.

    Attributes:
        source: path or name that was given.
        stage: name of its class.
        version: of meshgait that wrote it.
        settings: arguments of the class that rebuild the network.
        weights: state dict of the stage; exported models leave bodies, markers and the classifier out.
        needs: files that the model needs but does not contain, by argument: their ``name`` and ``sha256``.
        sha256: of the weights' file; None for a checkpoint of a training.
        content: the whole content of a checkpoint of a training; empty for an exported model.
    """

    source: str
    stage: str
    version: str
    settings: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    needs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sha256: str | None = None
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def step(self) -> int | None:
        """Optimiser steps trained; None if unknown."""
        return self.content.get("global_step")

    def network(self) -> dict[str, Tensor]:
        """Weights of the network, without their prefix."""
        named = (item for item in self.weights.items() if item[0].startswith(NETWORK))
        return {name.removeprefix(NETWORK): value for name, value in named}

    def require_fit(self, own: Mapping[str, Tensor], prefix: str = "") -> None:
        """Check that the weights are exactly those of the network that the settings describe.

        Args:
            own: weights of that network.
            prefix: of the weights that are compared.

        Raises:
            DataError: names or shapes differ; says which.
        """
        given = {name: value for name, value in self.weights.items() if name.startswith(prefix)}
        missing, extra = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
        shapes = [
            f"{name} is {list(given[name].shape)} instead of {list(own[name].shape)}"
            for name in own
            if name in given and given[name].shape != own[name].shape
        ]
        wrong = [
            f"{len(names)} {text} ({', '.join(names[:2])}{', ...' if len(names) > 2 else ''})"
            for names, text in ((missing, "missing"), (extra, "too many"), (shapes, "of another shape"))
            if names
        ]
        if wrong:
            raise DataError(
                f"{self.source}: weights and settings disagree, {'; '.join(wrong)}",
                "they are not of one model, take both from one training",
            )

    def require_files(self, given: Mapping[str, str | None]) -> dict[str, str]:
        """The files among ``given``, after a check that they are those that the model needs.

        Raises:
            ConfigError: one is not given, cannot be read, or is another one than the model was trained with.
        """
        for name, need in self.needs.items():
            title, path = f"{name} file {need.get('name')}", given.get(name)
            if not path:
                raise ConfigError(
                    f"{self.source} was trained with the {title}, which has a licence of its own and is not part "
                    "of it",
                    f"give yours as --{name} FILE",
                )
            if not Path(path).is_file():
                raise ConfigError(
                    f"there is no file {path}", f"give the {title} that {self.source} was trained with"
                )
            if sha256_of(Path(path)) != need.get("sha256"):
                raise ConfigError(
                    f"{path} is not the {title} that {self.source} was trained with", "give that one"
                )
        return {name: path for name, path in given.items() if path}


def read_checkpoint(source: str | Path) -> Checkpoint:
    """Read a trained stage.

    Args:
        source: path of a checkpoint or of an exported model's folder, or ``owner/name`` or ``owner/name@revision``
            at Hugging Face.

    Raises:
        DataError: there is none, it is damaged, or not of this framework.
    """
    folder = find_model(source)
    return read_training_checkpoint(source) if folder is None else _read_model(folder, str(source))


def find_model(source: str | Path) -> Path | None:
    """Folder of an exported model: ``source`` itself, or the copy of a Hugging Face repository; None if neither.

    Raises:
        DataError: the repository cannot be had.
    """
    if Path(source).is_dir():
        return Path(source)
    return download(str(source), [DESCRIPTION, WEIGHTS]) if is_repository(source) else None


def read_training_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint from which a training can resume.

    Raises:
        DataError: no such file, damaged, an exported model, or no checkpoint of this framework.
    """
    path = Path(path)
    if (path / DESCRIPTION).is_file():
        raise DataError(
            f"{path} is an exported model, from which no training can go on",
            "give a checkpoint, or start from it with --model.pretrained, or use it with "
            "`meshgait embed PATH --checkpoint`",
        )
    if not path.is_file():
        raise DataError(f"no checkpoint at {path}", "train one first (`make finetune`) or correct the path")
    try:
        with zipfile.ZipFile(path) as file:
            _require_plain(file, path.stat().st_size)
            damaged = file.testzip()  # torch does not check the checksums
        if damaged:
            raise zipfile.BadZipFile(f"checksum of {damaged}")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise DataError(
            f"{path} cannot be read as a checkpoint ({_short(error)})", "train again or take another"
        ) from error
    if not isinstance(content, dict) or not _well_formed(content.get(SETTINGS), content.get("state_dict")):
        raise DataError(f"{path} is not a checkpoint of meshgait", "give one of `meshgait fit`")
    settings = renamed_network(content[SETTINGS])
    stage, version = str(settings.pop("stage", None)), str(settings.pop("version", None))
    return Checkpoint(str(path), stage, version, settings, content["state_dict"], content=content)


def _require_plain(file: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive that would take more memory than it has bytes.

    Raises:
        zipfile.BadZipFile: what torch does not write: compressed or overlapping members, arrays of bytes.
    """
    members = file.infolist()
    if any(m.compress_type != zipfile.ZIP_STORED for m in members) or sum(m.file_size for m in members) > size:
        raise zipfile.BadZipFile("it is compressed, which no checkpoint of a training is")
    if any(b"bytearray" in file.read(m) for m in members if m.filename.endswith(".pkl")):
        raise zipfile.BadZipFile("it asks for arrays of bytes")


def _well_formed(settings: object, state: object) -> bool:
    """Whether these can be settings and weights: plain names, and tensors whose bytes are in the file."""
    if not isinstance(settings, dict) or not isinstance(state, dict):
        return False
    if not few_values(settings):
        return False
    size = settings.get("size", {})
    if not isinstance(size, dict) or not all(isinstance(name, str) for name in (*settings, *size, *state)):
        return False
    return all(
        isinstance(value, Tensor)
        and (value.layout, value.device.type, value.is_quantized) == (torch.strided, "cpu", False)
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
        for value in state.values()
    )


def _read_model(folder: Path, source: str) -> Checkpoint:
    """Read an exported model, after a check that its weights are those that it describes."""
    description, file = _read_description(folder), folder / WEIGHTS
    if not file.is_file():
        raise DataError(f"{file} is missing", "copy the whole folder again")
    _require_safetensors(file)
    content = file.read_bytes()  # check the bytes that are used: the file may be replaced meanwhile
    found, meant = hashlib.sha256(content).hexdigest(), description["weights"]["sha256"]
    if found != meant:
        raise DataError(
            f"{file} is not the file that {DESCRIPTION} describes (SHA-256 {found[:12]}, not {str(meant)[:12]})",
            "it is damaged or of another model, copy the whole folder again",
        )
    try:
        weights = load(content)
    except (SafetensorError, ValueError) as error:
        _refuse_safetensors(file, _short(error), error)
    settings = renamed_network(description["settings"])
    if isinstance(size := settings.get("size"), dict):  # YAML has no tuples
        settings["size"] = {name: tuple(v) if isinstance(v, list) else v for name, v in size.items()}
    stage, version = description["stage"], str(description.get("version"))
    return Checkpoint(source, stage, version, settings, weights, description["needs"], found)


def _require_safetensors(file: Path) -> None:
    """Refuse a file whose size or header cannot be that of a model, before it is read."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
    if size > MOST_WEIGHTS or not 2 <= length <= min(size - 8, MOST_HEADER):
        _refuse_safetensors(file, f"{size} bytes with a header of {length}")


def _refuse_safetensors(file: Path, reason: str, cause: Exception | None = None) -> NoReturn:
    raise DataError(f"{file} cannot be read as safetensors ({reason})", "export the model again") from cause


def _read_description(folder: Path) -> dict[str, Any]:
    """The YAML of an exported model.

    Raises:
        DataError: it is missing, damaged or of another version.
    """
    file = folder / DESCRIPTION
    if not file.is_file():
        raise DataError(
            f"{folder} is not an exported model, {DESCRIPTION} is missing", "make one with `meshgait export`"
        )
    content = TextFile(file, "export it again", "description of an exported model").yaml(dict[str, Any])
    if not few_values(content):
        raise DataError(f"{file} holds more values than a description has", "export it again")
    version = content.get("format")
    if version != FORMAT:
        raise DataError(
            f"{file} is of format {str(version)[:20]} (meshgait {str(content.get('version'))[:20]}), this is "
            f"meshgait {__version__}, which reads format {FORMAT}",
            "use the version that wrote it, or export the model again",
        )
    parts = {"stage": str, "settings": dict, "needs": dict, "weights": dict}
    wrong = [name for name, kind in parts.items() if not isinstance(content.get(name), kind)]
    if not wrong and "sha256" not in content["weights"]:
        wrong = ["weights.sha256"]
    if not wrong and not all(isinstance(need, dict) for need in content["needs"].values()):
        wrong = ["needs.name"]
    if wrong:
        raise DataError(f"{file} lacks {', '.join(wrong)}", "it was changed by hand, export the model again")
    if named := [name for name in FILES if content["needs"].keys() - set(FILES) or name in content["settings"]]:
        raise DataError(
            f"{file} names files of {named[0]} in a way that no export does, and nothing that a model names is "
            "opened",
            "export it again",
        )
    return content


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def restore_fault(error: BaseException) -> DataError | None:
    """The error to report if Lightning failed to restore a training from a checkpoint, else None.

    Args:
        error: of the training; its traceback shows whether it came from the restoring.
    """
    if isinstance(error, MeshGaitError):
        return None
    modules = {frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)}
    if "lightning.pytorch.trainer.connectors.checkpoint_connector" not in modules:
        return None
    return DataError(
        f"the training cannot go on from its checkpoint, which is damaged or of another training "
        f"({type(error).__name__}: {shown(error, 120)})",
        "name another one by --ckpt_path, such as previous.ckpt beside it, or begin again without",
    )
