"""Build a stage from experiment YAMLs, without data and trainer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser

from meshgait.admission import UNREADABLE, admit, refusal
from meshgait.errors import ConfigError, MeshGaitError
from meshgait.experiment_parser import PARSER_MODE, prepare_parsing
from meshgait.stages.base import Stage
from meshgait.textfiles.reading import Line, Schema, TextFile


class Class(Schema):
    """A class by name; None in an overlay, which changes settings of a class that another file names."""

    class_path: Line = ""


class Experiment(Schema):
    """What an experiment YAML must say of its model."""

    model: Class


def build_stage(
    configs: Sequence[Path], words: Sequence[str], num_subjects: int, trusted: Sequence[str] = ()
) -> Stage:
    """Build the ``model`` of experiment files, untrained.

    Args:
        configs: experiment YAMLs, later ones over earlier ones.
        words: further settings of the command line, such as ``--model.network.use_3d=false``.
        num_subjects: classes of the classifier; in a training they come from the data.
        trusted: packages whose classes the files may name besides those of every experiment.

    Raises:
        ConfigError: a file cannot be read, or a setting is unknown or out of range.
    """
    admit(trusted)
    words = prepare_parsing(words, foreign=bool(trusted))
    parser = ArgumentParser(parser_mode=PARSER_MODE, exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_subclass_arguments(Stage, "model", required=True)
    for part in ("trainer", "data"):  # in the same files, but not needed here
        parser.add_argument(f"--{part}", type=dict, default={})
    given = [f"--config={path}" for path in configs]
    if any(_recognises(path) for path in configs):
        given += [f"--model.num_subjects={num_subjects}", "--model.pretrained=null"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations within jsonargparse
            return parser.instantiate_classes(parser.parse_args([*given, *words])).model
    except MeshGaitError:
        raise
    except (ArgumentError, ValueError, TypeError, *UNREADABLE) as error:
        own = error.__cause__ or error.__context__
        if isinstance(own, MeshGaitError):
            raise own from error
        if denied := refusal(error):
            raise denied from error
        raise ConfigError(f"{' '.join(str(error).split())[:300]}", "correct the configuration") from error


def _recognises(path: Path) -> bool:
    remedy = "give an experiment YAML such as experiments/finetune/walkers.yaml"
    experiment = TextFile(path, remedy, "description of a model", ConfigError).yaml(Experiment)
    return experiment.model.class_path.endswith("RecogniseStage")
