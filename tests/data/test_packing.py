"""Packing whole trees: what is in the store, any number of workers, stopped runs, what is left out and refused."""

import csv
import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from meshgait.data import packing
from meshgait.data.layouts import LAYOUTS
from meshgait.data.opengait import as_written
from meshgait.data.packing import PackOptions, pack_tree
from meshgait.data.silhouettes import normalise
from meshgait.data.store import StoreWriter
from meshgait.errors import ConfigError, DataError, StoreError, UnsafeFileError
from tests.data.test_opengait import Evil
from tests.data.trees import content, dump, figure, frames, rows, silhouettes


def _pack(source, dest, layout="frames", workers=1, **options):
    return pack_tree(source, dest, LAYOUTS[layout], PackOptions(**options), workers, progress=False)


@pytest.fixture
def pictures(tmp_path):
    """Six sequences of frames; the fourth is black, the second has a bad frame."""
    root = tmp_path / "pictures"
    for number, name in enumerate(
        ("001/nm-01/000", "001/nm-01/090", "001/bg-01/000", "002/a/b", "002/c/d", "003/x/y")
    ):
        frames(root / name, 2 + number)
    (root / "001/nm-01/090/002.png").write_bytes(b"?")
    for file in (root / "002/a/b").iterdir():
        cv2.imwrite(str(file), np.zeros((9, 9), np.uint8))
    return root


@pytest.fixture
def pickles(tmp_path):
    """Four sequences of pickles, the second without SMPL rows."""
    root = tmp_path / "pickles"
    for number, name in enumerate(
        ("0000/camid0_videoid2/seq0", "0000/camid1_videoid1/seq0", "0001/a/s", "0002/a/s")
    ):
        dump(root / name / "sils.pkl", silhouettes(2 + number, seed=number))
        if number != 1:
            dump(root / name / "smpls.pkl", rows(2 + number, number))
    return root


def _dropped(store):
    with (store.path / "dropped.csv").open(newline="") as file:
        return [tuple(row.values()) for row in csv.DictReader(file)]


def test_frames_into_a_store(pictures, tmp_path):
    before = content(pictures)
    store = _pack(pictures, tmp_path / "s", "casia-b")
    assert [row[:3] for row in store.sequences] == [
        ("001", "bg-01", "000"),
        ("001", "nm-01", "000"),
        ("001", "nm-01", "090"),
        ("002", "c", "d"),
        ("003", "x", "y"),
    ]
    assert [row.frames for row in store.sequences] == [4, 2, 2, 6, 7]
    assert (store.bits, store.size, store.has_smpl, store.meta["protocol"]) == (8, (64, 44), False, "casia-b")
    expected = [normalise(figure(step, shift=5 * step))[0] for step in (0, 2)]  # without the bad one
    np.testing.assert_array_equal(store.silhouettes(2), expected)
    assert store.meta["packing"] == {
        "found": 6,
        "kept": 5,
        "dropped": {"sequences": {"no frame is left": 1}, "frames": {"no figure": 5, "unreadable picture": 1}},
        "strays": 0,
        "figures": {"white on black, cropped": {"sequences": 5, "first": "001/bg-01/000"}},
    }
    assert _dropped(store)[0] == ("2", "001/nm-01/090", "002.png", "unreadable picture", "")
    assert _dropped(store)[-1][:4] == ("3", "002/a/b", "", "no frame is left")
    assert content(pictures) == before


def test_pickles_into_a_store(pickles, tmp_path):
    store = _pack(pickles, tmp_path / "s", "opengait", bits=1)
    assert store.sequences[0][:3] == ("0000", "camid0_videoid2", "seq0")
    for index in range(4):
        cut = silhouettes(2 + index, seed=index)[:, :, 10:54]
        np.testing.assert_array_equal(store.silhouettes(index), np.where(cut > 127, 255, 0))
    assert not store.has_smpl
    assert store.meta["packing"]["fits"] == "left out"
    assert not (tmp_path / "s" / "dropped.csv").exists()


class _Double:
    """Stands in for the aligner: cameras from the silhouettes, every other frame valid."""

    def __call__(self, fits, figures):
        cameras, valid = figures[:, 0, :3].astype(np.float32), np.arange(len(fits)) % 2 == 0
        return as_written(fits, figures)._replace(cameras=cameras, valid=valid)


