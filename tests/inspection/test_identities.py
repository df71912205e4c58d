"""Splits and protocols whose people are left over or alone."""

import json

import pytest

from meshgait.errors import ConfigError, DataError
from meshgait.inspection.report import CheckOptions, check
from tests.inspection.conftest import PARTITION

QUIET = CheckOptions(show=False)


def found(path, options=QUIET):
    return {finding.code: finding for finding in check(path, options).findings}


def test_subjects_in_no_split(make):
    (code, finding), *others = found(make(partition={"TRAIN_SET": ["s0"], "TEST_SET": ["s2", "s3"]})).items()
    assert (code, finding.count, finding.where, others) == ("unassigned", 1, ("s1",), [])


def test_subjects_that_are_not_there(make):
    more = {"TRAIN_SET": ["s0", "s1", *(f"x{n}" for n in range(7))], "TEST_SET": ["s2", "s3", "a"]}
    (code, finding), *others = found(make(partition=more)).items()
    assert (code, finding.count, finding.where, others) == ("absent", 8, ("a", "x0", "x1", "x2", "x3"), [])


def test_training_subjects_of_one_sequence(make):
    change = lambda name, walk: None if name[0] == "s1" and name != ("s1", "nm-02", "090") else walk  # noqa: E731
    (code, finding), *others = found(make(change)).items()
    assert (code, finding.where, others) == ("lone-training", ("s1",), [])


def test_probes_without_a_mate_in_another_view(make):
    """s3 has its gallery in one view alone, so its probe of that view meets nobody."""
    keep = lambda name, walk: None if name[0] == "s3" and name[1] < "nm-03" and name[2] == "000" else walk  # noqa: E731
    (code, finding), *others = found(make(keep)).items()
    assert (code, finding.where, others) == ("no-mate", ("s3/nm-03/090",), [])


def test_probes_without_any_gallery(make):
    keep = lambda name, walk: None if name[0] == "s3" and name[1] < "nm-03" else walk  # noqa: E731
    (code, finding), *others = found(make(keep)).items()
    assert (code, finding.where, others) == ("no-mate", ("s3/nm-03/000", "s3/nm-03/090"), [])


def test_the_same_view_counts_where_the_protocol_lets_it(make):
    lists = {**PARTITION, "PROBE_SET": ["s2-nm-03-000", "s3-nm-01-090"]}
    report = check(make(partition=lists), QUIET)
    assert report.protocol == "gait3d" and report.findings == ()
    assert report.groups["probes probe"].sequences == 2 and report.groups["gallery"].sequences == 10


def test_listed_probes_that_are_not_there(make):
    lists = {**PARTITION, "PROBE_SET": ["s2-nm-03-000", "s0-nm-01-000", "s2-nm-9-000"]}
    (code, finding), *others = found(make(partition=lists)).items()
    assert (code, finding.where, others) == ("absent-probe", ("s0-nm-01-000", "s2-nm-9-000"), [])


def test_views_of_few_subjects(make):
    """Of five test subjects two are seen from 090."""
    lists = {"TRAIN_SET": [], "TEST_SET": [f"s{n}" for n in range(4)]}
    keep = lambda name, walk: None if name[0] != "s0" and name[2] == "090" else walk  # noqa: E731
    report = found(make(keep, partition=lists))
    assert report["thin-view"].where == ("090 (1 of 4)",)
    assert set(report) == {"thin-view", "no-mate"}


@pytest.mark.parametrize(
    ("partition", "says"),
    [
        ({"TRAIN_SET": ["s0"], "TEST_SET": ["s9"]}, "no test subject"),
        ({"TRAIN_SET": ["s0", "s2"], "TEST_SET": ["s2", "s3"]}, "1 subjects are in TRAIN_SET and in TEST_SET"),
        ({"TRAIN_SET": ["s0"]}, "TEST_SET must be a list"),
    ],
)
def test_a_partition_that_does_not_work(make, partition, says):
    finding = found(make(partition=partition))["protocol"]
    assert says in finding.where[0] and finding.severity == "error" and finding.remedy


def test_a_protocol_of_other_conditions(make):
    finding = found(make(), CheckOptions(protocol="oumvlp", show=False))["protocol"]
    assert "no gallery sequence" in finding.where[0]
    assert finding.remedy == "choose the protocol that fits the data"


def test_the_protocol_comes_from_the_store_or_from_the_user(make):
    store = make(protocol="casia-b")
    assert check(store, QUIET).protocol == "casia-b"
    assert check(store, CheckOptions(protocol="walkers", show=False)).protocol == "walkers"
    with pytest.raises(ConfigError, match="walker"):
        check(store, CheckOptions(protocol="walker", show=False))


def test_a_protocol_that_only_the_store_knows(make):
    finding = found(make(protocol="mars"))["protocol"]
    assert "mars" in finding.where[0]


def test_without_protocol_and_lists_nothing_is_said_of_people(make):
    report = check(make(partition=None), QUIET)
    assert report.findings == () and report.protocol == "" and set(report.groups) == {"all"}


def test_the_users_own_lists(make, tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"TRAIN_SET": ["s0"], "TEST_SET": ["s1", "s2", "s3"]}))
    report = check(make(), CheckOptions(partition=file, show=False))
    assert report.findings == () and report.groups["test"].subjects == 3
    with pytest.raises(DataError, match="does not exist"):
        check(report.path, CheckOptions(partition=tmp_path / "gone.json", show=False))
