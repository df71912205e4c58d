import errno

import pytest

from meshgait.callbacks import best_effort as best_effort_module
from meshgait.callbacks.best_effort import best_effort


@pytest.fixture(autouse=True)
def _forget_warnings(monkeypatch):
    monkeypatch.setattr(best_effort_module, "_warned", set())


def test_a_full_disk_is_said_once_per_folder(capsys):
    for folder in ("run", "run", "other"):
        with best_effort(folder, "pictures"):
            raise OSError(errno.ENOSPC, "No space left on device")
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("meshgait: warning: run cannot be written (No space left on device); training goes on")
    assert "pictures" in first and "other" in second


def test_errors_of_the_code_are_not_hidden():
    with pytest.raises(ZeroDivisionError), best_effort("run", "pictures"):
        raise ZeroDivisionError
