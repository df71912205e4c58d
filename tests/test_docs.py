"""README and docs: their Python runs, and what they name is there."""

import ast
import pydoc
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from meshgait.cli import main
from meshgait.stages.recognise import RecogniseStage
from tests.checkpoints import save_checkpoint
from tests.data.trees import figure, frames

ROOT = Path(__file__).parents[1]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted((ROOT / "docs").rglob("*.md"))}
PAGES |= {name: (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")}
CURRENT = {
    name: text for name, text in PAGES.items() if name != "CHANGELOG.md"
}  # which also names what was removed
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
PYTHON = {
    name: blocks
    for name, text in PAGES.items()
    if (blocks := [code for language, code in BLOCK.findall(text) if language == "python"])
}
MOST_LINES = 120


def shell(text):
    """Lines of commands: blocks without a language, and what stands in the text between backticks."""
    blocks = [code for language, code in BLOCK.findall(text) if not language]
    inline = re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))
    return [line for part in (*blocks, *inline) for line in part.replace("\\\n", " ").splitlines()]


@pytest.fixture(scope="module")
def scene(tmp_path_factory, tiny_store, tiny_size):
    """A folder with what the pages name: a store, a trained network, its export, walks, a tree of frames."""
    folder = tmp_path_factory.mktemp("scene")
    torch.manual_seed(1)
    stage = RecogniseStage(tiny_size, 4)
    save_checkpoint(stage, folder / "runs" / "finetune" / "checkpoints" / "last.ckpt")
    walk = np.stack([figure(step, shift=3 * step) for step in range(8)])
    for name, part in {"walk": walk, "other": walk[::2]}.items():
        np.save(folder / f"{name}.npy", part)
    for name, length in {"first": 6, "second": 4}.items():  # cropped already
        np.save(folder / f"{name}.npy", (np.random.default_rng(0).random((length, 64, 44)) > 0.5) * np.uint8(255))
    for subject in ("001", "002"):
        frames(folder / "frames" / subject / "nm-01" / "090", 4)
    (folder / "data").mkdir()
    (folder / "data" / "walkers").symlink_to(tiny_store)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", PYTHON)
def test_python_blocks_run_in_order(page, scene, tmp_path, monkeypatch, capsys):
    """In one namespace, as a reader would paste them."""
    shutil.copytree(scene, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    blocks = PYTHON[page]
    if any("onnxruntime" in code for code in blocks):
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package)
        assert main(["export", "runs/finetune/checkpoints/last.ckpt", "--out", "model", "--onnx"]) == 0
        capsys.readouterr()
    space: dict = {}
    for number, code in enumerate(blocks):
        exec(compile(code, f"{page}, block {number}", "exec"), space)
    assert capsys.readouterr().out.strip(), "the page shows no result"


def test_readme_and_tutorials_have_python():
    assert {
        "README.md",
        "docs/tutorials/embed.md",
        "docs/tutorials/train.md",
        "docs/tutorials/evaluate.md",
    } <= set(PYTHON)


def test_readme_shows_the_api_in_ten_lines():
    (code,) = PYTHON["README.md"]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    used = {node.attr for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)}
    assert {"walkers", "pack", "Store", "load", "embed", "reconstruct"} <= used


def test_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= MOST_LINES


def test_files_that_are_named_are_there():
    named = {
        (page, path)
        for page, text in CURRENT.items()
        for path in re.findall(
            r"(?<![\w/.-])(?:experiments|benchmarks|launch|notebooks|tests|src|scripts|docs)/[\w./-]+\w", text
        )
        if "NAME" not in path
    }
    assert len(named) > 30
    assert [(page, path) for page, path in named if not (ROOT / path).exists()] == []


def test_modules_that_are_named_are_there():
    """Those on the way through the house above all, which a renamed module would leave wrong."""
    for page, text in CURRENT.items():
        names = re.findall(r"`(meshgait(?:\.\w+)+)", text) + re.findall(r"class_path: (\S+)", text)
        for name in sorted(set(names)):
            assert pydoc.locate(name) is not None, f"{page} names {name}"


def targets():
    """Targets of the Makefile that are no patterns, and the patterns."""
    made = subprocess.run(["make", "-npq"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"^([\w./%-]+):", made, re.M))


def test_make_targets_that_are_named_are_there():
    known = targets()
    for page, text in CURRENT.items():
        for line in shell(text):
            for target in re.findall(r"^make ([\w./-]+)", line):
                pattern = re.sub(r"^(bench-|runs/|data/)[\w-]+", r"\1%", target)
                assert {target, pattern} & known, f"{page}: make {target}"


def test_the_makefile_is_short_and_its_help_is_whole():
    lines = (ROOT / "Makefile").read_text().splitlines()
    assert len(lines) <= 60
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = {target for line in shown.splitlines() for target in line[:16].split()}
    wanted = "setup data check pretrain finetune baseline evaluate report export sweep usf small notebooks bench"
    assert {
        *wanted.split(),
        "ablations",
        "fuzz",
        "torture",
        "test",
        "test-fast",
        "lint",
        "docs",
        "format",
        "clean",
    } <= listed


def test_verbs_that_are_named_are_there(capsys):
    assert main([]) == 0
    verbs = set(re.findall(r"^    ([a-z]+)(?: |$)", capsys.readouterr().out, re.M))
    used = {
        (page, verb) for page, text in CURRENT.items() for line in shell(text)
        for verb in re.findall(r"^(?:\.venv/bin/)?meshgait ([a-z]+)", line)
    }  # fmt: skip
    assert len({verb for _, verb in used}) > 10
    assert {(page, verb) for page, verb in used if verb not in verbs} == set()


def test_every_page_is_in_the_navigation():
    """`make docs` is strict about the rest: links, anchors, names of the API."""

    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]

    def leaves(entry):
        if isinstance(entry, str):
            return {entry}
        return set().union(*map(leaves, entry.values() if isinstance(entry, dict) else entry))

    pages = {name.removeprefix("docs/") for name in PAGES if name.startswith("docs/")}
    assert pages <= leaves(nav)


def test_no_relative_link_leads_nowhere():
    for page, text in PAGES.items():
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", BLOCK.sub("", text)):
            if "://" not in link and not re.fullmatch(r"(api/\w+\.md|house\.svg)", link):
                assert ((ROOT / page).parent / link).exists(), f"{page}: {link}"
