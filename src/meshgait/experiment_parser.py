"""Set up jsonargparse for experiments: YAML within limits, old names of settings renamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader

from meshgait.messages import note
from meshgait.renamed_settings import renamed_arguments, renamed_group, renamed_settings, renaming_note
from meshgait.textfiles.yaml_text import yaml_loader

PARSER_MODE = "omegaconf+"
"""Parser mode of the command line; its loader refuses a section that is given twice."""


def prepare_parsing(arguments: Sequence[str], foreign: bool = False) -> list[str]:
    """Install the YAML loader of `PARSER_MODE`; return the arguments with the new names of settings.

    Args:
        arguments: of the command line.
        foreign: whether the model may be a class of another package; then settings keep their names, except in
            files that name one of our classes.
    """
    plain, told = yaml_loader(get_loader("yaml")), set[str]()

    def load(text: str, path: str = "") -> Any:  # noqa: ANN401
        if text == "None":  # the parser's form of the null in --model.GROUP.SETTING=null
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
        return list(arguments)
    result, renamed = renamed_arguments(arguments)
    if renamed:
        note(renaming_note(renamed))
    return result
