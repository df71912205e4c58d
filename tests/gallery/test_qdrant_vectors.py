"""Galleries with a Qdrant server: the same answers, nothing left after an erasure, a failure or a kill."""

import os
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("qdrant_client", reason="needs meshgait[qdrant]")

from qdrant_client import QdrantClient, models

from meshgait.errors import ConfigError, GalleryError
from meshgait.gallery.database import Database
from meshgait.gallery.decision import decide
from meshgait.gallery.gallery import Gallery
from meshgait.gallery.opened import Opened
from meshgait.gallery.people import People
from meshgait.gallery.qdrant_collection import QdrantCollection, checked_address
from meshgait.gallery.qdrant_vectors import QdrantVectors
from meshgait.gallery.searching import Searches
from meshgait.gallery.vectors import SqliteVectors
from tests.gallery.models import MeanModel
from tests.gallery.processes import run
from tests.gallery.qdrant_stand_in import running
from tests.gallery.walkers import LightModel, walk

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server():
    with running() as server:
        yield server


@pytest.fixture
def served(path, server, mean_model):
    """Anna, Ben and Cleo with three walks each, their embeddings on the stand-in."""
    with Gallery(path, mean_model) as gallery:
        gallery.create(server.url)
        for person, name in enumerate(("Anna", "Ben", "Cleo")):
            gallery.enrol(
                name, [walk(person, number) for number in range(3)], consent=f"form {name} in the drawer"
            )
        yield gallery


def points(server):
    """Everything that the stand-in holds: number, vector and payload by the client's own scroll."""
    (collection,) = server.client.get_collections().collections
    found, _ = server.client.scroll(collection.name, limit=10_000, with_payload=True, with_vectors=True)
    return {point.id: (np.float32(point.vector), point.payload) for point in found}


def test_both_kinds_of_gallery_give_the_same_answers(served, gallery_in_file, strangers):
    assert (
        served.calibrate(strangers, fpir=10).threshold == gallery_in_file.calibrate(strangers, fpir=10).threshold
    )
    for passes in ([walk(0, 8)], [walk(1, 8), walk(1, 9)], walk(2, 8, mirrored=True), walk(239)):
        assert served.identify(passes) == gallery_in_file.identify(passes)
    assert served.evaluate() == gallery_in_file.evaluate()


@pytest.fixture
def gallery_in_file(tmp_path, mean_model):
    with Gallery(tmp_path / "other.gallery", mean_model) as gallery:
        for person, name in enumerate(("Anna", "Ben", "Cleo")):
            gallery.enrol(
                name, [walk(person, number) for number in range(3)], consent=f"form {name} in the drawer"
            )
        yield gallery


@pytest.mark.filterwarnings("ignore:Local mode performs exact")
@pytest.mark.parametrize("alike", [0.0, 0.6])
def test_fifty_candidates_give_the_answers_of_all_walks(tmp_path, alike):
    """Random embeddings of people who differ much more than walks do, and of people who hardly differ."""
    rng = np.random.default_rng(0)
    people = rng.normal(size=(100, 1, 1, 8, 16)) * rng.uniform(0.2, 3, (8, 1))
    vectors = (people * (1 - alike) + rng.normal(size=(100, 8, 2, 8, 16))).astype(np.float32)
    opened = []
    for place, kind in enumerate((SqliteVectors, on_local_client)):
        database = Database(tmp_path / f"{place}.gallery", create=True)
        opened.append(Opened(database, People(database), kind(database)))
        with database.writing():
            for number, walks in enumerate(vectors):
                person = opened[-1].people.add(f"person {number}", "", None)
                for both in walks:
                    walk_id = opened[-1].people.add_walk(person, both, 30, "", "")
                    opened[-1].vectors.add([2 * walk_id, 2 * walk_id + 1], both)
            database.changed()
    for _ in range(6):
        probe = vectors[rng.integers(100), rng.integers(8), 0] + rng.normal(size=(8, 16)).astype(np.float32)
        answers = []
        for one in opened:
            with one.database.reading():
                searches = Searches(one.people, one.vectors, date(2026, 1, 1))
                found, distances = searches.distances([probe])
                answers.append(decide(distances, [person.name for person in found], None, 30))
                answers.append(searches.nearest(probe, range(1, 400)))
        assert answers[0] == answers[2] and answers[1] == answers[3]
    for one in opened:
        one.close()


def on_local_client(database):
    return QdrantVectors(database, QdrantCollection(QdrantClient(":memory:"), "memory", "some"))


