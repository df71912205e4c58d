"""The USF files: table of sequences, frame, resuming, and what is refused."""

from collections import Counter

import numpy as np
import pytest

from meshgait.data.protocols import get_protocol, select, split
from meshgait.data.store import Store, StoreWriter
from meshgait.data.usf import pack_usf, read_usf
from meshgait.errors import DataError, StoreError


def _files(folder, **changes):
    """Four people in the gallery (two samples each), three of them and a stranger in two probes."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for name, labels in {"Gal": [1, 1, 2, 2, 3, 3, 4, 4], "PrbA": [1, 2, 2, 3], "PrbD": [0, 0, 4]}.items():
        sil = np.zeros((len(labels), 10, 32, 22), np.uint8)
        for i, label in enumerate(labels):
            shift = rng.integers(-3, 4)
            sil[i, :, :, 8 + shift : 12 + shift + label] = 1
        np.savez(folder / f"{name}.npz", **({"sil": sil, "label": np.array(labels)} | changes.get(name, {})))
    return folder


def test_table_of_sequences(tmp_path):
    samples = read_usf(_files(tmp_path / "usf"))
    names = [(s.subject, s.condition) for s in samples]
    assert names[:3] == [("001", "Gal-001"), ("001", "Gal-002"), ("002", "Gal-001")]
    assert names[-3:] == [("000", "PrbD-001"), ("000", "PrbD-002"), ("004", "PrbD-001")]
    assert len(set(names)) == len(names) == 15
    assert samples[0].frames.shape == (10, 32, 22)
    assert np.unique(samples[0].frames).tolist() == [0, 255]


def test_store_is_in_the_silhouette_frame(tmp_path):
    pack_usf(_files(tmp_path / "usf"), tmp_path / "store")
    store = Store(tmp_path / "store")
    assert (len(store.sequences), store.size, store.bits) == (15, (64, 44), 8)
    assert store.meta["protocol"] == "usf"
    assert {s.frames for s in store.sequences} == {10}
    for index in range(15):
        columns = (store.silhouettes(index) > 127).sum(1).cumsum(-1)
        assert np.abs((columns > columns[:, -1:] / 2).argmax(-1) - 22).max() <= 1
    selection = select(store.sequences, get_protocol("usf"))
    assert {name: int(mask.sum()) for name, mask in selection.probes.items()} == {"A": 4, "D": 1}
    assert int(selection.gallery.sum()) == int(split(store.sequences, get_protocol("usf")).train.sum()) == 8


def test_published_alignment_can_be_kept(tmp_path):
    source = _files(tmp_path / "usf")
    pack_usf(source, tmp_path / "store", bits=1, crop=False)
    store = Store(tmp_path / "store")
    for index, sample in enumerate(read_usf(source)):
        # doubled and thresholded, the coarse pixels come back
        np.testing.assert_array_equal(store.silhouettes(index)[:, ::2, ::2], sample.frames)


def test_a_stopped_run_is_taken_up(tmp_path):
    source = _files(tmp_path / "usf")
    pack_usf(source, tmp_path / "whole")

    def stops(samples):
        yield from samples[:6]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack_usf(source, tmp_path / "store", track=stops)
    assert not (tmp_path / "store").exists()
    seen = []
    pack_usf(source, tmp_path / "store", track=lambda samples: seen.extend(samples) or samples)
    assert len(seen) == 9
    assert Store(tmp_path / "store").meta["sha256"] == Store(tmp_path / "whole").meta["sha256"]
    # other files than those it was begun with
    writer = StoreWriter(tmp_path / "other", bits=8, source={"layout": "usf"})
    assert writer.done == 0
    writer.close()
    with pytest.raises(StoreError, match="other settings"):
        pack_usf(source, tmp_path / "other")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sil": np.zeros((3, 32, 22), np.uint8)}, r"sil is uint8 \(3, 32, 22\)"),
        ({"label": np.array([1.0, 2, 2, 3])}, "whole numbers"),
        ({"label": np.array([1, 2])}, "whole numbers"),
        ({"sil": np.full((4, 10, 32, 22), 255, np.uint8)}, "0 or 1"),
        ({"sil": np.zeros((4, 10, 32, 22), np.uint8)}, "001/PrbA-001 shows nobody"),
    ],
)
def test_files_not_as_published(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        pack_usf(_files(tmp_path / "usf", PrbA=change), tmp_path / "store")


def test_missing_and_damaged_files(tmp_path):
    source = _files(tmp_path / "usf")
    content = (source / "PrbD.npz").read_bytes()
    (source / "PrbD.npz").write_bytes(content[:200])
    with pytest.raises(DataError, match=r"PrbD\.npz cannot be read: truncated"):
        read_usf(source)
    np.savez(source / "PrbD.npz", silhouettes=np.zeros(3))
    with pytest.raises(DataError, match="not sil, label"):
        read_usf(source)
    (source / "Gal.npz").unlink()
    for folder in (source, tmp_path / "none"):
        with pytest.raises(DataError, match=r"lacks Gal\.npz"):
            read_usf(folder)


def test_the_real_files(shared_data):
    samples = read_usf(shared_data / "usf_humanid")
    counts = Counter(s.condition.split("-")[0] for s in samples)
    assert counts == {
        "Gal": 731,
        "PrbA": 727,
        "PrbB": 423,
        "PrbC": 420,
        "PrbD": 682,
        "PrbE": 435,
        "PrbF": 685,
        "PrbG": 424,
    }
    assert len({s.subject for s in samples if s.condition.startswith("Gal")}) == 71
    assert sum(s.subject == "000" for s in samples) == 43 + 22 + 44 + 22
    assert len({(s.subject, s.condition) for s in samples}) == len(samples)
