"""Reading checkpoints, a stranger's as well: no code runs, and nothing is larger in memory than in the file."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from meshgait.errors import DataError
from meshgait.plain import few_values
from meshgait.stages.weights import DESCRIPTION

SETTINGS = "meshgait"
"""Key of a checkpoint: stage, version and what rebuilds the network."""


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Content of a checkpoint; nothing but tensors and plain data is admitted, so no code can run.

    Raises:
        DataError: no such file, damaged, or no checkpoint of this framework.
    """
    path = Path(path)
    if (path / DESCRIPTION).is_file():
        raise DataError(
            f"{path} is an exported model, which no training can go on from",
            "give a checkpoint, or start from it "
            "with --model.pretrained, or use it with `meshgait predict PATH --checkpoint`",
        )
    if not path.is_file():
        raise DataError(f"no checkpoint at {path}", "train one first (`make finetune`) or correct the path")
    try:
        with zipfile.ZipFile(path) as file:
            require_plain(file, path.stat().st_size)
            damaged = file.testzip()  # torch does not look at the checksums
        if damaged:
            raise zipfile.BadZipFile(f"checksum of {damaged}")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(
            f"{path} cannot be read as a checkpoint ({reason})", "train anew or take another"
        ) from error
    if not isinstance(content, dict) or not _well_formed(content.get(SETTINGS), content.get("state_dict")):
        raise DataError(f"{path} is no checkpoint of ours", "give one of `meshgait fit`")
    return content


def require_plain(file: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive that would be larger in memory than on the disk.

    Raises:
        zipfile.BadZipFile: what torch does not write: compressed or overlapping members, arrays of bytes.
    """
    members = file.infolist()
    if any(m.compress_type != zipfile.ZIP_STORED for m in members) or sum(m.file_size for m in members) > size:
        raise zipfile.BadZipFile("it is compressed, which no checkpoint of a training is")
    if any(b"bytearray" in file.read(m) for m in members if m.filename.endswith(".pkl")):
        raise zipfile.BadZipFile("it asks for arrays of bytes")


def _well_formed(settings: object, state: object) -> bool:
    """Whether these can be settings and weights: plain names, and tensors that lie in the file."""
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
