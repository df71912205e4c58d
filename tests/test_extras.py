"""What is imported is declared, and the package does without its optional parts where they are not used."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import meshgait
from meshgait.cli import TOOLS, main
from meshgait.errors import ConfigError
from meshgait.extras import EXTRAS, require

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML")

SOURCE = Path(meshgait.__file__).parent
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
MODULES = {
    "opencv_python_headless": "cv2", "pillow": "PIL", "pyyaml": "yaml", "scikit_learn": "sklearn",
}  # fmt: skip
"""What a package is imported as, where that is not its own name."""


def names(requirements):
    """Names under which the packages of some requirements are imported."""
    found = (re.match(r"[\w.-]+", requirement)[0].lower().replace("-", "_") for requirement in requirements)
    return {MODULES.get(name, name) for name in found} - {"meshgait"}


CORE = names(PROJECT["dependencies"])
OPTIONAL = {extra: names(packages) for extra, packages in PROJECT["optional-dependencies"].items()}


def imports(path):
    """(package, whether importing the module imports it) of each import."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in tree.body) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module, node in tree.body


USED = {
    path.relative_to(SOURCE).as_posix(): {(name.split(".")[0], at_once) for name, at_once in imports(path)}
    for path in SOURCE.rglob("*.py")
}
FOREIGN = {name for used in USED.values() for name, _ in used} - sys.stdlib_module_names - {"meshgait"}


def test_nothing_is_imported_that_is_not_declared():
    assert FOREIGN - CORE - {name for extra in EXTRAS.values() for name in extra} == set()


def test_nothing_is_declared_that_is_not_used():
    assert set() == CORE - FOREIGN


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_installs_what_it_needs(extra):
    assert set(EXTRAS[extra]) == OPTIONAL[extra]
    assert not OPTIONAL[extra] & CORE


def test_the_tests_have_all_extras():
    dev = next(line for line in PROJECT["optional-dependencies"]["dev"] if line.startswith("meshgait["))
    assert {*EXTRAS, "postgres", "notebooks"} - {"masks"} <= set(re.findall(r"\w+", dev))


def test_only_optional_parts_import_optional_packages_at_once():
    optional = {name for extra in EXTRAS.values() for name in extra}
    users = {module for module, used in USED.items() if any(name in optional and now for name, now in used)}
    parts = ("sweeps/", "report/page.py", "viz/interactive.py", "web/", "gallery/qdrant_collection.py")
    assert users and [module for module in users if not module.startswith(parts)] == []


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_missing_is_named_with_the_line_that_installs_it(extra, monkeypatch):
    for name in EXTRAS[extra]:
        monkeypatch.setitem(sys.modules, name, sys)
    require(extra, "this")
    for package in EXTRAS[extra]:
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(ConfigError, match=rf"this needs {package}, .*`pip install 'meshgait\[{extra}\]'`"):
                require(extra, "this")


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [(["sweep", "x.yaml"], "optuna", "sweeps"), (["report", "run"], "plotly", "report"),
     (["export", "last.ckpt", "--out", "x", "--onnx"], "onnxscript", "onnx"),
     (["serve", "--gallery", "x"], "starlette", "serve"),
     (["gallery", "create", "--gallery", "x", "--server", "http://localhost"], "qdrant_client", "qdrant")],
    ids=["sweep", "report", "export", "serve", "gallery"],
)  # fmt: skip
def test_a_verb_that_needs_more_says_so_before_it_begins(words, package, extra, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert f"needs {package}" in said and f"meshgait[{extra}]" in said and said.count("\n") == 1


@pytest.mark.slow
def test_the_command_line_starts_without_any_extra():
    """Every verb is there to be asked for its help in a process that has none of them."""
    missing = [name for extra in EXTRAS.values() for name in extra]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({missing}))\n"
        "import importlib, meshgait, meshgait.cli, meshgait.training\n"
        f"for verb in {list(TOOLS)}: importlib.import_module('meshgait.tools.' + verb)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
