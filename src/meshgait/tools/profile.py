"""`meshgait profile --config YAML`: cost of a network, with 3D and without."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from meshgait.admission import FLAG
from meshgait.atomic import atomic_file
from meshgait.configured import build_stage
from meshgait.errors import ConfigError
from meshgait.profiling import Cost, profile
from meshgait.progress import Progress
from meshgait.stages.recognise import RecogniseStage
from meshgait.terminal import PlainTable, console


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "profile",
        help="what a network costs: parameters, FLOPs, times, memory",
        description="Parameters, FLOPs, times and memory of a recogniser, by branch, on random silhouettes. No "
        "data are needed. Settings of the experiment may follow after --, as in -- --model.network.use_3d=false.",
    )
    parser.add_argument("--config", type=Path, nargs="+", required=True, help="experiment YAML of stage 2")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the figures to this file")
    parser.add_argument("--classes", type=int, default=3000, help="subjects of the classifier (%(default)s)")
    parser.add_argument("--frames", type=int, default=30, help="frames of a sequence (%(default)s)")
    parser.add_argument("--sequences", type=int, default=4, help="sequences of a training step (%(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the median counts (%(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves PyTorch's default")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... (%(default)s)")
    parser.add_argument(
        FLAG, action="append", default=[], metavar="PACKAGE", help="let the YAML name classes of this package"
    )
    parser.add_argument("settings", nargs="*", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> None:
    """Measure and print.

    Raises:
        ConfigError: the configuration describes no recogniser, or a setting is out of range.
    """
    least = {"classes": 1, "frames": 1, "sequences": 2, "repeats": 1, "threads": 0}
    for name, value in least.items():
        if getattr(arguments, name) < value:
            raise ConfigError(f"--{name} is {getattr(arguments, name)}", f"it must be at least {value}")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with Progress("profiling", 2, "parts") as progress:
        stage = build_stage(arguments.config, arguments.settings, arguments.classes, arguments.trust_code_of)
        if not isinstance(stage, RecogniseStage):
            raise ConfigError(
                f"{arguments.config[-1]} describes stage 1",
                "a profile is of a recogniser, give a YAML of experiments/finetune",
            )
        progress.advance(note="measuring")
        cost = profile(_placed(stage, arguments.device), arguments.frames, arguments.sequences, arguments.repeats)
        progress.advance()
    content = describe(stage, cost, arguments)
    if arguments.json:
        with atomic_file(arguments.json) as file:
            file.write_text(json.dumps(content, indent=1) + "\n")
    _print(content)


def _placed(stage: RecogniseStage, device: str) -> RecogniseStage:
    try:
        return stage.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ConfigError(
            f"--device {device} cannot be used ({reason})", "use cpu, or a device that is there"
        ) from error


def describe(stage: RecogniseStage, cost: Cost, arguments: argparse.Namespace) -> dict[str, Any]:
    """The cost, with input and machine."""
    height, width = stage.network.size.frame
    device = arguments.device
    return {
        "config": [str(path) for path in arguments.config],
        "settings": list(arguments.settings),
        "input": {
            "frame": [height, width],
            "frames_per_sequence": arguments.frames,
            "inference_sequences": 1,
            "training_sequences": arguments.sequences,
            "classes": arguments.classes,
        },
        "machine": {
            "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
        **asdict(cost),
    }


def _print(content: dict[str, Any]) -> None:
    given, machine = content["input"], content["machine"]
    table = PlainTable(
        title=f"One sequence of {given['frames_per_sequence']} frames of {given['frame'][0]} x "
        f"{given['frame'][1]}, {machine['device']}, {machine['threads']} threads, {given['classes']} classes",
        title_justify="left",
    )
    table.add_column("branch")
    for name in ("parameters M", "GFLOPs a frame", "GFLOPs a sequence", "forward ms"):
        table.add_column(name, justify="right")
    rows = ("stem", "2d", "3d", "heads", "other", "total")
    for name in rows:
        count = content["parameters"].get(name)
        table.add_row(
            {"2d": "2D branch", "3d": "3D branch"}.get(name, name),
            "-" if count is None else f"{count / 1e6:.3f}",
            f"{content['flops_per_frame'][name] / 1e9:.3f}",
            f"{content['flops_per_sequence'][name] / 1e9:.2f}",
            f"{1000 * content['forward_seconds'][name]:.1f}",
        )
    out = console()
    out.print(table)
    step = f"{1000 * content['step_seconds']:.0f} ms for {given['training_sequences']} sequences"
    out.print(
        f"without classifier {content['parameters']['without_classifier'] / 1e6:.3f} M parameters; "
        f"{content['frames_per_second']:.0f} frames/s, peak {_megabytes(content['forward_bytes'])} besides the "
        f"weights; training step {step}, peak {_megabytes(content['step_bytes'])}",
        highlight=False,
    )


def _megabytes(count: int | None) -> str:
    return "unknown memory" if count is None else f"{count / 2**20:.0f} MiB"
