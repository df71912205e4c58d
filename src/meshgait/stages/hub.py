"""Download models from the Hugging Face hub: ``owner/name`` or ``owner/name@revision`` -> a local folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from meshgait.errors import DataError
from meshgait.extras import require

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")


def is_repository(path: str | Path) -> bool:
    """Whether a name that is no local path can be a repository of the hub.

    If there is a local folder of the owner's name, it is taken for a misspelled path, and the hub is not asked.
    """
    text = str(path)
    if Path(text).exists() or Path(text).suffix == ".ckpt" or not REPOSITORY.fullmatch(text):
        return False
    return not Path(Path(text).parts[0]).exists()


def download(name: str, files: Sequence[str]) -> Path:
    """Folder with these files of a repository, from the local cache of the hub if they are there.

    Raises:
        ConfigError: huggingface_hub is not installed.
        DataError: the hub cannot be reached, or has no such files.
    """
    require("hub", f"{name} is not a local path, and to download it from Hugging Face")
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    try:
        folder = Path(snapshot_download(repository, revision=revision or None, allow_patterns=list(files)))
    except Exception as error:  # huggingface_hub's errors have no common base class
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise DataError(
            f"{name} is not a local path and cannot be downloaded from Hugging Face ({reason})",
            "correct the name, connect to the network, or copy the model's folder here and give its path",
        ) from error
    if lacking := [file for file in files if not (folder / file).is_file()]:
        raise DataError(f"{name} at Hugging Face holds no {lacking[0]}", "it is not a model of `meshgait export`")
    return folder
