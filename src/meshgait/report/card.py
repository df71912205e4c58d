"""The model card of an exported model: what it is for, what it is not for, what it is made of, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from meshgait.text import printable, shortened

MEASURES = {"rank1": "rank-1", "rank5": "rank-5", "mean_ap": "mAP", "mean_inp": "mINP"}
PLAIN = re.compile(r"(?!.*www\.)[\w (,][\w (),.+-]*|-?")
"""Text that Markdown shows as it is."""
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
        finalize=as_text,
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


def as_text(value: object) -> str:
    """Any value as Markdown that shows it and does nothing else: no link, no picture, no HTML, no further column.

    What could be more than text becomes a span of code, in which Markdown obeys nothing. A span and a column end
    at characters that cannot be escaped in either, so these are replaced by their likes.
    """
    text = shortened(printable(str(value)), 200)
    if PLAIN.fullmatch(text) and "_" not in text:
        return text
    return "`" + text.replace("`", "'").replace("|", "\u00a6").strip() + "`"


def recognition_rows(figures: Mapping[str, float]) -> list[tuple[str, list[str]]]:
    """(probe condition, measures and the baseline's rank-1 in per cent) of each condition that was evaluated."""
    start = "val/rank1_"
    rows = []
    for condition in (name.removeprefix(start) for name in figures if name.startswith(start)):
        keys = [*(f"val/{measure}_{condition}" for measure in MEASURES), f"gei/rank1_{condition}"]
        rows.append((condition, [f"{figures[key]:.1f}" if key in figures else "-" for key in keys]))
    return rows
