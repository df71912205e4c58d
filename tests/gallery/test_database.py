"""The file: whole after a kill, safe with two processes, honest about damage."""

import sqlite3
import stat
from pathlib import Path

import pytest

from meshgait.errors import GalleryError
from meshgait.gallery import database as module
from meshgait.gallery.database import COMPACT_DUE, Database
from meshgait.gallery.gallery import Gallery
from tests.gallery.processes import run
from tests.gallery.walkers import LightModel, walk

ROOT = Path(__file__).parents[2]


@pytest.fixture
def mean_model():
    """In this process as well: both use one gallery."""
    return LightModel()


def state(path):
    """Everything in the file, read by SQLite alone."""
    connection = sqlite3.connect(path)
    tables = ("people", "walks", "vectors", "silhouettes")
    found = {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in tables}
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    return found


@pytest.mark.parametrize("where", ["vectors.SqliteVectors, 'add'", "people.People, 'add'", "people.People, 'log'"])
def test_a_kill_while_enrolling_leaves_the_gallery_as_it_was(gallery, path, where):
    before = state(path)
    process, _, error = run(f"die_after({where}); gallery.enrol('Drago', [walk(9), walk(9, 1)])", path)
    assert process.returncode == 9, error
    assert state(path) == before
    assert gallery.enrol("Drago", walk(9)).person.walks == 1


@pytest.mark.parametrize("where", ["vectors.SqliteVectors, 'delete'", "people.People, 'delete'"])
def test_a_kill_before_an_erasure_is_made_leaves_everybody(gallery, path, where):
    before = state(path)
    process, _, error = run(f"die_after({where}); gallery.erase('Ben')", path)
    assert process.returncode == 9, error
    assert state(path) == before
    assert gallery.erase("Ben").proven


@pytest.mark.parametrize("how", ["die_before", "die_after"])
def test_a_kill_within_an_erasure_is_made_good_when_the_gallery_is_opened(gallery, path, how):
    embeddings = [vector.tobytes() for _, vector in gallery._open().vectors.iterate()]
    gallery.close()
    process, _, error = run(f"{how}(database.Database, 'compact'); gallery.erase('Ben')", path)
    assert process.returncode == 9, error
    opened = Database(path)
    assert opened.fact(COMPACT_DUE) is None
    opened.close()
    assert [row[1] for row in state(path)["people"]] == ["Anna", "Cleo"]
    content = path.read_bytes()
    # Ben's vectors are the second six
    own, others = (
        {blob[start : start + 16] for blob in blobs for start in range(0, len(blob), 16)} - {bytes(16)}
        for blobs in (embeddings[6:12], embeddings[:6] + embeddings[12:])
    )
    kept = b"".join(embeddings[:6] + embeddings[12:])
    own = {piece for piece in own if piece not in kept}
    assert len(own) > 20
    assert not any(piece in content for piece in own)
    assert sum(piece in content for piece in others) > 0.9 * len(others)


def test_a_kill_while_the_gallery_is_made_leaves_one_that_can_be_used(path, mean_model):
    process, _, error = run("die_after(database.Database, '_make_tables'); gallery.enrol('Anna', walk(0))", path)
    assert process.returncode == 9, error
    gallery = Gallery(path, mean_model)
    assert gallery.enrol("Anna", walk(0)).person.walks == 1


def test_two_processes_enrol_into_one_gallery(gallery, path):
    code = """
        print("ready", flush=True)
        sys.stdin.read(1)
        for number in range(6):
            gallery.enrol(f"{NAME} {number}", walk(SEED + number))
            gallery.identify(walk(SEED))
        gallery.erase(f"{NAME} 0")
    """
    processes = [run(code.replace("NAME", repr(name)).replace("SEED", seed), path, wait=False)
                 for name, seed in (("one", "300"), ("two", "400"))]  # fmt: skip
    for number in range(6):  # this process is a third one
        gallery.enrol(f"three {number}", walk(500 + number))
    for process in processes:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
    names = {person.name for person in gallery.people()}
    assert names == {"Anna", "Ben", "Cleo"} | {
        f"{who} {number}" for who in ("one", "two", "three") for number in range(who != "three", 6)
    }
    found = state(path)
    assert len(found["walks"]) == 9 + 16 and len(found["vectors"]) == 2 * 25
    assert gallery.identify(walk(405)).nearest == "two 5"