def test_smpl_rows_are_aligned_and_lacking_ones_are_not_valid(pickles, tmp_path):
    store = _pack(pickles, tmp_path / "s", "opengait", workers=2, aligner=_Double, fits={"body": "x"})
    for index in (0, 2, 3):
        smpl = store.smpl(index)
        np.testing.assert_array_equal(smpl["poses"], rows(2 + index, index)[:, 3:75])
        np.testing.assert_array_equal(smpl["betas"], rows(2 + index, index)[:, 75:])
        np.testing.assert_array_equal(smpl["cameras"], store.silhouettes(index)[:, 0, :3])
        assert smpl["valid"].tolist() == [frame % 2 == 0 for frame in range(2 + index)]
    lacking = store.smpl(1)
    assert not lacking.pop("valid").any()
    assert not any(array.any() for array in lacking.values())
    for file in pickles.rglob("smpls.pkl"):
        file.unlink()
    with pytest.raises(DataError, match=r"no SMPL rows \(T, 85\).*--body"):
        _pack(pickles, tmp_path / "t", "opengait", aligner=_Double)
    assert not list(tmp_path.glob("t*"))


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["frames", "opengait"])
def test_bytes_do_not_depend_on_workers(layout, pictures, pickles, tmp_path):
    source = pictures if layout == "frames" else pickles
    extra = {} if layout == "frames" else {"aligner": _Double}
    one = _pack(source, tmp_path / "one", layout, 1, **extra)
    three = _pack(source, tmp_path / "three", layout, 3, **extra)
    assert content(one.path) == content(three.path)


@pytest.mark.parametrize("kept", range(5))
def test_a_stopped_run_is_taken_up(kept, pictures, tmp_path, monkeypatch):
    """Wherever it stopped, also between a sequence's drops and its frames."""
    whole = _pack(pictures, tmp_path / "whole")
    add = StoreWriter.add

    def stops(self, *args, **kwargs):
        if self.done == kept:
            raise KeyboardInterrupt
        add(self, *args, **kwargs)

    monkeypatch.setattr(StoreWriter, "add", stops)
    with pytest.raises(KeyboardInterrupt):
        _pack(pictures, tmp_path / "s")
    assert not (tmp_path / "s").exists()
    monkeypatch.undo()
    read, seen = packing.read_frames, []
    monkeypatch.setattr(packing, "read_frames", lambda folder, *a: seen.append(folder) or read(folder, *a))
    store = _pack(pictures, tmp_path / "s")
    # those written are not read again; the black one after the third is, if nothing behind it was written
    assert len(seen) == [6, 5, 4, 3, 1][kept]
    assert content(store.path) == content(whole.path)


def test_other_settings_or_other_sequences_are_not_mixed(pictures, tmp_path):
    (pictures / "003/x/y/001.png").unlink()
    (pictures / "003/x/z").mkdir()
    with pytest.raises(DataError, match=r"003/x/z has no PNG or JPG frames.*--lenient"):
        _pack(pictures, tmp_path / "s")
    with pytest.raises(StoreError, match="other settings"):
        _pack(pictures, tmp_path / "s", crop=False)
    # what is tolerated may change
    assert len(_pack(pictures, tmp_path / "s", tolerance="sequences").sequences) == 5
    (tmp_path / "s").rename(tmp_path / "t")
    with pytest.raises(DataError):
        _pack(pictures, tmp_path / "s")
    shutil.rmtree(pictures / "003/x/z")
    with pytest.raises(StoreError, match="other settings"):
        _pack(pictures, tmp_path / "s")


def test_strictness(pictures, tmp_path):
    with pytest.raises(DataError, match=r"001/nm-01/090/002\.png: unreadable picture; .*--strict"):
        _pack(pictures, tmp_path / "s", tolerance="none")
    frames(pictures / "001/nm-02/000")
    shutil.rmtree(pictures / "002")
    (pictures / "001/nm-01/090/002.png").unlink()
    (pictures / "001/nm-02/000/001.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"001\.png: unreadable"):
        _pack(pictures, tmp_path / "t", tolerance="none")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (silhouettes(4).astype(np.float32), "float32"),
        (255 - silhouettes(4), "white with a black figure"),
        (silhouettes(5), "unequal length"),
        (silhouettes(4) // 20, "labels"),
        ("text", "a str and no array"),
    ],
)
def test_broken_sequences_stop_the_packing_or_are_left_out(pickles, tmp_path, content, message):
    good = silhouettes(4, seed=2)
    dump(pickles / "0001/a/s/sils.pkl", content)
    for workers in (1, 2):
        with pytest.raises(DataError, match=f"0001/a/s has .*{message}.*or pass --lenient"):
            _pack(pickles, tmp_path / "s", "opengait", workers)
        assert not (tmp_path / "s").exists()
    # mended, the rest is packed
    dump(pickles / "0001/a/s/sils.pkl", good)
    assert len(_pack(pickles, tmp_path / "s", "opengait").sequences) == 4
    dump(pickles / "0001/a/s/sils.pkl", content)
    store = _pack(pickles, tmp_path / "t", "opengait", tolerance="sequences")
    assert [row.subject for row in store.sequences] == ["0000", "0000", "0002"]
    assert _dropped(store)[0][:4] == ("2", "0001/a/s", "", "broken sequence")
    assert message in _dropped(store)[0][4]


