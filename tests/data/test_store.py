import json
import pickle

import numpy as np
import pytest

from meshgait.data.store import Store, StoreWriter
from meshgait.errors import OutputError, StoreError


def walk(frames=3, size=(8, 5), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (frames, *size), dtype=np.uint8)


def truth(frames, seed=0):
    rng = np.random.default_rng(seed)
    arrays = {
        name: rng.normal(size=(frames, width)) for name, width in (("poses", 72), ("betas", 10), ("cameras", 3))
    }
    return arrays | {"valid": rng.random(frames) > 0.3}


def write(dest, lengths=(3, 1, 5), **options):
    options = {"size": (8, 5), **options}
    writer = StoreWriter(dest, **options)
    for number, frames in enumerate(lengths):
        if number < writer.done:
            continue
        extra = truth(frames, number) if options.get("smpl") else {}
        writer.add(f"s{number}", "nm-01", "000", walk(frames, seed=number), **extra)
    return writer


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_bits_keep_the_figure_at_a_width_that_is_no_multiple_of_eight(tmp_path):
    write(tmp_path / "s").finish()
    store = Store(tmp_path / "s")
    assert [s.frames for s in store.sequences] == [3, 1, 5]
    assert [s.start for s in store.sequences] == [0, 3, 4]
    for number, frames in enumerate((3, 1, 5)):
        expected = np.where(walk(frames, seed=number) > 127, 255, 0)
        assert store.silhouettes(number).dtype == np.uint8
        np.testing.assert_array_equal(store.silhouettes(number), expected)
    assert (tmp_path / "s" / "silhouettes.npy").stat().st_size == 128 + 9 * 8 * 1


def test_eight_bits_keep_grey_edges(tmp_path):
    write(tmp_path / "s", bits=8).finish()
    np.testing.assert_array_equal(Store(tmp_path / "s").silhouettes(2), walk(5, seed=2))


def test_frames_are_read_in_the_order_asked_for(tmp_path):
    write(tmp_path / "s", bits=8).finish()
    np.testing.assert_array_equal(
        Store(tmp_path / "s").silhouettes(2, np.array([4, 0, 0])), walk(5, seed=2)[[4, 0, 0]]
    )


def test_smpl_truth_comes_back(tmp_path):
    write(tmp_path / "s", smpl=True).finish()
    store = Store(tmp_path / "s")
    assert store.has_smpl
    for number, frames in enumerate((3, 1, 5)):
        for name, array in truth(frames, number).items():
            np.testing.assert_array_equal(store.smpl(number)[name], array.astype(store.smpl(number)[name].dtype))
    np.testing.assert_array_equal(
        store.smpl(2, np.array([3]))["cameras"], truth(5, 2)["cameras"][[3]].astype(np.float32)
    )


def test_valid_is_true_where_nothing_else_is_said(tmp_path):
    writer = StoreWriter(tmp_path / "s", size=(8, 5), smpl=True)
    arrays = truth(3)
    arrays.pop("valid")
    writer.add("a", "nm-01", "000", walk(3), **arrays)
    writer.finish()
    assert Store(tmp_path / "s").smpl(0)["valid"].tolist() == [True] * 3


def test_files_are_plain_numpy_and_csv(tmp_path):
    """Nobody needs our code to read a store."""
    write(tmp_path / "s", smpl=True).finish(partition={"TRAIN_SET": ["s0"], "TEST_SET": ["s1", "s2"]})
    arrays = {path.stem: np.load(path, allow_pickle=False) for path in (tmp_path / "s").glob("*.npy")}
    assert arrays["silhouettes"].shape == (9, 8, 1)
    assert arrays["poses"].shape == (9, 72) and arrays["poses"].dtype == np.float32
    assert arrays["valid"].dtype == bool
    assert (tmp_path / "s" / "sequences.csv").read_text().splitlines() == [
        "subject,condition,view,start,frames",
        "s0,nm-01,000,0,3",
        "s1,nm-01,000,3,1",
        "s2,nm-01,000,4,5",
    ]
    assert json.loads((tmp_path / "s" / "partition.json").read_text())["TEST_SET"] == ["s1", "s2"]
    assert not (tmp_path / "s.partial").exists()