def test_the_server_gets_numbers_and_embeddings_alone(served, server, mean_model):
    held = points(server)
    assert sorted(held) == list(range(2, 20))
    assert all(payload == {"walk": number // 2} for number, (_, payload) in held.items())
    first = mean_model.embed(walk(0, 0))[0]
    np.testing.assert_array_equal(held[2][0], first.reshape(-1))  # to the last bit, not normalised
    sent = repr(server.asked)
    assert not any(word in sent for word in ("Anna", "Ben", "Cleo", "form", "drawer"))
    pieces = {first.tobytes()[start : start + 16] for start in range(0, first.nbytes, 16)} - {bytes(16)}
    assert len(pieces) > 20 and not any(piece in served.path.read_bytes() for piece in pieces)
    assert served.server[0] == server.url


def test_an_erased_person_is_nowhere_in_the_files_and_on_the_server(served, server):
    before = points(server)
    found = served.erase("Ben")
    assert found.proven and found.walks == 3 and found.left == ()
    assert (
        "until its optimiser has rewritten" in found.remarks[0]
        and "holds 12 now, the gallery 12" in found.remarks[0]
    )
    held = points(server)
    assert sorted(held) == [*range(2, 8), *range(14, 20)]
    assert all((held[number][0] == before[number][0]).all() for number in held)
    assert b"Ben" not in served.path.read_bytes()
    assert os.listdir(served.path.parent) == [served.path.name]


@pytest.mark.parametrize("how", ["kept", "copied to another number"])
def test_a_server_that_keeps_what_was_deleted_is_found_out(served, server, how):
    (collection,) = server.client.get_collections().collections
    original, vector = server.delete, points(server)[8][0]

    def keep(name, body):
        if how != "kept":
            original(name, body)
            server.client.upsert(name, [{"id": 999, "vector": vector.tolist(), "payload": {}}])
        return {"operation_id": 1, "status": "completed"}

    server.delete = keep
    server.client.upsert = _points(server.client.upsert)
    found = served.erase("Ben")
    assert not found.proven and found.found == ()
    words = ("by number", "by walk", "nearest") if how == "kept" else ("nearest",)
    assert len(found.left) == len(words) and all(word in " ".join(found.left) for word in words)
    assert collection.name in found.left[0]


def _points(upsert):
    return lambda name, some: upsert(name, [models.PointStruct(**one) for one in some])


def test_people_move_from_a_file_to_a_server(gallery_in_file, path, server, tmp_path, mean_model):
    gallery_in_file.export_people(tmp_path / "people.npz")
    with Gallery(path, mean_model) as gallery:
        gallery.create(server.url)
        gallery.import_people(tmp_path / "people.npz")
        assert gallery.identify(walk(1, 8)) == gallery_in_file.identify(walk(1, 8))
        puts = [action for action, _ in server.asked if action == "PUT/points"]
        assert len(puts) == 1 and len(points(server)) == 18  # of one change, in one request


def test_a_change_that_is_refused_sends_nothing(served, server):
    before = points(server)
    with pytest.raises(GalleryError, match="is enrolled already, as Anna"):
        served.enrol("Drago", [walk(9), walk(0, 1)])
    assert points(server).keys() == before.keys()
    assert os.listdir(served.path.parent) == [served.path.name]


@pytest.mark.parametrize("action", ["PUT/points", "POST/points"])
def test_a_server_that_fails_while_enrolling_changes_nothing(served, server, action):
    server.fail = {action}
    with pytest.raises(GalleryError, match=r"the Qdrant server .* refuses \(500"):
        served.enrol("Drago", walk(9))
    server.fail = set()
    assert [person.name for person in served.people()] == ["Anna", "Ben", "Cleo"]
    assert sorted(points(server)) == list(range(2, 20))
    assert served.enrol("Drago", walk(9)).person.walks == 1
    assert served.identify(walk(9, 1)).nearest == "Drago"


def test_a_full_disk_at_the_last_moment_leaves_nothing_on_the_server(served, server):
    """The server has the vectors already when the file cannot be completed."""
    database = served._open().database
    original = type(database.partner).before_commit

    def fail_after(partner):
        original(partner)
        raise OSError(28, "No space left on device")

    try:
        type(database.partner).before_commit = fail_after
        with pytest.raises(GalleryError, match="the disk is full, nothing was changed"):
            served.enrol("Drago", walk(9))
    finally:
        type(database.partner).before_commit = original
    assert ("PUT/points" in [action for action, _ in server.asked[-8:]]) and sorted(points(server)) == list(
        range(2, 20)
    )
    assert os.listdir(served.path.parent) == [served.path.name]


def test_an_erasure_that_the_server_does_not_finish_is_finished_later(served, server, mean_model):
    server.fail = {"POST/points/delete"}
    with pytest.raises(
        GalleryError, match=r"is changed, but the server still holds what was deleted.*opens the gallery"
    ):
        served.erase("Ben")
    server.fail = set()
    assert len(points(server)) == 18
    assert served.identify(walk(1, 8)).nearest != "Ben"  # who is not seen any more
    served.close()
    assert [person.name for person in served.people()] == ["Anna", "Cleo"]
    assert sorted(points(server)) == [*range(2, 8), *range(14, 20)]
    assert os.listdir(served.path.parent) == [served.path.name]


@pytest.fixture
def shared(path, server):
    """A gallery for several processes."""
    with Gallery(path, LightModel()) as gallery:
        gallery.create(server.url)
        for person, name in enumerate(("Anna", "Ben")):
            gallery.enrol(name, walk(person))
        yield gallery


def test_a_kill_after_the_server_got_a_walk_leaves_nothing_of_it(shared, server, path):
    process, _, error = run(
        "die_after(qdrant_collection.QdrantCollection, 'put'); gallery.enrol('Cleo', walk(2))", path
    )
    assert process.returncode == 9, error
    assert len(points(server)) == 6 and path.with_name("people.gallery-changes").exists()
    left = path.with_name("people.gallery-changes").read_bytes()
    # who has the gallery open enrols under the same number
    shared.enrol("Dora", walk(3))
    assert len(points(server)) == 6 and shared.identify(walk(3)).distance == 0
    assert shared.identify(walk(2)).distance > 0
    assert os.listdir(path.parent) == [path.name]
    # who opens it next deletes what is noted, except for what was enrolled under the number since
    collection = shared.server[1]
    nearer = LightModel().embed([LightModel().read(walk(2))]).reshape(1, -1).tolist()
    server.put(collection, {"batch": {"ids": [800], "vectors": nearer, "payloads": [{"walk": 400}]}})
    assert shared.identify(walk(2)).distance > 0  # what the file does not name is not seen
    path.with_name("people.gallery-changes").write_bytes(left + np.array([800], "<i8").tobytes())
    shared.close()
    assert [person.name for person in shared.people()] == ["Anna", "Ben", "Dora"]
    assert sorted(points(server)) == [2, 3, 4, 5, 6, 7]


def test_a_kill_within_an_erasure_is_made_good_by_who_opens_the_gallery_next(shared, server, path):
    process, _, error = run("die_before(qdrant_collection.QdrantCollection, 'remove'); gallery.erase('Ben')", path)
    assert process.returncode == 9, error
    assert len(points(server)) == 4 and path.with_name("people.gallery-changes").exists()
    shared.close()
    assert [person.name for person in shared.people()] == ["Anna"]
    assert sorted(points(server)) == [2, 3]
    assert os.listdir(path.parent) == [path.name]


def test_two_processes_enrol_and_erase_in_one_gallery(shared, server, path):
    code = """
        for number in range(4):
            gallery.enrol(f"one {number}", walk(300 + number))
            gallery.identify(walk(300))
        assert gallery.erase("one 0").proven
    """
    process = run(code, path, wait=False)
    for number in range(4):
        shared.enrol(f"two {number}", walk(400 + number))
        shared.identify(walk(400))
    assert shared.erase("two 0").proven
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    expected = {"Anna", "Ben", *(f"{who} {number}" for who in ("one", "two") for number in (1, 2, 3))}
    assert {person.name for person in shared.people()} == expected
    assert len(points(server)) == 2 * len(expected)
    assert shared.identify(walk(303, 1)).nearest == "one 3"


def test_another_copy_of_the_file_cannot_overwrite_what_this_one_enrolled(served, path, mean_model, server):
    copy = path.with_name("copy.gallery")
    copy.write_bytes(path.read_bytes())
    served.enrol("Drago", walk(9))
    before = points(server)
    with Gallery(copy, mean_model) as other, pytest.raises(GalleryError, match=r"another copy of .* writes to it"):
        other.enrol("Eva", walk(10))
    after = points(server)
    assert before.keys() == after.keys() and all((before[n][0] == after[n][0]).all() for n in before)
    with Gallery(copy, mean_model) as other:
        assert other.identify(walk(9)).distance > 0
    assert not copy.with_name("copy.gallery-changes").exists()


def test_what_the_server_lost_or_changed_is_named(served, server):
    (collection,) = server.client.get_collections().collections
    vector = points(server)[4][0]
    vector[0] += 1
    server.put(collection.name, {"batch": {"ids": [4], "vectors": [vector.tolist()], "payloads": [{"walk": 2}]}})
    with pytest.raises(GalleryError, match="not the enrolled one; restore the server's snapshot"):
        served.identify(walk(0))
    server.delete(collection.name, {"points": [4, 5]})
    with pytest.raises(GalleryError, match="lacks an embedding"):
        served.erase("Anna")
    served.close()
    with pytest.raises(GalleryError, match="lacks 2 of 18 embeddings"):
        served.people()


def test_another_model_is_refused(served, path):
    with pytest.raises(GalleryError, match=r"was made with the model .* not with"):
        Gallery(path, MeanModel(seed=1)).identify(walk(0))


def test_a_collection_of_other_vectors_is_named(served, server):
    (collection,) = server.client.get_collections().collections
    for size, distance in ((8, models.Distance.EUCLID), (704, models.Distance.COSINE)):
        served.close()
        server.client.delete_collection(collection.name)
        server.client.create_collection(collection.name, models.VectorParams(size=size, distance=distance))
        with pytest.raises(
            GalleryError, match=f"is for {size} numbers and {distance.value} distance.*704 and Euclid"
        ):
            served.people()
    server.client.delete_collection(collection.name)
    with pytest.raises(GalleryError, match=r"there is no collection meshgait-\w+ at http"):
        served.people()


def test_a_server_that_is_gone_is_named_on_one_line(path, mean_model):
    with running() as server, Gallery(path, mean_model) as gallery:
        gallery.create(server.url)
        gallery.enrol("Anna", walk(0))
        url = server.url
    with pytest.raises(GalleryError, match=rf"the Qdrant server {url} gives no proper answer") as caught:
        Gallery(path, mean_model).identify(walk(0))
    assert "\n" not in str(caught.value)
    with pytest.raises(GalleryError, match="gives no proper answer"):
        Gallery(path.with_name("new"), mean_model).create(url)
    assert not path.with_name("new").exists()


@pytest.fixture
def left_alone(path, mean_model):
    """The path of a gallery whose server is away: Anna, and Ben, whose consent has ended."""
    with running() as server, Gallery(path, mean_model) as gallery:
        gallery.create(server.url)
        gallery.enrol("Anna", [walk(0), walk(0, 1)], consent="form 7 in the drawer")
        gallery.enrol("Ben", walk(1), consent_until=date(2020, 1, 1))
    return path


def test_people_can_be_seen_and_renamed_while_the_server_is_away(left_alone, mean_model):
    with Gallery(left_alone, mean_model) as gallery:
        assert [(one.name, one.walks) for one in gallery.people()] == [("Anna", 2), ("Ben", 1)]
        assert "gives no proper answer" in gallery.away and "\n" not in gallery.away
        assert len(gallery.walks("Anna")) == 2 and gallery.calibration is None and gallery.server is not None
        assert [line.action for line in gallery.log()] == ["enrol", "enrol"] and gallery.model_hash
        assert gallery.rename("Anna", "Annika").name == "Annika"
        assert gallery.merge("Ben", "Annika").walks == 3


NEED_EMBEDDINGS = {
    "erase": lambda gallery: gallery.erase("Anna"),
    "expire": lambda gallery: gallery.expire(),
    "identify": lambda gallery: gallery.identify(walk(0)),
    "enrol": lambda gallery: gallery.enrol("Cleo", walk(2)),
    "calibrate": lambda gallery: gallery.calibrate({f"s{n}": walk(n) for n in range(100, 140)}, fpir=10),
    "evaluate": lambda gallery: gallery.evaluate(),
    "export": lambda gallery: gallery.export_people(gallery.path.with_name("people.npz")),
    "prepare": lambda gallery: gallery.prepare(),
}


@pytest.mark.parametrize("act", NEED_EMBEDDINGS)
def test_what_needs_embeddings_is_refused_while_the_server_is_away(left_alone, mean_model, act):
    before = left_alone.read_bytes()
    with Gallery(left_alone, mean_model) as gallery:
        for _ in range(2):
            with pytest.raises(
                GalleryError, match=r"server http\S+ gives .* so nothing was done; start it"
            ) as caught:
                NEED_EMBEDDINGS[act](gallery)
            assert "\n" not in str(caught.value)
            assert len(gallery.people()) == 2  # who can be seen before and after
    assert left_alone.read_bytes() == before and os.listdir(left_alone.parent) == [left_alone.name]


def test_a_server_that_comes_back_is_used_again(served, server, monkeypatch):
    served.close()
    monkeypatch.setattr(server, "key", "changed")
    assert len(served.people()) == 3 and "asks for a key" in served.away
    with pytest.raises(GalleryError, match="asks for a key, so nothing was done; set the variable"):
        served.erase("Ben")
    monkeypatch.setattr(server, "key", "")
    assert served.erase("Ben").proven and served.away == ""
    assert sorted(points(server)) == [*range(2, 8), *range(14, 20)]


def test_an_erasure_stays_unfinished_as_long_as_the_server_is_away(served, server, monkeypatch):
    """What is noted is deleted once the server is back, whatever was done with the file meanwhile."""
    server.fail = {"POST/points/delete"}
    with pytest.raises(GalleryError, match="still holds what was deleted"):
        served.erase("Ben")
    served.close()
    server.fail = {"POST/points/delete", "POST/points/count", "GET"}
    assert served.rename("Anna", "Annika").name == "Annika" and served.away
    assert (served.path.parent / "people.gallery-changes").exists()
    server.fail = set()
    served.close()
    assert [one.name for one in served.people()] == ["Annika", "Cleo"]
    assert sorted(points(server)) == [*range(2, 8), *range(14, 20)]
    assert os.listdir(served.path.parent) == [served.path.name]


def test_people_can_be_seen_without_the_client(left_alone, monkeypatch):
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with Gallery(left_alone) as gallery:
        assert len(gallery.people()) == 2 and "meshgait[qdrant]" in gallery.away
        with pytest.raises(ConfigError, match=r"is not installed, so nothing was done; `pip install"):
            gallery.erase("Anna")


def test_a_gallery_that_is_there_is_not_made_into_another(gallery, server):
    before = gallery.path.read_bytes()
    with pytest.raises(GalleryError, match="is there already"):
        gallery.create(server.url)
    assert gallery.path.read_bytes() == before and gallery.server is None


def test_the_key_comes_from_the_environment_and_is_written_nowhere(path, mean_model, server, monkeypatch):
    server.key = "a-key-of-32-characters-or-so"
    monkeypatch.delenv("QDRANT_API_KEY", raising=False)
    with pytest.raises(GalleryError, match="asks for a key; set the variable QDRANT_API_KEY"):
        Gallery(path, mean_model).create(server.url)
    monkeypatch.setenv("QDRANT_API_KEY", "another")
    with pytest.raises(GalleryError, match="refuses the key in QDRANT_API_KEY") as caught:
        Gallery(path, mean_model).create(server.url)
    assert "another" not in str(caught.value)
    monkeypatch.setenv("QDRANT_API_KEY", server.key)
    with Gallery(path, mean_model) as gallery:
        gallery.create(server.url)
        gallery.enrol("Anna", walk(0))
        assert gallery.identify(walk(0)).nearest == "Anna"
        assert server.key.encode() not in path.read_bytes()


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"result": null, "status": "ok", "time": 0}', b""])
def test_a_server_that_is_not_qdrant_is_named_on_one_line(path, mean_model, server, body, monkeypatch):
    monkeypatch.setattr("tests.gallery.qdrant_stand_in.json.dumps", lambda content: body.decode())
    with pytest.raises(GalleryError, match="gives no proper answer") as caught:
        Gallery(path, mean_model).create(server.url)
    assert "\n" not in str(caught.value) and not path.exists()


@pytest.mark.parametrize("name", ["..", "", "somebody's"])
def test_a_file_cannot_name_the_collection_of_another_program(served, server, name):
    with served._open().database.writing():
        served._open().database.set_fact("collection", name)
    served.close()
    before = len(server.asked)
    with pytest.raises(GalleryError, match="is no collection of a gallery"):
        served.people()
    assert len(server.asked) == before


@pytest.mark.parametrize(
    "url",
    ["", "localhost:6333", "ftp://host", "https://", "http://host:99999999", "http://[", "https://h?key=1", "h\n"],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ConfigError, match="is no address of a server"):
        checked_address(url)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(ConfigError, match="must not hold a name or a password") as caught:
        checked_address("https://anna:secret@host:6333")
    assert "secret" not in str(caught.value)
