"""How experiments are read by jsonargparse: YAML within limits, old names of settings as the new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader

from meshgait.messages import note
from meshgait.renamed_settings import renamed_group, renamed_settings, renamed_words, renaming_note
from meshgait.textfiles.yaml_text import yaml_loader

PARSER_MODE = "omegaconf+"
"""How the command line reads YAML; the loader that goes with it refuses a section given twice."""


def prepare_parsing(words: Sequence[str], foreign: bool = False) -> list[str]:
    """Set the loader of `PARSER_MODE` up; returns the words of the command line by the new names of settings.

    Args:
        words: of the command line.
        foreign: whether the model may be another one than ours, whose settings keep their names unless a file
            says that they are of ours.
    """
    plain, told = yaml_loader(get_loader("yaml")), set[str]()

    def load(text: str, path: str = "") -> Any:  # noqa: ANN401
        if text == "None":  # how the parser passes the null of --model.GROUP.SETTING=null on
            return None
        content, renamed = renamed_settings(plain(text, path), overlays=not foreign)
        if not foreign and not renamed:
            content, renamed = renamed_group(content)
        if renamed.keys() - told:  # a file may be read several times
            note(renaming_note(renamed))
            told.update(renamed)
        return content

    set_loader(PARSER_MODE, load, (yaml.YAMLError,))
    if foreign:
        return list(words)
    result, renamed = renamed_words(words)
    if renamed:
        note(renaming_note(renamed))
    return result
