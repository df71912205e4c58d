"""Models of the Hugging Face hub: ``owner/name`` or ``owner/name@revision`` -> a folder on this machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from meshgait.errors import DataError
from meshgait.extras import require

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")


def is_repository(path: str | Path) -> bool:
    """Whether a name that is no path here can be one of the hub.

    A folder with the owner's name makes it a misspelled path, for which the network need not be asked.
    """
    text = str(path)
    if Path(text).exists() or Path(text).suffix == ".ckpt" or not REPOSITORY.fullmatch(text):
        return False
    return not Path(Path(text).parts[0]).exists()


def download(name: str, files: Sequence[str]) -> Path:
    """Folder with those files of a repository; they come from the hub's cache where they are there already.

    Raises:
        ConfigError: the client is not installed.
        DataError: the hub is out of reach, or has no such files.
    """
    require("hub", f"{name} is no path here, and to look for it at Hugging Face")
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    try:
        folder = Path(snapshot_download(repository, revision=revision or None, allow_patterns=list(files)))
    except Exception as error:  # the client's errors have no common base
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise DataError(
            f"{name} is no path here and cannot be had from Hugging Face ({reason})",
            "correct the name, connect to the network, or copy the model's folder here and give its path",
        ) from error
    if lacking := [file for file in files if not (folder / file).is_file()]:
        raise DataError(f"{name} at Hugging Face holds no {lacking[0]}", "it is no model of `meshgait export`")
    return folder
