"""Which classes an experiment may name: naming a class imports it, and an import runs code."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Sequence

import torch
from jsonargparse import set_parsing_settings
from lightning.pytorch import callbacks, loggers, plugins, profilers, strategies
from lightning.pytorch.cli import ReduceLROnPlateau
from lightning.pytorch.plugins import environments
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from meshgait.errors import ConfigError

FLAG = "--trust_code_of"
"""Admits the classes of a package. It is read from the command line only: an experiment must not admit its own."""

OWN = ("meshgait.stages", "meshgait.data", "meshgait.callbacks", "meshgait.models.size", "meshgait.synthetic")
LIGHTNING = {
    callbacks: set(callbacks.__all__) - {"LambdaCallback", "BasePredictionWriter"},
    loggers: {"CSVLogger", "TensorBoardLogger"},  # others send data to a server that the experiment could choose
    strategies: set(strategies.__all__),
    profilers: set(profilers.__all__),
    plugins: set(plugins.__all__),
    environments: {name for name in vars(environments) if name.endswith("Environment")},
}
FILES = (".yaml", ".yml", ".json")
DENIED = re.compile(r"Importing '([^']*)' is not allowed")


def admitted() -> list[str]:
    """Dotted names of the classes and packages that any experiment may name."""
    classes = [getattr(module, name) for module, names in LIGHTNING.items() for name in names]
    classes += [ReduceLROnPlateau, *_subclasses(torch.optim, torch.optim.Optimizer)]
    classes += _subclasses(torch.optim.lr_scheduler, torch.optim.lr_scheduler.LRScheduler)
    named = [f"{module.__name__}.{name}" for module, names in LIGHTNING.items() for name in names]
    named += [f"torch.optim.{c.__name__}" for c in _subclasses(torch.optim, torch.optim.Optimizer)]
    defined = [f"{one.__module__}.{one.__qualname__}" for one in classes]
    return sorted({*OWN, *named, *defined})


def _subclasses(module: object, base: type) -> list[type]:
    return [one for one in vars(module).values() if inspect.isclass(one) and issubclass(one, base)]


def admit(trusted: Sequence[str] = ()) -> None:
    """Admit only the classes of `admitted` and of ``trusted`` packages in settings.

    The check comes before any import, wherever a setting names a class or a function. Environment variables
    (OmegaConf's ``oc.env``) are not read either: their values would get into files and to W&B.

    Raises:
        ConfigError: the name of a trusted package is not a dotted name.
    """
    try:
        set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=[*admitted(), *trusted])
    except ValueError as error:
        raise ConfigError(f"{FLAG} {' '.join(trusted)}: {error}", "give the dotted name of a package") from error
    OmegaConf.clear_resolver("oc.env")


def with_paths(words: Sequence[str]) -> list[str]:
    """The arguments with ``./`` before files of settings: a bare name would be taken for a class."""
    result = []
    for word in words:
        name, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
        bare = value.endswith(FILES) and os.path.basename(value) == value and os.path.isfile(value)
        result.append(f"{name}{equals}./{value}" if bare else word)
    return result


def without_flag(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments without `FLAG`, and the packages that it names.

    Raises:
        ConfigError: a package is missing.
    """
    rest, trusted, words = [], [], list(words)
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name.replace("-", "_").strip("_") != FLAG.strip("-"):
            rest.append(name + equals + value)
            continue
        if not equals:
            value = words.pop(0) if words else ""
        if not value or value.startswith("-"):
            raise ConfigError(f"{FLAG} names no package", f"give {FLAG}=my_package")
        trusted.append(value)
    return rest, trusted


UNREADABLE = (OmegaConfBaseException, RecursionError)
"""Errors of the parsers for unresolved references and for settings that are nested too deep."""


def refusal(error: BaseException) -> ConfigError | None:
    """The message for a parser's error about a class not admitted or an unresolved reference; else None."""
    if isinstance(error, UNREADABLE):
        reason = " ".join(str(error).split())[:160]
        return ConfigError(
            f"the settings cannot be resolved ({reason})",
            "write the values themselves (environment variables are "
            "not read: let the shell put them in, as in --data.store $DATA/walkers)",
        )
    found = DENIED.search(str(error))
    if found and found[1].endswith(FILES):
        return ConfigError(f"{found[1]} would be taken for a class", f"write the file as ./{found[1]}")
    return found and ConfigError(
        f"the settings name {found[1]}, which is not a class of meshgait, of Lightning or of torch.optim that any "
        f"experiment may use, so it is not imported",
        f"if you trust its code, add {FLAG}={found[1].split('.')[0]}",
    )