def test_names_with_commas_and_quotes_survive(tmp_path):
    writer = StoreWriter(tmp_path / "s", size=(8, 5))
    writer.add('Anna, "A"', "nm-01", "0°", walk())
    writer.finish()
    sequence = Store(tmp_path / "s").sequences[0]
    assert (sequence.subject, sequence.view) == ('Anna, "A"', "0°")


@pytest.mark.parametrize("smpl", [False, True])
def test_a_killed_run_is_taken_up_and_gives_the_same_bytes(tmp_path, smpl):
    settings = {"smpl": smpl, "source": {"views": (0, 72)}}
    write(tmp_path / "whole", **settings).finish()
    killed = write(tmp_path / "cut", lengths=(3, 1), **settings)
    del killed  # no finish: what was flushed lies in cut.partial
    partial = tmp_path / "cut.partial"
    with (partial / "silhouettes.npy").open("ab") as file:
        file.write(b"\xff" * 13)  # half a sequence
    with (partial / "sequences.csv").open("a") as file:
        file.write("s2,nm-0")  # half a line
    writer = write(tmp_path / "cut", **settings)
    assert not (tmp_path / "cut").exists()
    writer.finish()
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


def test_a_row_whose_frames_were_not_written_does_not_count(tmp_path):
    write(tmp_path / "s", lengths=(3, 1))
    with (tmp_path / "s.partial" / "sequences.csv").open("a") as file:
        file.write("s2,nm-01,000,4,5\n")
    assert StoreWriter(tmp_path / "s", size=(8, 5)).done == 2


def test_a_partial_store_of_other_settings_is_refused(tmp_path):
    write(tmp_path / "s", source={"seed": 0})
    with pytest.raises(StoreError, match="other settings"):
        StoreWriter(tmp_path / "s", size=(8, 5), source={"seed": 1})


def test_an_existing_store_is_not_overwritten(tmp_path):
    write(tmp_path / "s").finish()
    before = content(tmp_path / "s")
    with pytest.raises(StoreError, match="already exists"):
        StoreWriter(tmp_path / "s", size=(8, 5))
    assert content(tmp_path / "s") == before


@pytest.mark.parametrize(
    ("silhouettes", "what"),
    [
        (walk(size=(8, 6)), "silhouettes are"),
        (walk().astype(float), "silhouettes are"),
        (walk(frames=0), "no frames"),
    ],
)
def test_silhouettes_that_do_not_fit_are_refused_by_name(tmp_path, silhouettes, what):
    writer = StoreWriter(tmp_path / "s", size=(8, 5))
    with pytest.raises(StoreError, match=f"who/nm-01/000: {what}"):
        writer.add("who", "nm-01", "000", silhouettes)
    assert writer.done == 0


def test_missing_or_misshapen_truth_is_refused(tmp_path):
    writer = StoreWriter(tmp_path / "s", size=(8, 5), smpl=True)
    with pytest.raises(StoreError, match="needs poses"):
        writer.add("a", "nm-01", "000", walk())
    with pytest.raises(StoreError, match="poses is"):
        writer.add("a", "nm-01", "000", walk(3), **truth(4))


def test_a_refused_sequence_leaves_no_trace(tmp_path):
    """The silhouettes of a sequence whose poses are refused must not shift those that follow."""
    writer = StoreWriter(tmp_path / "s", size=(8, 5), bits=8, smpl=True)
    with pytest.raises(StoreError):
        writer.add("bad", "nm-01", "000", walk(3), **{**truth(3), "cameras": np.zeros((2, 3))})
    writer.add("good", "nm-01", "000", walk(2, seed=7), **truth(2, 7))
    writer.finish()
    store = Store(tmp_path / "s")
    np.testing.assert_array_equal(store.silhouettes(0), walk(2, seed=7))
    np.testing.assert_array_equal(store.smpl(0)["poses"], truth(2, 7)["poses"].astype(np.float32))