def test_a_gallery_in_use_for_long_is_named(gallery, path, mean_model, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    other = Gallery(path, mean_model)
    other.people()
    held = pytest.raises(GalleryError, match="another process has been writing")
    with gallery._open().database.writing(), held:
        other.enrol("Drago", walk(9))
    assert other.enrol("Drago", walk(9)).person.walks == 1


def test_a_full_disk_changes_nothing(gallery, path):
    before = state(path)
    pages = gallery._open().database.rows("PRAGMA page_count")[0][0]
    gallery._open().database.rows(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(GalleryError, match="the disk is full, nothing was changed; free space"):
        gallery.enrol("Drago", [walk(9, number) for number in range(8)])
    assert state(path) == before
    gallery._open().database.rows("PRAGMA max_page_count = 100000")
    assert gallery.enrol("Drago", walk(9)).person.walks == 1


def test_a_disk_that_is_full_while_the_file_is_made_is_named(path, mean_model, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "open", full)
    with pytest.raises(GalleryError, match=r"cannot be made \(No space left on device\)"):
        Gallery(path, mean_model).enrol("Anna", walk(0))


def test_the_file_is_for_its_owner_alone(gallery, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is an empty file"),
        (
            b"no database at all, but longer than a header of SQLite; " * 3,
            "is no gallery",
        ),
        (b"SQLite format 3\0" + b"\xff" * 200, "is no gallery or damaged|is damaged|cannot be used"),
    ],
)
def test_files_that_are_no_gallery_are_named(path, content, what):
    path.write_bytes(content)
    with pytest.raises(GalleryError, match=what):
        Database(path)
    assert path.read_bytes() == content


def test_databases_of_others_are_left_alone(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE walks (id)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    for create in (False, True):
        with pytest.raises(GalleryError, match="database of another program"):
            Database(path, create)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("PRAGMA user_version = 99", "gallery of format 99"),
        ("CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM people; END", "changed by another program"),
        ("CREATE TABLE extra (id)", "changed by another program"),
        ("ALTER TABLE people ADD COLUMN age", "changed by another program"),
        ("INSERT INTO facts VALUES ('calibration', '{\"threshold\": 1}')", "damaged calibration"),
        ("INSERT INTO facts VALUES ('calibration', 'x')", "damaged calibration"),
        ("UPDATE facts SET value = '999999999' WHERE name = 'strips'", "is damaged"),
        ("UPDATE facts SET value = 'x' WHERE name = 'channels'", "is damaged"),
    ],
)
def test_a_changed_gallery_is_named(gallery, path, mean_model, change, what):
    gallery.close()
    connection = sqlite3.connect(path)
    connection.execute(change)
    connection.commit()
    connection.close()
    with pytest.raises(GalleryError, match=what):
        Gallery(path, mean_model).identify(walk(0))


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_gallery_ends_in_an_error_of_ours_or_works(gallery, path, mean_model, seed):
    import numpy as np

    gallery.close()
    rng, content = np.random.default_rng(seed), bytearray(path.read_bytes())
    for place in rng.integers(0, len(content), 300):
        content[place] = rng.integers(256)
    path.write_bytes(content)
    try:
        damaged = Gallery(path, mean_model)
        damaged.identify(walk(0))
        damaged.people()
        damaged.erase("Ben")
    except GalleryError as error:
        assert "\n" not in str(error)


def test_a_folder_is_no_gallery(tmp_path):
    with pytest.raises(GalleryError, match="is no file"):
        Database(tmp_path, create=True)
