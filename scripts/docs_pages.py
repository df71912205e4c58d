"""Pages of the site that are made from the source when it is built: API of packages, picture of the house.

A hook of MkDocs (see mkdocs.yml). `python scripts/docs_pages.py OUT.svg` writes the picture alone.
"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1] / "src" / "meshgait"
PACKAGES = ("models", "losses", "evaluation", "stages", "data", "body", "synthetic")
"""Packages that have an API page of all of their modules."""

WIDTH, HEIGHT, GAP_X, GAP_Y = 136, 40, 24, 60


@cache
def modules() -> dict[str, ast.Module]:
    """Dotted name without the package's own -> syntax tree, of every module."""
    paths = (path for path in ROOT.rglob("*.py"))
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__"): ast.parse(path.read_text()) for path, name in names.items()}


def summary(tree: ast.Module) -> str:
    """First line of a module's docstring."""
    return (ast.get_docstring(tree) or "").split("\n")[0]


def imported(tree: ast.Module) -> set[str]:
    """Our parts (packages, or modules beside them) that a module imports."""
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += re.findall(r"(?:import_module|_load)\(f?['\"]([\w.]+)", ast.unparse(tree))
    return {name.split(".")[1] for name in names if name.startswith("meshgait.")}


@cache
def part_graph() -> dict[str, set[str]]:
    """Part -> the parts that its modules import."""
    graph: dict[str, set[str]] = {}
    for name, tree in modules().items():
        if name not in ("__init__", "__main__"):
            part = name.split(".")[0]
            graph.setdefault(part, set()).update(imported(tree) - {part})
    return {part: needs & graph.keys() for part, needs in graph.items()}


def foundation(graph: dict[str, set[str]]) -> set[str]:
    """Modules beside the packages that import no package, directly or not."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"textfiles"}
    found: set[str] = set()
    while more := {part for part in graph.keys() - packages - found if graph[part] <= found}:
        found |= more
    return found


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows that are not implied by others: A -> C is left out where A -> B -> C."""

    def reaches(start: str, end: str, skipping: tuple[str, str]) -> bool:
        seen, front = {start}, [start]
        while front:
            here = front.pop()
            for there in graph[here]:
                if (here, there) != skipping and there not in seen:
                    if there == end:
                        return True
                    seen.add(there)
                    front.append(there)
        return False

    return {one: {two for two in needs if not reaches(one, two, (one, two))} for one, needs in graph.items()}


def levels(graph: dict[str, set[str]]) -> list[list[str]]:
    """Parts in rows: each above everything that it imports."""
    level = dict.fromkeys(graph, 0)
    for _ in graph:  # enough rounds for the longest path; a circle would only stop rising
        for part, needs in graph.items():
            level[part] = min(max((level[need] + 1 for need in needs), default=0), len(graph))
    rows = [sorted(part for part in graph if level[part] == height) for height in sorted({*level.values()})]
    return rows[::-1]


def picture() -> str:
    """The house as SVG: a box for each part, an arrow to each part that it imports."""
    graph = part_graph()
    base = foundation(graph)
    upper = {part: needs - base for part, needs in graph.items() if part not in base}
    rows = levels(upper)
    widest = max(map(len, rows))
    full = widest * (WIDTH + GAP_X)
    place = {
        part: (
            (full - len(row) * (WIDTH + GAP_X)) / 2 + index * (WIDTH + GAP_X) + GAP_X / 2,
            y * (HEIGHT + GAP_Y) + 10,
        )
        for y, row in enumerate(rows)
        for index, part in enumerate(row)
    }
    bottom = len(rows) * (HEIGHT + GAP_Y) + 10
    lines = [", ".join(sorted(base)[start : start + 9]) for start in range(0, len(base), 9)]
    height = bottom + 50 + 18 * len(lines)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full} {height}"',
        'font-family="sans-serif" font-size="15">',
        "<title>Packages of meshgait and what they import</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#607d8b"/></marker></defs>',
        f'<rect width="{full}" height="{height}" fill="white"/>',
    ]
    for one, needs in reduced(upper).items():
        for two in sorted(needs):
            (x1, y1), (x2, y2) = place[one], place[two]
            x1, x2, y1 = x1 + WIDTH / 2, x2 + WIDTH / 2, y1 + HEIGHT
            bend = (y2 - y1) / 2
            path = f"M{x1:.0f} {y1}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2}"
            out.append(f'<path d="{path}" fill="none" stroke="#607d8b" marker-end="url(#tip)"/>')
    for part, (x, y) in place.items():
        out.append(
            f'<rect x="{x:.0f}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#eceff1" stroke="#455a64"/>'
            f'<text x="{x + WIDTH / 2:.0f}" y="{y + 25}" text-anchor="middle">{part}</text>'
        )
    out.append(
        f'<rect x="12" y="{bottom}" width="{full - 24}" height="{height - bottom - 10}" rx="6" fill="#fafafa" '
        f'stroke="#455a64" stroke-dasharray="4"/><text x="{full / 2}" y="{bottom + 22}" text-anchor="middle">'
        "modules beside the packages that import no package</text>"
    )
    for number, line in enumerate(lines):
        out.append(f'<text x="{full / 2}" y="{bottom + 44 + 18 * number}" text-anchor="middle">{line}</text>')
    return "\n".join([*out, "</svg>"])


def table() -> str:
    """Markdown: each part, what it is for, what it imports besides the foundation."""
    graph, trees = part_graph(), modules()
    base = foundation(graph)
    rows = [
        f"| `{part}` | {summary(trees[part])} | {', '.join(sorted(graph[part] - base)) or '-'} |"
        for row in levels({part: needs - base for part, needs in graph.items() if part not in base})
        for part in row
    ]
    rows += [f"| `{part}` | {summary(trees[part])} | - |" for part in sorted(base)]
    return "\n".join(["| part | what it is for | imports |", "|---|---|---|", *rows])


def api_page(package: str) -> str:
    """Markdown of a package's API page."""
    trees = modules()
    named = sorted(name for name in trees if name.startswith(f"{package}."))
    blocks = [f"# {package}", summary(trees[package]), *(f"::: meshgait.{name}" for name in named)]
    return "\n\n".join(blocks) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and the picture, which are made again by every build."""
    from mkdocs.structure.files import File

    for package in PACKAGES:
        files.append(File.generated(config, f"api/{package}.md", content=api_page(package)))
    files.append(File.generated(config, "house.svg", content=picture()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the table of parts where a page asks for it."""
    place = "<!-- table of parts -->"
    return markdown.replace(place, table()) if place in markdown else markdown


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture())
