"""An erased person is gone from the file, byte for byte, and the search that proves it can fail."""

import os
import sqlite3

import numpy as np
import pytest

from meshgait.gallery import removal
from meshgait.gallery.erasure import PIECE, everybodys, search, trace_of
from meshgait.gallery.gallery import Gallery
from meshgait.gallery.vectors import vector_id
from tests.gallery.walkers import walk


def content(path):
    """Bytes of all files whose names begin as that of the gallery."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))


def windows(blob, length=PIECE):
    return {blob[start : start + length] for start in range(0, len(blob) - length + 1, length)}


def test_an_erased_person_is_nowhere_in_the_files(gallery, path, mean_model):
    gallery.enrol(
        "Drago Ćosić", [walk(9, n) for n in range(4)], consent="signed on the 3rd", keep_silhouettes=True
    )
    embeddings = [mean_model.embed(walk(9, n))[0].tobytes() for n in range(4)]
    # independent of the search in the package: the longest runs of stored bytes
    kept = content(path)
    pieces = set().union(*map(windows, embeddings)) - {bytes(PIECE)}
    assert sum(piece in kept for piece in pieces) > 0.9 * len(pieces)
    assert "Drago Ćosić".encode() in kept and b"signed on the 3rd" in kept
    found = gallery.erase("Drago Ćosić")
    assert found.proven and found.walks == 4 and found.searched_for > 100
    assert [file for file, _ in found.files] == [path]
    left = content(path)
    others = b"".join(vector.tobytes() for _, vector in gallery._open().vectors.iterate())
    own = {piece for piece in pieces if piece not in others}
    assert len(own) > 0.9 * len(pieces)
    assert [piece for piece in own if piece in left] == []
    assert b"Drago" not in left and b"signed on" not in left
    assert [person.name for person in gallery.people()] == ["Anna", "Ben", "Cleo"]
    assert [person.walks for person in gallery.people()] == [3, 3, 3]


def test_the_journal_is_gone_after_each_change(gallery, path):
    assert os.listdir(path.parent) == [path.name]
    gallery.erase("Anna")
    assert os.listdir(path.parent) == [path.name]


def test_without_secure_deletion_the_search_finds_what_is_left(gallery, path, monkeypatch):
    monkeypatch.setattr(type(gallery._open().database), "compact", lambda self: None)
    gallery._open().database.rows("PRAGMA secure_delete = OFF")
    found = gallery.erase("Ben")
    assert not found.proven
    assert found.found == (path,)


def test_a_copy_beside_the_gallery_is_found(gallery, path):
    copy = path.with_name(path.name + "-copy")
    copy.write_bytes(path.read_bytes())
    found = gallery.erase("Ben")
    assert not found.proven and found.found == (copy,)


def test_silhouettes_are_kept_on_request_only_and_erased(gallery):
    gallery.enrol("Drago", walk(9), keep_silhouettes=True)
    (kept,), (plain, *_) = gallery.walks("Drago"), gallery.walks("Anna")
    frames = gallery.silhouettes(kept)
    assert frames.shape == (10, 64, 44) and set(np.unique(frames)) == {0, 255}
    np.testing.assert_array_equal(frames > 127, gallery._embedder.model.read(walk(9)).frames > 127)
    assert gallery.silhouettes(plain) is None
    stored = sqlite3.connect(gallery.path).execute("SELECT bits FROM silhouettes").fetchall()
    assert len(stored) == 1
    assert gallery.erase("Drago").proven
    assert not any(window in content(gallery.path) for window in windows(stored[0][0]))


def test_the_log_keeps_numbers_and_no_names(gallery, path):
    gallery.rename("Anna", "Annabella")
    gallery.merge("Cleo", "Ben")
    gallery.identify(walk(0, 7))
    gallery.erase("Annabella")
    text = " ".join(f"{entry}" for entry in gallery.log())
    assert all(name not in text for name in ("Anna", "Ben", "Cleo", "drawer"))
    assert [entry.action for entry in gallery.log()] == ["enrol"] * 3 + ["rename", "merge", "identify", "erase"]
    assert gallery.log()[-1].person == 1
    # numbers are not given twice, so that the log stays true
    assert gallery.enrol("Anna", walk(0)).person.id == 4


def test_what_all_embeddings_share_is_no_trace_of_anybody(tmp_path):
    shared, own = b"\1\2\3\4" * 4, bytes(range(16))
    trace = trace_of([shared + own], [], [])
    (tmp_path / "f").write_bytes(b"xyz" + shared)
    found = search(trace, [tmp_path / "f"])
    assert found == {tmp_path / "f": {shared}}
    assert everybodys({shared, own}, [shared + bytes(16)]) == {shared}


def test_rows_without_content_are_no_trace():
    assert len(trace_of([bytes(64), b"\xff" * 64], [], [])) == 0


def test_short_texts_and_parts_of_others_are_not_looked_for():
    trace = trace_of([], ["Ann", "Johanna", "Robert"], ["Johanna Maria", "note"])
    assert trace.texts == (b"Robert",)


@pytest.mark.parametrize("seed", range(10))
def test_a_piece_is_found_wherever_it_lies(tmp_path, monkeypatch, seed):
    monkeypatch.setattr("meshgait.gallery.erasure.BLOCK", 256)
    rng = np.random.default_rng(seed)
    blob = rng.integers(0, 256, 100, np.uint8).tobytes()
    trace = trace_of([blob], ["Somebody"], [])
    noise = rng.integers(0, 256, 2000, np.uint8).tobytes()
    (tmp_path / "clean").write_bytes(noise)
    place, start = int(rng.integers(0, 1960)), int(rng.integers(0, 69))
    (tmp_path / "piece").write_bytes(noise[:place] + blob[start : start + 31] + noise[place:])
    (tmp_path / "name").write_bytes(noise[:place] + b"Somebody" + noise[place:])
    found = search(trace, [tmp_path / "clean", tmp_path / "piece", tmp_path / "name"])
    assert set(found) == {tmp_path / "piece", tmp_path / "name"}
    assert found[tmp_path / "name"] == {b"Somebody"}


def test_nobody_can_be_erased_twice_and_the_rest_is_as_it_was(gallery):
    before = {number: vector.copy() for number, vector in gallery._open().vectors.iterate()}
    own = {vector_id(w.id, m) for w in gallery.walks("Ben") for m in (False, True)}
    gallery.erase("Ben")
    after = dict(gallery._open().vectors.iterate())
    assert set(after) == set(before) - own
    assert all((after[number] == before[number]).all() for number in after)
    with pytest.raises(Exception, match=r"nobody is enrolled as Ben in .*enrolled are Anna, Cleo"):
        gallery.erase("Ben")


def test_expired_people_are_not_named_and_expire_erases_them(path, mean_model):
    from datetime import date

    gallery = Gallery(path, mean_model)
    gallery.enrol("Anna", walk(0), consent_until=date(2026, 6, 30))
    gallery.enrol("Ben", walk(1), consent_until=date(2026, 7, 1))
    gallery.enrol("Cleo", walk(2))
    assert gallery.identify(walk(0), today=date(2026, 6, 30)).nearest == "Anna"
    assert gallery.identify(walk(0), today=date(2026, 7, 1)).nearest != "Anna"
    assert gallery.expire(date(2026, 6, 30)) == []
    assert [found.name for found in gallery.expire(date(2026, 7, 1))] == ["Anna"]
    both = gallery.expire(date(2027, 1, 1))
    assert [(found.name, found.proven) for found in both] == [("Ben", True)]
    assert [person.name for person in gallery.people()] == ["Cleo"]


def test_an_erasure_reads_each_file_under_a_lock(gallery, monkeypatch):
    """A writer in between would make the search one of another state."""
    writers = []
    original = removal.erasure.search

    def search_while_another_writes(trace, files):
        other = sqlite3.connect(gallery.path, timeout=0.05)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("DELETE FROM log")
            other.commit()
        writers.append(other.close())
        return original(trace, files)

    monkeypatch.setattr(removal.erasure, "search", search_while_another_writes)
    assert gallery.erase("Ben").proven
    assert len(writers) == 1
