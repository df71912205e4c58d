"""To OpenGait's layout and back, both ways round."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from meshgait.data import export
from meshgait.data.export import export_opengait
from meshgait.data.layouts import LAYOUTS
from meshgait.data.opengait import as_written
from meshgait.data.packing import PackOptions, pack_tree
from meshgait.data.store import Store, StoreWriter
from meshgait.errors import DataError, StoreError
from meshgait.pickles import load_pickle
from tests.data.trees import content, dump, rows, silhouettes


def _aligned():
    return as_written


def _store(path, smpl=True, names=(("001", "nm-01", "000"), ("001", "nm-02", "000"), ("002", "bg-01", "090"))):
    with StoreWriter(path, bits=8, smpl=smpl) as writer:
        for seed, name in enumerate(names):
            frames, fits = silhouettes(2 + seed, (64, 44), seed), rows(2 + seed, seed)
            valid = np.arange(2 + seed) % 2 == 0 if seed != 1 else np.zeros(2 + seed, bool)
            fits[~valid] = 0
            truth = {"cameras": fits[:, :3], "poses": fits[:, 3:75], "betas": fits[:, 75:], "valid": valid}
            writer.add(*name, frames, **(truth if smpl else {}))
        writer.finish(partition={"TRAIN_SET": ["001"], "TEST_SET": ["002"]})
    return Store(path)


def test_files_are_those_of_opengait(tmp_path):
    store = _store(tmp_path / "s")
    assert export_opengait(store.path, tmp_path / "o", progress=False) == 3
    assert sorted(content(tmp_path / "o")) == [
        "001/nm-01/000/sils-000.pkl",
        "001/nm-01/000/smpls-000.pkl",
        "001/nm-02/000/000.pkl",  # it has no valid truth
        "002/bg-01/090/sils-090.pkl",
        "002/bg-01/090/smpls-090.pkl",
        "partition.json",
    ]
    for index, name in ((0, "001/nm-01/000/sils-000.pkl"), (1, "001/nm-02/000/000.pkl")):
        array = pickle.loads((tmp_path / "o" / name).read_bytes())  # as OpenGait reads them
        assert (array.dtype, array.shape) == (np.uint8, (2 + index, 64, 64))
        np.testing.assert_array_equal(array[:, :, 10:54], store.silhouettes(index))
        assert not array[:, :, :10].any() and not array[:, :, 54:].any()
    truth = load_pickle(tmp_path / "o/002/bg-01/090/smpls-090.pkl")
    assert truth.shape == (4, 85)
    np.testing.assert_array_equal(truth[:, 3:75], store.smpl(2)["poses"])


@pytest.mark.parametrize("smpl", [False, True])
def test_store_to_pickles_to_store(tmp_path, smpl):
    store = _store(tmp_path / "s", smpl)
    export_opengait(store.path, tmp_path / "o", progress=False)
    options = PackOptions(aligner=_aligned if smpl else None, partition=tmp_path / "o" / "partition.json")
    again = pack_tree(tmp_path / "o", tmp_path / "t", LAYOUTS["opengait"], options, progress=False)
    before, after = content(store.path), content(again.path)
    assert {name for name in before if before[name] != after[name]} == {"meta.json"}
    assert again.meta["sha256"] == store.meta["sha256"]


def test_pickles_to_store_to_pickles(tmp_path):
    for seed, name in enumerate(("0000/camid0_videoid2/seq0", "0001/camid1_videoid0/seq3")):
        frames = np.pad(silhouettes(3, (64, 44), seed), ((0, 0), (0, 0), (10, 10)))
        view = name.rsplit("/", 1)[1]
        dump(tmp_path / "o" / name / f"sils-{view}.pkl", frames)
        dump(tmp_path / "o" / name / f"smpls-{view}.pkl", rows(3, seed))
    options = PackOptions(aligner=_aligned)
    store = pack_tree(tmp_path / "o", tmp_path / "s", LAYOUTS["opengait"], options, progress=False)
    export_opengait(store.path, tmp_path / "p", progress=False)
    assert sorted(content(tmp_path / "p")) == sorted(content(tmp_path / "o"))
    for name in content(tmp_path / "o"):
        np.testing.assert_array_equal(load_pickle(tmp_path / "p" / name), load_pickle(tmp_path / "o" / name))


def test_a_stopped_export_is_taken_up(tmp_path, monkeypatch):
    store = _store(tmp_path / "s")
    export_opengait(store.path, tmp_path / "whole", progress=False)
    read = Store.silhouettes

    def stops(self, index, frames=None):
        if index == 2:
            raise KeyboardInterrupt
        return read(self, index, frames)

    monkeypatch.setattr(Store, "silhouettes", stops)
    with pytest.raises(KeyboardInterrupt):
        export_opengait(store.path, tmp_path / "o", progress=False)
    monkeypatch.undo()
    assert not (tmp_path / "o").exists()
    with pytest.raises(StoreError, match="another store"):
        export_opengait(_store(tmp_path / "t", smpl=False).path, tmp_path / "o", progress=False)
    export_opengait(store.path, tmp_path / "o", progress=False)
    assert content(tmp_path / "o") == content(tmp_path / "whole")


def test_what_cannot_be_exported(tmp_path):
    with pytest.raises(StoreError, match="no packed store"):
        export_opengait(tmp_path / "none", tmp_path / "o")
    store = _store(tmp_path / "s")
    (tmp_path / "o").mkdir()
    with pytest.raises(StoreError, match="already exists"):
        export_opengait(store.path, tmp_path / "o")
    for number, name in enumerate(("../up", "", "a/b", "..")):
        bad = _store(tmp_path / f"bad{number}", names=((name, "nm-01", "000"),))
        with pytest.raises(DataError, match="which no folder can be"):
            export_opengait(bad.path, tmp_path / "x")
    twice = _store(tmp_path / "twice", names=(("a", "b", "c"), ("a", "b", "c")))
    with pytest.raises(DataError, match="two sequences a/b/c"):
        export_opengait(twice.path, tmp_path / "x")
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize("name", ["../x", "/etc", "..", ".", "", "a/b", "a\\b", "a\0b", "x" * 250, "人" * 84])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_nothing_is_written_outside(tmp_path, monkeypatch, name, place):
    """Nor where another program than ours wrote the store, which refuses some of these names."""
    monkeypatch.setattr("meshgait.data.store.check_names", lambda *names: None)
    names = ["001", "nm-01", "000"]
    names[place] = name
    store = _store(tmp_path / "in" / "s", False, [tuple(names)])
    with pytest.raises(DataError, match="which no folder can be"):
        export_opengait(store.path, tmp_path / "in" / "o", progress=False)
    assert sorted(content(tmp_path)) == [f"in/{name}" for name in sorted(content(tmp_path / "in"))]
    assert not list((tmp_path / "in").glob("o*"))


@pytest.mark.parametrize(
    "name", ["lock", "store.json", "store.json.tmp", "tree", "con", "a.", "-rf", "~", "~root", "a b"]
)
def test_odd_names_are_kept(tmp_path, name):
    store = _store(tmp_path / "s", False, [(name, name, name), ("b", name, "000")])
    export_opengait(store.path, tmp_path / "o", progress=False)
    assert (tmp_path / "o" / name / name / name / f"{name}.pkl").is_file()
    assert not (tmp_path / "o.partial").exists()
    assert len(content(tmp_path / "o")) == 3


def test_a_subject_called_like_the_list_is_refused(tmp_path):
    store = _store(tmp_path / "s", False, [("partition.json", "a", "b")])
    with pytest.raises(DataError, match="list of subjects"):
        export_opengait(store.path, tmp_path / "o", progress=False)


def test_names_that_the_file_system_takes_for_the_same_are_refused(tmp_path, monkeypatch):
    """As on a disk that does not tell A from a: without a look at the end, the second walk would be lost."""
    store = _store(tmp_path / "s", False, [("A", "nm", "0"), ("a", "nm", "0")])
    export_opengait(store.path, tmp_path / "o", progress=False)
    assert sorted(content(tmp_path / "o")) == ["A/nm/0/0.pkl", "a/nm/0/0.pkl", "partition.json"]
    write = export._write
    monkeypatch.setattr(
        export, "_write", lambda folder, *rest: write(Path(str(folder).replace("/A/", "/a/")), *rest)
    )
    with pytest.raises(DataError, match="1 folders for 2 sequences"):
        export_opengait(store.path, tmp_path / "p", progress=False)
    assert not (tmp_path / "p").exists()
