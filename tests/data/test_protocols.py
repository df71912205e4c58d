"""Protocols on small tables that are spelt out."""

import numpy as np
import pytest

from meshgait.data.partitions import Partition
from meshgait.data.protocols import PROTOCOLS, SequenceNames, get_protocol, select, split
from meshgait.errors import ConfigError, DataError


def _walks(subjects, conditions, views):
    return [SequenceNames(s, c, v) for s in subjects for c in conditions for v in views]


CASIA = [f"nm-{k:02d}" for k in range(1, 7)] + ["bg-01", "bg-02", "cl-01", "cl-02"]


def _names(walks, mask):
    return {walks[i] for i in np.flatnonzero(mask)}


def test_casia_b():
    walks = _walks(["073", "074", "075", "124"], CASIA, ["000", "090"])
    protocol = get_protocol("casia-b")
    train, test = split(walks, protocol)
    assert {walks[i].subject for i in np.flatnonzero(train)} == {"073", "074"}
    assert not (train & test).any()
    selection = select(walks, protocol)
    assert _names(walks, selection.gallery) == set(_walks(["075", "124"], CASIA[:4], ["000", "090"]))
    assert _names(walks, selection.probes["nm"]) == set(_walks(["075", "124"], CASIA[4:6], ["000", "090"]))
    assert _names(walks, selection.probes["cl"]) == set(_walks(["075", "124"], ["cl-01", "cl-02"], ["000", "090"]))
    assert selection.subjects == ("073", "074", "075", "124")
    assert [selection.subjects[i] for i in selection.labels] == [walk.subject for walk in walks]
    assert [selection.view_names[i] for i in selection.views] == [walk.view for walk in walks]


def test_casia_b_cross_view():
    walks = _walks(["075", "124"], CASIA, ["000", "090"])
    selection = select(walks, get_protocol("casia-b-cross-view"))
    assert {walk.condition for walk in _names(walks, selection.gallery)} == {"nm-02", "bg-02", "cl-02"}
    assert {walk.condition for walk in _names(walks, selection.probes["bg"])} == {"bg-01"}
    assert selection.exclude == "same_subject_and_view"


def test_walkers_take_what_conditions_there_are():
    walks = _walks(["a", "b", "c"], ["nm-01", "nm-02", "nm-03", "nm-04", "cl-01"], ["000", "036"])
    partition = Partition.of({"TRAIN_SET": ["a"], "TEST_SET": ["b", "c"]})
    selection = select(walks, get_protocol("walkers"), partition)
    assert list(selection.probes) == ["nm", "cl"]
    assert {walk.condition for walk in _names(walks, selection.probes["nm"])} == {"nm-03", "nm-04"}
    assert {walk.subject for walk in _names(walks, selection.gallery)} == {"b", "c"}
    with pytest.raises(DataError, match="give a partition JSON"):
        select(walks, get_protocol("walkers"))


def test_oumvlp_odd_numbers_train_and_a_lone_probe_is_allowed():
    walks = _walks(["00001", "00002", "10305", "10306", "10307"], ["00", "01"], ["000", "090"])
    walks = [w for w in walks if w[:2] != ("10307", "01")]
    train, test = split(walks, get_protocol("oumvlp"))
    assert {walks[i].subject for i in np.flatnonzero(train)} == {"00001", "10305"}
    assert {walks[i].subject for i in np.flatnonzero(test)} == {"00002", "10306", "10307"}
    selection = select(walks, get_protocol("oumvlp"))
    assert {walk.condition for walk in _names(walks, selection.gallery)} == {"01"}
    assert "10307" in {walk.subject for walk in _names(walks, selection.probes["nm"])}
    # the rule gives the published numbers of subjects
    numbers = PROTOCOLS["oumvlp"].train_subjects
    assert (len(numbers), sum(n not in numbers for n in range(1, 10308))) == (5153, 5154)


