"""Benchmarks are run by hand, so what they use may be renamed unseen: each is imported, and small ones are run."""

import importlib
from pathlib import Path

import pytest

from benchmarks import gallery

MODULES = sorted(path.stem for path in Path(gallery.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_it_imports_what_there_is(name):
    module = importlib.import_module(f"benchmarks.{name}")
    assert name == "real_sets" or callable(module.main)


def test_a_gallery_is_filled_searched_and_erased_from():
    result = gallery.times(walks=40)
    assert result["walks"] == 40
    assert result["bytes of the file"] > 40 * 2 * 4 * gallery.STRIPS * gallery.CHANNELS
