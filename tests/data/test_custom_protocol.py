"""A csv of roles in training and for scoring."""

import numpy as np
import pytest

from meshgait.data.custom_protocol import CustomProtocol
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.data.protocols import SequenceNames
from meshgait.errors import DataError

WALKS = [SequenceNames(s, c, "0") for s in ("a", "b", "c") for c in ("1", "2")]


def write(path, *lines):
    path.write_text("\n".join(("subject,condition,view,role", *lines)) + "\n")
    return path


def test_roles(tmp_path):
    rules = CustomProtocol.read(
        write(tmp_path / "own.csv", "a,1,0,train", "b,1,0,gallery", "b,2,0,probe", "c,2,0,probe: late", "c,1,0,")
    )
    assert rules.protocol.name == "own" and sorted(rules.protocol.probes) == ["late", "probe"]
    train, test = rules.split(WALKS)
    assert (np.flatnonzero(train).tolist(), np.flatnonzero(test).tolist()) == ([0], [2, 3, 5])
    with pytest.raises(DataError, match="no subject of the probes late"):
        rules.select(WALKS)
    chosen = CustomProtocol.read(write(tmp_path / "own.csv", "b,1,0,gallery", "b,2,0,probe:x")).select(
        WALKS, "same_view"
    )
    assert np.flatnonzero(chosen.gallery).tolist() == [2] and np.flatnonzero(chosen.probes["x"]).tolist() == [3]
    assert (chosen.exclude, chosen.scoring) == ("same_view", "pooled")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("subject,role\na,gallery\n", "give subject, condition, view, role or role alone"),
        ("subject,condition,view,role\na,1,0,probe\na,1,0,gallery\n", "line 3: a-1-0 was named before"),
        ("", "has the columns \\(none\\)"),
    ],
)
def test_bad_files(tmp_path, text, words):
    (tmp_path / "own.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        CustomProtocol.read(tmp_path / "own.csv")
    with pytest.raises(DataError, match="does not exist"):
        CustomProtocol.read(tmp_path / "none.csv")


def test_training_by_a_csv(store, tmp_path):
    subjects = sorted({s.subject for s in store.sequences})
    role = {"nm-01": "gallery", "nm-02": "probe:calm", "cl-01": "probe:coat"}
    lines = [
        f"{s.subject},{s.condition},{s.view},{'train' if s.subject in subjects[:3] else role.get(s.condition, '')}"
        for s in store.sequences
    ]
    data = SilhouetteDataModule(str(store.path), protocol=str(write(tmp_path / "own.csv", *lines)))
    assert (data.num_subjects, data.protocol.name, list(data.selection.probes)) == (3, "own", ["calm", "coat"])
    tested = {store.sequences[i].subject for i in np.flatnonzero(data.selection.gallery)}
    assert tested == set(subjects[3:])
