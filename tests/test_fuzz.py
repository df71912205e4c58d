"""Changed files of every format, a few each; `make fuzz` reads a thousand of each."""

import numpy as np
import pytest

from benchmarks.fuzz import formats, fuzz, mutate
from meshgait.errors import DataError


@pytest.mark.slow
@pytest.mark.parametrize("format", formats(), ids=lambda format: format.name)
def test_changed_files_end_well_or_with_an_error_of_ours(format, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = fuzz(format, 12, seed=1, kept=tmp_path / "kept")
    assert outcome.wrong == []
    assert outcome.read + outcome.refused == 12


def test_changes_are_seeded_and_change_something():
    content = b"a: 1\nb: [2, 3]\n" * 20
    for text in (False, True):
        changed = [mutate(content, np.random.default_rng(seed), text) for seed in range(50)]
        assert changed == [mutate(content, np.random.default_rng(seed), text) for seed in range(50)]
        assert sum(one != content for one in changed) > 45
        assert len(set(changed)) > 45


def _system(path):
    import os

    os.system("true")


def _endless(path):
    while True:
        pass


def _broken(path):
    raise KeyError("x")


def _large(path):
    """Reads well; its memory is imitated below, for the peak of this process is of other tests too."""


def _long(path):
    raise DataError("one\ntwo")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("read", "message"),
    [
        (_system, "call os.system"),
        (_endless, "longer than"),
        (_broken, "KeyError"),
        (_large, "MB"),
        (_long, "lines"),
    ],
)
def test_what_must_not_happen_is_seen(read, message, tmp_path, monkeypatch):
    """The file is harmless at first, as any valid one."""
    from benchmarks import fuzz as module

    monkeypatch.setattr(module, "SECONDS", 1 if read is _endless else 60)
    if read is _large:
        monkeypatch.setattr(module, "_megabytes", iter((100.0, 700.0)).__next__)
    harmless = [True]

    def later(path):
        return None if harmless and harmless.pop() else read(path)

    def make(folder):
        (folder / "x").write_bytes(b"content" * 9)
        return folder / "x"

    outcome = fuzz(module.Format("x", make, later), 1, 0, tmp_path / "kept")
    assert len(outcome.wrong) == 1
    assert message in outcome.wrong[0]
    assert len(list((tmp_path / "kept").iterdir())) == 1
