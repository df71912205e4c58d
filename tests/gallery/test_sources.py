"""Walkers of folders, files and packed stores."""

import numpy as np
import pytest
from PIL import Image

from meshgait.errors import DataError
from meshgait.gallery.embedding import Embedder
from meshgait.gallery.sources import Pass, Walker, counted, one_walker, passes_of, sequences_of
from tests.gallery.walkers import walk


def test_a_file_is_one_walker_with_one_pass(tmp_path):
    np.save(tmp_path / "anna.npy", walk(0))
    (found,) = sequences_of(tmp_path / "anna.npy")
    assert found.label == "anna.npy" and [one.walk for one in found.passes] == [tmp_path / "anna.npy"]


def test_a_store_has_its_subjects(tiny_store, store):
    found = sequences_of(tiny_store)
    subjects = list(dict.fromkeys(sequence.subject for sequence in store.sequences))
    assert [walker.label for walker in found] == subjects
    assert {len(walker.passes) for walker in found} == {10}
    assert {one.view for walker in found for one in walker.passes} == {"000", "072"}
    np.testing.assert_array_equal(found[0].passes[0].walk().frames, store.silhouettes(0))


def test_parts_of_a_store_are_named_like_paths(tiny_store, store):
    subject = store.sequences[0].subject
    (found,) = sequences_of(f"{tiny_store}/{subject}/nm-*/072")
    assert found.label == subject and [one.view for one in found.passes] == ["072"] * 3
    assert len(sequences_of(tiny_store / "*" / "cl-01")) == 8
    with pytest.raises(DataError, match="holds no sequence nobody/nm-01"):
        sequences_of(tiny_store / "nobody" / "nm-01")


def test_walks_of_a_store_of_the_models_size_are_taken_as_they_are(tiny_store, mean_model):
    (first, *_) = sequences_of(tiny_store)
    frames = first.passes[0].walk().frames
    np.testing.assert_array_equal(
        Embedder(mean_model).embed_plain(first.passes[0].walk), mean_model._embed(frames)
    )


def test_one_walker_is_asked_for_where_there_are_several(tiny_store):
    found = sequences_of(tiny_store)
    with pytest.raises(
        DataError, match=r"shows 8 walkers: 1: .* \(10 passes\), 2: .*; choose one with --walker N"
    ):
        one_walker(found, tiny_store)
    assert one_walker(found, tiny_store, 2) is found[1]
    assert one_walker(found[:1], tiny_store) is found[0]
    for number in (0, 9, -1):
        with pytest.raises(DataError, match="choose one with --walker N"):
            one_walker(found, tiny_store, number)


def test_words_for_numbers():
    assert [counted(n, "walk") for n in (0, 1, 1200)] == ["0 walks", "1 walk", "1,200 walks"]
    assert counted(2, "pass", "passes") == "2 passes"


def test_passes_take_what_they_do_not_say_from_the_caller():
    first, second = passes_of([walk(0), passes_of(walk(1), "left")[0]], "right", "front")
    assert (first.direction, first.view) == ("right", "front")
    assert (second.direction, second.view) == ("left", "front")


def test_passes_of_one_person_may_be_several_walkers():
    frames = np.zeros((30, 64, 44), np.uint8)
    walkers = [Walker(f"walker {way}", (Pass(frames, way),)) for way in ("left", "right")]
    assert one_walker(walkers, "v.mp4", 2) is walkers[1]
    together = one_walker(walkers, "v.mp4", "all")
    assert [one.direction for one in together.passes] == ["left", "right"]
    with pytest.raises(DataError, match="--walker all"):
        one_walker(walkers, "v.mp4")


def test_a_folder_of_silhouettes_holds_its_walkers(tmp_path):
    out = tmp_path / "out"
    for name, first in (
        ("walker-001/pass-01/left", 7),
        ("walker-001/pass-02/away", 40),
        ("walker-002/pass-01/right", 90),
    ):
        (out / name).mkdir(parents=True)
        for number, frame in enumerate(walk(0, frames=5), first):
            Image.fromarray(frame).save(out / name / f"{number:06d}.png")
        Image.fromarray(walk(0)[0]).save(out / f"{name}.png")  # the strip to look at
    (out / "report.json").write_text("{}")
    first, second = sequences_of(out)
    assert (first.label, second.label) == ("walker 1, frames 7 to 44", "walker 2, frames 90 to 94")
    assert [one.direction for one in first.passes] == ["left", ""]
    (again,) = sequences_of(out / "walker-001")
    assert again == first
    (single,) = sequences_of(out / "walker-002" / "pass-01" / "right")
    assert single == second
    with pytest.raises(DataError, match="holds no walk walker-003"):
        sequences_of(out / "walker-003")
