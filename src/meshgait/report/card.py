"""The model card of an exported model: what it is for, what it is not for, what it is made of, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

MEASURES = {"rank1": "rank-1", "rank5": "rank-5", "mean_ap": "mAP", "mean_inp": "mINP"}
BODY = {"mpjpe": "MPJPE", "pa_mpjpe": "PA-MPJPE", "mpvpe": "MPVPE"}


def render(title: str, description: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Fill the template.

    Args:
        title: name of the model.
        description: content of its YAML.
        shapes: of its weights, by name.
    """
    environment = Environment(
        loader=PackageLoader("meshgait.report", "assets"),
        autoescape=False,  # Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    figures = description["training"].get("figures", {})
    return environment.get_template("model-card.md").render(
        title=title,
        model=description,
        size=description["settings"]["size"],
        training=description["training"],
        recognises="network.embed.weight" in shapes,
        embedding=shapes.get("network.embed.weight"),
        templates=any(name.startswith("network.classify.") for name in shapes),
        recognition=recognition_rows(figures),
        measures=list(MEASURES.values()),
        body={name: figures[f"val/{key}"] for key, name in BODY.items() if f"val/{key}" in figures},
    )


def recognition_rows(figures: Mapping[str, float]) -> list[tuple[str, list[str]]]:
    """(probe condition, measures and the baseline's rank-1 in per cent) of each condition that was evaluated."""
    start = "val/rank1_"
    rows = []
    for condition in (name.removeprefix(start) for name in figures if name.startswith(start)):
        keys = [*(f"val/{measure}_{condition}" for measure in MEASURES), f"gei/rank1_{condition}"]
        rows.append((condition, [f"{figures[key]:.1f}" if key in figures else "-" for key in keys]))
    return rows
