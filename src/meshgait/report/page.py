"""One HTML page of runs: everything lies within it, and it asks the network for nothing."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from meshgait import __version__
from meshgait.atomic import atomic_file
from meshgait.progress import Progress
from meshgait.report import charts, media, tables
from meshgait.report.blocks import Section
from meshgait.report.folder import Run
from meshgait.report.recognition import Recognition, conditions, recognition
from meshgait.text import printable
from meshgait.viz.interactive import CONFIG, INKS


def make(runs: Sequence[Run], show: bool = False) -> str:
    """The page as text.

    Args:
        runs: in the order in which they are shown.
        show: whether to show progress.
    """
    curves = [(run, condition) for run in runs for condition in conditions(run)]
    found: list[Recognition] = []
    builders: dict[str, Callable[[], Section]] = {
        "runs": lambda: tables.summary(runs),
        "results": lambda: tables.results(runs),
        "CMC": lambda: charts.identification(found),
        "DET": lambda: charts.verification_section(found),
        "views": lambda: charts.views(runs),
        "embeddings": lambda: charts.embeddings(runs),
        "training": lambda: charts.training(runs),
        "pictures": lambda: media.gallery(runs),
        "meshes": lambda: media.meshes(runs),
        "settings": lambda: tables.settings(runs),
    }
    sections = []
    with Progress("report", len(curves) + len(builders), "parts", show=show) as progress:
        for run, condition in curves:
            progress.advance(0, f"comparisons of {run.name}, {condition}")
            found.append(recognition(run, condition))
            progress.advance()
        for name, build in builders.items():
            progress.advance(0, name)
            sections.append(build())
            progress.advance()
    return render(sections, [run.name for run in runs])


def render(sections: Sequence[Section], names: Sequence[str]) -> str:
    """Fill the template; all text is escaped there, and no script runs but ours."""
    loader = PackageLoader("meshgait.report", "assets")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["soft"] = soft
    turnables = [inner for section in sections for inner in _turnables(section.blocks)]
    source = loader.get_source
    script = source(environment, "turn.js")[0]
    scripts = [script, get_plotlyjs()] if turnables else []
    return environment.get_template("page.html").render(
        sections=sections,
        names=names,
        style=source(environment, "style.css")[0],
        # plotly alone is larger than all the rest: it comes packed, and only where there is something to turn
        plotly=_packed(scripts[1]) if scripts else None,
        script=script,
        allowed=" ".join(map(_fingerprint, scripts)),
        options={"config": CONFIG, "light": INKS["light"], "dark": INKS["dark"]},
        version=__version__,
        made=datetime.now(timezone.utc).strftime("%d %B %Y, %H:%M UTC"),
    )


def soft(text: str) -> Markup:
    """Let long names break after dots, slashes and underscores."""
    return Markup(re.sub(r"([./_])(?=\w)", r"\1<wbr>", str(escape(printable(text)))))


def _shown(value: object) -> object:
    """What an expression of the template gives, as it is shown: names may hold what no page can."""
    return printable(value) if type(value) is str else value


def _fingerprint(script: str) -> str:
    """By which a page's policy knows a script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _turnables(blocks: Sequence) -> list:
    inner = [one for block in blocks for one in (block.blocks if block.kind == "grid" else [block])]
    return [one for one in inner if one.kind == "turnable"]


def write(path: Path, text: str) -> None:
    """Write the page whole (temporary name, then renamed).

    Raises:
        OutputError: it cannot be written.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
