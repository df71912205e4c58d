import errno

import pytest

from meshgait.callbacks import output
from meshgait.callbacks.output import best_effort, write_whole
from meshgait.errors import OutputError


@pytest.fixture(autouse=True)
def _forget_warnings(monkeypatch):
    monkeypatch.setattr(output, "_warned", set())


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


def test_what_was_there_stays_when_writing_fails(tmp_path):
    path = tmp_path / "figures.json"
    path.write_text("old")

    def fails(temporary):
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match=r"figures\.json cannot be written \(No space left on device\)"):
        write_whole(path, fails)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("figures.json", "old")]


def test_folders_are_made(tmp_path):
    write_whole(tmp_path / "a" / "b", lambda path: path.write_text("x"))
    assert (tmp_path / "a" / "b").read_text() == "x"