@pytest.mark.parametrize("workers", [1, 2])
def test_code_is_never_tolerated(pickles, tmp_path, workers):
    dump(pickles / "0001/a/s/smpls.pkl", Evil(f"touch {tmp_path / 'ran'}"))
    with pytest.raises(UnsafeFileError, match=r"0001/a/s/smpls\.pkl is refused: it asks for \w+\.system"):
        _pack(pickles, tmp_path / "s", "opengait", workers, tolerance="sequences")
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "s").exists()


def test_nothing_to_pack(pickles, tmp_path):
    with pytest.raises(DataError, match=r"none of its 4 sequences can be packed \(no frame is left 4\)"):
        _pack(pickles, tmp_path / "s", "opengait", person=7, tolerance="sequences")
    with pytest.raises(DataError, match="is no folder"):
        _pack(tmp_path / "none", tmp_path / "s")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no sequence"):
        _pack(tmp_path / "empty", tmp_path / "s")
    assert not list(tmp_path.glob("s*"))


def test_source_is_not_written_to(pickles, tmp_path):
    before = content(pickles)
    for dest in (pickles / "store", pickles / "0000" / "s"):
        with pytest.raises(ConfigError, match="where nothing is changed"):
            _pack(pickles, dest, "opengait")
    (tmp_path / "link").symlink_to(pickles)
    with pytest.raises(ConfigError, match="where nothing is changed"):
        _pack(pickles, tmp_path / "link" / "s", "opengait")
    assert content(pickles) == before
    pickles.chmod(0o555)
    _pack(pickles, tmp_path / "s", "opengait")
    assert content(pickles) == before


def test_partition_and_protocol(pickles, tmp_path):
    lists = {"TRAIN_SET": ["0000"], "TEST_SET": ["0001", "0002"], "PROBE_SET": ["0001-a-s"]}
    (tmp_path / "p.json").write_text(json.dumps(lists))
    store = _pack(pickles, tmp_path / "s", "opengait", partition=tmp_path / "p.json", protocol="gait3d")
    assert store.partition == lists
    assert store.meta["protocol"] == "gait3d"
    (tmp_path / "p.json").write_text('{"TRAIN_SET": ["0000"]}')
    with pytest.raises(DataError, match="TEST_SET must be a list"):
        _pack(pickles, tmp_path / "t", "opengait", partition=tmp_path / "p.json")
    with pytest.raises(ConfigError, match="did you mean gait3d"):
        _pack(pickles, tmp_path / "t", "opengait", protocol="gait3")
    assert not list(tmp_path.glob("t*"))


def test_settings_out_of_range(pictures, tmp_path):
    with pytest.raises(ConfigError, match="size is"):
        _pack(pictures, tmp_path / "s", size=(64, 0))
    with pytest.raises(ConfigError, match="--workers 0"):
        _pack(pictures, tmp_path / "s", workers=0)
    (tmp_path / "s").mkdir()
    with pytest.raises(StoreError, match="already exists"):
        _pack(pictures, tmp_path / "s")


@pytest.mark.slow
def test_few_sequences_wait(pictures, tmp_path, monkeypatch):
    """The listing is drawn from as sequences are written, whatever its length."""
    listing_class, drawn = packing.SequenceListing, []

    class Counted(listing_class):
        def __iter__(self):
            for job in super().__iter__():
                drawn.append(job)
                yield job

    for number in range(60):
        frames(pictures / f"9{number:02d}/a/b", 1, (30, 40))
    whole = _pack(pictures, tmp_path / "whole")
    monkeypatch.setattr(packing, "SequenceListing", Counted)
    add, ahead = StoreWriter.add, []

    def watching(self, *args, **kwargs):
        add(self, *args, **kwargs)
        ahead.append(len(drawn))

    monkeypatch.setattr(StoreWriter, "add", watching)
    store = _pack(pictures, tmp_path / "s", workers=2)
    assert content(store.path) == content(whole.path)
    # the survey draws all, then each written sequence lets two listings go on by one
    assert ahead[0] <= 66 + 2 * (2 * 8 + 2)


def test_options_are_completed_by_the_tree(tmp_path):
    aligned = silhouettes(1)[0]
    (tmp_path / "g/00001train/00/v").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "g/00001train/00/v/1.png"), aligned)
    store = _pack(tmp_path / "g", tmp_path / "s", "grew")
    np.testing.assert_array_equal(store.silhouettes(0)[0], aligned[:, 10:54])
    assert (store.meta["protocol"], store.meta["source"]["crop"]) == ("grew", False)
    assert _pack(tmp_path / "g", tmp_path / "t", "grew", crop=True).meta["source"]["crop"]
    assert replace(PackOptions(), crop=True) != PackOptions()