def test_gait3d_probe_list():
    walks = [
        SequenceNames("0000", "camid0_videoid2", "seq0"),
        SequenceNames("0001", "camid0_videoid2", "seq0"),
        SequenceNames("0001", "camid9_videoid1", "seq1"),
    ]
    sets = {"TRAIN_SET": ["0000"], "TEST_SET": ["0001"], "PROBE_SET": ["0001-camid9_videoid1-seq1"]}
    selection = select(walks, get_protocol("gait3d"), Partition.of(sets))
    assert selection.gallery.tolist() == [False, True, False]
    assert selection.probes["probe"].tolist() == [False, False, True]
    del sets["PROBE_SET"]
    with pytest.raises(DataError, match="PROBE_SET"):
        select(walks, get_protocol("gait3d"), Partition.of(sets))


def test_grew_labels_are_hidden():
    walks = [
        SequenceNames("00001", "01", "x"),
        SequenceNames("00001", "02", "y"),
        SequenceNames("probe", "03", "z"),
    ]
    partition = Partition.of({"TRAIN_SET": [], "TEST_SET": ["00001", "probe"]})
    selection = select(walks, get_protocol("grew"), partition)
    assert selection.scoring == "hidden"
    assert selection.probes["probe"].tolist() == [False, False, True]
    local = select(walks, get_protocol("grew-local"), partition)
    assert local.probes["probe"].tolist() == [False, True, False]


def test_usf_trains_on_the_gallery_and_leaves_strangers_out():
    walks = [
        *_walks(["001", "002"], ["Gal-001", "Gal-002", "PrbA-001"], ["000"]),
        SequenceNames("000", "PrbA-001", "000"),
        SequenceNames("002", "PrbG-001", "000"),
    ]
    train, test = split(walks, get_protocol("usf"))
    assert {walk.condition for walk in _names(walks, train)} == {"Gal-001", "Gal-002"}
    assert "000" not in {walk.subject for walk in _names(walks, test)}
    selection = select(walks, get_protocol("usf"))
    assert list(selection.probes) == ["A", "G"]
    assert {walk.subject for walk in _names(walks, selection.probes["A"])} == {"001", "002"}


def test_training_and_test_subjects_never_overlap():
    walks = _walks([f"{n:03d}" for n in range(1, 125)], ["nm-01", "nm-05"], ["000", "090"])
    for name in ("casia-b", "casia-b-cross-view", "oumvlp"):
        train, test = split(walks, get_protocol(name))
        subjects = np.array([walk.subject for walk in walks])
        assert not set(subjects[train]) & set(subjects[test])
        assert (train | test).all()


def test_a_probe_without_gallery_is_named():
    walks = [
        w for w in _walks(["075", "124"], CASIA, ["000", "090"]) if w.subject != "124" or w.condition > "nm-04"
    ]
    walks = [w for w in walks if w.subject != "124" or not w.condition.startswith("bg")]
    with pytest.raises(DataError, match=r"probes nm: 1 subjects have no gallery sequence \(124\)"):
        select(walks, get_protocol("casia-b"))


def test_one_view_cannot_be_compared_across_views():
    with pytest.raises(DataError, match="another view"):
        select(_walks(["075", "076"], CASIA, ["090"]), get_protocol("casia-b"))


@pytest.mark.parametrize(
    ("walks", "message"),
    [
        ([], "no sequences"),
        (_walks(["075"], ["00", "01"], ["000"]), "no gallery sequence.*00, 01"),
        (_walks(["075"], ["nm-01"], ["000", "018"]), "no probe sequence"),
        (_walks(["001"], CASIA, ["000"]), "no test subject.*leading zeros"),
    ],
)
def test_what_does_not_fit(walks, message):
    with pytest.raises(DataError, match=message):
        select(walks, get_protocol("casia-b"))


def test_unknown_protocol():
    with pytest.raises(ConfigError, match=r"did you mean casia-b\?.*walkers"):
        get_protocol("casiab")
    with pytest.raises(ConfigError, match="unknown; there are walkers"):
        get_protocol("xyz")
