"""Both stores: against brute force by loops, and against the distances that evaluation uses."""

import math

import numpy as np
import pytest
import torch

from meshgait.errors import GalleryError
from meshgait.evaluation.distances import pairwise
from meshgait.gallery.database import Database
from meshgait.gallery.vectors import SqliteVectors, strip_distances, vector_id, walk_of

pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")


def brute_force(vector, others):
    """By loops in double precision."""
    return [
        sum(math.dist(map(float, a), map(float, b)) for a, b in zip(vector, other, strict=True)) / len(vector)
        for other in others
    ]


@pytest.fixture(params=["sqlite", "qdrant"])
def kind(request, monkeypatch):
    """Makes a store of a database; those on a server share one, and compare all its vectors."""
    if request.param == "sqlite":
        return SqliteVectors
    client = pytest.importorskip("qdrant_client", reason="needs meshgait[qdrant]").QdrantClient(":memory:")
    from meshgait.gallery import qdrant_vectors
    from meshgait.gallery.qdrant_collection import QdrantCollection

    monkeypatch.setattr(qdrant_vectors, "CANDIDATES", 10_000)
    return lambda database: qdrant_vectors.QdrantVectors(database, QdrantCollection(client, "memory", "some"))


@pytest.fixture
def store(tmp_path, kind):
    database = Database(tmp_path / "g", create=True)
    yield kind(database), database
    database.close()


@pytest.fixture
def sqlite_store(tmp_path):
    database = Database(tmp_path / "g", create=True)
    yield SqliteVectors(database), database
    database.close()


def fill(store, database, ids, vectors):
    with database.writing():
        store.add(ids, vectors)
        database.changed()


@pytest.mark.parametrize("seed", range(8))
def test_distances_are_those_of_loops_and_of_evaluation(seed):
    rng = np.random.default_rng(seed)
    count, strips, channels = rng.integers(1, (700, 6, 9))
    others = rng.normal(size=(count, strips, channels)).astype(np.float32) * 10 ** rng.uniform(-3, 3)
    vector = others[rng.integers(count)] + rng.normal(size=(strips, channels)).astype(np.float32) * 1e-3
    found = strip_distances(vector, others)
    np.testing.assert_allclose(found, brute_force(vector, others), rtol=1e-4, atol=1e-6)
    other_way = pairwise(torch.from_numpy(vector[None]), torch.from_numpy(others))[0]
    np.testing.assert_allclose(found, other_way, rtol=1e-2, atol=1e-2 * np.abs(others).max())


def test_equal_vectors_have_no_distance():
    vectors = np.random.default_rng(0).normal(size=(5, 3, 64)).astype(np.float32) * 1000
    assert [strip_distances(vector, vectors)[row] for row, vector in enumerate(vectors)] == [0] * 5


@pytest.mark.parametrize("seed", range(12))
def test_search_is_exact_whatever_was_added_and_deleted(store, seed):
    store, database = store
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 5, 2))
    kept = {}
    for _ in range(6):
        ids = [int(number) for number in rng.permutation(1000)[: rng.integers(1, 40)] if int(number) not in kept]
        # few different numbers, so that many distances are equal
        vectors = rng.integers(0, 3, (len(ids), *shape)).astype(np.float32)
        fill(store, database, ids, vectors)
        kept |= dict(zip(ids, vectors, strict=True))
        gone = [number for number in kept if rng.random() < 0.2]
        with database.writing():
            store.delete([*gone, 5000])
            database.changed()
        kept = {number: vector for number, vector in kept.items() if number not in gone}
        without = {number for number in kept if rng.random() < 0.3}
        k, probe = int(rng.integers(1, 60)), rng.integers(0, 3, shape).astype(np.float32)
        counted = [number for number in kept if number not in without]
        distances = brute_force(probe, [kept[number] for number in counted])
        distances = dict(zip(counted, distances, strict=True))
        found = store.search(probe, k, without)
        np.testing.assert_allclose([hit.distance for hit in found], sorted(distances.values())[:k], rtol=1e-6)
        np.testing.assert_allclose(
            [distances[hit.id] for hit in found], [hit.distance for hit in found], rtol=1e-6
        )
        assert found == sorted(found, key=lambda hit: (hit.distance, hit.id))
        assert len({hit.id for hit in found}) == len(found) == min(k, len(counted))
        assert store.count() == len(kept)
        assert [number for number, _ in store.iterate()] == sorted(kept)
        np.testing.assert_array_equal(
            store.read(sorted(kept)), np.array([kept[number] for number in sorted(kept)])
        )


def test_what_another_connection_changes_is_seen(store, kind, tmp_path):
    store, database = store
    vectors = np.eye(3, dtype=np.float32)[:, None]
    fill(store, database, [1, 2], vectors[:2])
    assert [hit.id for hit in store.search(vectors[2], 5)] == [1, 2]
    other = Database(tmp_path / "g")
    fill(kind(other), other, [3], vectors[2:])
    assert [hit.id for hit in store.search(vectors[2], 1)] == [3]
    with other.writing():
        kind(other).delete([3])
        other.changed()
    assert [hit.id for hit in store.search(vectors[2], 5)] == [1, 2]
    other.close()


def test_vectors_of_another_shape_or_not_finite_are_refused(store):
    store, database = store
    fill(store, database, [1], np.zeros((1, 2, 3), np.float32))
    for wrong, what in (
        (np.zeros((1, 3, 2)), "2 strips of 3 numbers, not of 3 of 2"),
        (np.full((1, 2, 3), np.nan), "finite"),
    ):
        with pytest.raises(GalleryError, match=what), database.writing():
            store.add([2], wrong.astype(np.float32))
    assert store.count() == 1


@pytest.mark.parametrize("blob", [b"", b"\0" * 23, b"\0" * 28, np.full(6, np.inf, "<f4").tobytes(), "text"])
def test_damaged_vectors_are_named(sqlite_store, blob):
    store, database = sqlite_store
    fill(store, database, [1], np.zeros((1, 2, 3), np.float32))
    with database.writing():
        database.change("UPDATE vectors SET embedding = ?", (blob,))
        database.changed()
    for use in (
        lambda: store.search(np.zeros((2, 3), np.float32), 1),
        lambda: store.read([1]),
        lambda: list(store.iterate()),
    ):
        with pytest.raises(GalleryError, match="embedding"):
            use()


def test_a_missing_vector_is_named(store):
    store, database = store
    fill(store, database, [1], np.zeros((1, 2, 3), np.float32))
    with pytest.raises(GalleryError, match="lacks an embedding"):
        store.read([1, 7])


def test_numbers_of_vectors_tell_walk_and_mirror_image():
    numbers = [vector_id(walk, mirrored) for walk in range(1, 50) for mirrored in (False, True)]
    assert len(set(numbers)) == 98
    assert [walk_of(number) for number in numbers] == [(w, m) for w in range(1, 50) for m in (False, True)]