def test_a_store_without_sequences_is_not_written(tmp_path):
    with pytest.raises(StoreError, match="no sequence"):
        StoreWriter(tmp_path / "s").finish()
    assert not (tmp_path / "s").exists()


def test_discard_removes_what_was_begun(tmp_path):
    write(tmp_path / "s").discard()
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        StoreWriter(tmp_path / "file" / "s")


def test_a_missing_store_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match=r"meta\.json is missing.*meshgait walkers"):
        Store(tmp_path / "nowhere")
    write(tmp_path / "s")
    with pytest.raises(StoreError, match="unfinished"):
        Store(tmp_path / "s")


def _shorten(folder):
    path = folder / "silhouettes.npy"
    path.write_bytes(path.read_bytes()[:-3])


def _empty_meta(folder):
    (folder / "meta.json").write_text("{}")


def _broken_meta(folder):
    (folder / "meta.json").write_text('{"version": 1,')


def _list_meta(folder):
    (folder / "meta.json").write_text("[]")


def _no_table(folder):
    (folder / "sequences.csv").unlink()


def _bad_row(folder):
    (folder / "sequences.csv").write_text("subject,condition,view,start,frames\na,nm-01,000,zero,9\n")


def _missing_rows(folder):
    (folder / "sequences.csv").write_text("subject,condition,view,start,frames\na,nm-01,000,0,3\n")


def _fewer_frames(folder):
    np.save(folder / "poses.npy", np.zeros((8, 72), np.float32))


def _no_cameras(folder):
    (folder / "cameras.npy").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        _shorten,
        _empty_meta,
        _broken_meta,
        _list_meta,
        _no_table,
        _bad_row,
        _missing_rows,
        _fewer_frames,
        _no_cameras,
    ],
)
def test_damage_is_found_when_the_store_is_opened(tmp_path, damage):
    write(tmp_path / "s", smpl=True).finish()
    damage(tmp_path / "s")
    with pytest.raises(StoreError, match="damaged"):
        Store(tmp_path / "s")


def test_pickled_objects_are_never_read(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "boom"), "w"))

    write(tmp_path / "s").finish()
    np.save(tmp_path / "s" / "silhouettes.npy", np.array([Bomb()] * 9, dtype=object), allow_pickle=True)
    with pytest.raises(StoreError, match="damaged"):
        Store(tmp_path / "s")
    assert not (tmp_path / "boom").exists()


def test_a_newer_version_is_refused(tmp_path):
    write(tmp_path / "s").finish()
    meta = tmp_path / "s" / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"version": 99}))
    with pytest.raises(StoreError, match="version 99"):
        Store(tmp_path / "s")


def test_no_truth_is_said_so(tmp_path):
    write(tmp_path / "s").finish()
    with pytest.raises(StoreError, match="no SMPL"):
        Store(tmp_path / "s").smpl(0)


def test_the_hash_stands_for_the_content_alone(tmp_path):
    write(tmp_path / "a").finish()
    write(tmp_path / "b").finish()
    write(tmp_path / "c", lengths=(3, 1, 4)).finish()
    hashes = [Store(tmp_path / name).hash for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]


def test_extra_goes_to_the_meta(tmp_path):
    write(tmp_path / "s").finish(extra={"subjects": {"s0": {"body": 1}}})
    assert Store(tmp_path / "s").meta["subjects"] == {"s0": {"body": 1}}


def test_workers_receive_the_path_and_not_the_arrays(tiny_store):
    store = Store(tiny_store)
    sent = pickle.dumps(store)
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent).silhouettes(5), store.silhouettes(5))
