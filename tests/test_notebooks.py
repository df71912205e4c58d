"""Notebooks as they are committed; `make notebooks` executes them all."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from meshgait.data.store import Store
from meshgait.synthetic.population import WalkerSettings

ROOT = Path(__file__).parents[1]
PATHS = {path.name: path for path in (ROOT / "notebooks").glob("*.ipynb")}
NAMES = ["01_walkers.ipynb", "02_heatmaps_and_meshes.ipynb", "03_recognition.ipynb"]
MOST_BYTES, MOST_LINES = 20_000, 14


def cells(name, kind="code"):
    return [cell.source for cell in nbformat.read(PATHS[name], 4).cells if cell.cell_type == kind]


def test_they_are_numbered_and_all_there():
    assert sorted(PATHS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_they_hold_no_outputs_and_are_small(name):
    content = nbformat.read(PATHS[name], 4)
    nbformat.validate(content)
    for cell in content.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert not cell.get("attachments")
    assert PATHS[name].stat().st_size < MOST_BYTES
    assert content.metadata.kernelspec.name == "python3"  # the environment's own, on every machine


@pytest.mark.parametrize("name", NAMES)
def test_what_grows_belongs_into_the_package(name):
    first, *rest = cells(name)
    imported = {node.module.split(".")[0] for node in ast.parse(first).body if isinstance(node, ast.ImportFrom)}
    assert "meshgait" in imported
    for source in rest:
        assert sum(bool(line.strip()) for line in source.splitlines()) <= MOST_LINES
        assert not re.search(r"^\s*(class |from |import |%|!)", source, re.M)


@pytest.mark.parametrize("name", NAMES)
def test_all_that_they_import_is_there(name):
    for node in ast.parse(cells(name)[0]).body:
        if isinstance(node, ast.ImportFrom) and node.module.startswith("meshgait"):
            module = __import__(node.module, fromlist=["_"])
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("name", NAMES)
def test_places_are_named_at_the_top_and_made_by_make(name):
    first, *rest = cells(name)
    assert not any("../" in source for source in rest)
    places = set(re.findall(r'"\.\./([\w/-]+)"', first.replace("# ", "")))
    experiments = "".join(path.read_text() for path in (ROOT / "experiments").rglob("*.yaml"))
    for place in places:  # runs/NAME-2d is the experiment of runs/NAME without its 3D branch
        wanted = place.removesuffix("-2d")
        assert re.search(rf"(default_root_dir|store): {wanted}$", experiments, re.M), place


def test_each_says_how_to_make_what_it_needs():
    for name in NAMES:
        assert "`make small`" in cells(name, "markdown")[0]


@pytest.fixture
def at_the_notebooks(tiny_store, tmp_path, monkeypatch):
    """A folder of notebooks beside the tiny store, as a kernel would start in it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "small").symlink_to(tiny_store)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path


def test_the_first_runs_on_any_walkers(at_the_notebooks, monkeypatch):
    """Cell by cell, without a kernel and with fewer bodies."""
    few = WalkerSettings.__init__
    monkeypatch.setattr(WalkerSettings, "__init__", lambda self, **words: few(self, **{**words, "frames": 8}))
    space: dict = {}
    shown = []
    for source in cells(NAMES[0]):
        *body, last = ast.parse(source).body
        exec(compile(ast.Module(body, []), NAMES[0], "exec"), space)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), NAMES[0], "eval"), space))
        else:
            exec(compile(ast.Module([last], []), NAMES[0], "exec"), space)
    pictures = [picture for picture in shown if hasattr(picture, "size")]
    assert len(pictures) == 4 and all(min(picture.size) > 200 for picture in pictures)
    assert shown[-1].data[:4] == b"\x89PNG"
    assert space["store"].hash == Store(at_the_notebooks / "data" / "small").hash
