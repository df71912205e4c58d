import errno

import pytest

from meshgait.atomic import atomic_file, atomic_folder
from meshgait.errors import OutputError


def full():
    return OSError(errno.ENOSPC, "No space left on device")


def test_what_was_there_stays_when_writing_fails(tmp_path):
    path = tmp_path / "figures.json"
    path.write_text("old")
    with (
        pytest.raises(OutputError, match=r"figures\.json cannot be written \(No space left on device\)"),
        atomic_file(path) as temporary,
    ):
        temporary.write_text("half")
        raise full()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("figures.json", "old")]


def test_folders_are_made(tmp_path):
    with atomic_file(tmp_path / "a" / "b") as path:
        path.write_text("x")
    assert (tmp_path / "a" / "b").read_text() == "x"


def test_the_file_before_can_be_kept(tmp_path):
    for text in ("one", "two", "three"):
        with atomic_file(tmp_path / "last", tmp_path / "before") as path:
            path.write_text(text)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"last": "three", "before": "two"}


def test_a_folder_takes_the_place_of_another_only_when_it_is_whole(tmp_path):
    out = tmp_path / "model"
    with atomic_folder(out) as partial:
        (partial / "a").write_text("1")
    with (
        pytest.raises(OutputError, match=r"model cannot be written .* choose another --out"),
        atomic_folder(out) as partial,
    ):
        (partial / "b").write_text("2")
        raise full()
    assert [p.name for p in tmp_path.iterdir()] == ["model"] and [p.name for p in out.iterdir()] == ["a"]
    with atomic_folder(out) as partial:
        (partial / "c").write_text("3")
    assert [p.name for p in out.iterdir()] == ["c"]
