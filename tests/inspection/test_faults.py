"""Stores with one thing wrong: that is found, and nothing else."""

import json

import numpy as np
import pytest

from meshgait.data.store import Store
from meshgait.errors import ConfigError
from meshgait.inspection.findings import Findings
from meshgait.inspection.index import BLOCK, Index
from meshgait.inspection.report import CheckOptions, check
from meshgait.inspection.silhouettes import MOST_EXAMPLES, check_silhouettes
from tests.inspection.conftest import FRAMES, PARTITION, names, walker

pytestmark = pytest.mark.slow

QUIET = CheckOptions(show=False)
VICTIM = ("s2", "nm-02", "090")
PLACE = "/".join(VICTIM)


def only(report):
    """The one finding of a report."""
    (finding,) = report.findings
    return finding


def spoil(change):
    """A change of the victim's silhouettes alone."""
    return lambda name, walk: change(walk.copy()) if name == VICTIM else walk


def blank(walk):
    walk[3:5] = 0
    return walk


def white(walk):
    walk[7] = 255
    return walk


def speck(walk):
    walk[2] = 0
    walk[2, 30:34, 20:24] = 255
    return walk


def squat(walk):
    walk[:, :14] = 0
    return walk


def aside(walk):
    return np.roll(walk, 10, axis=2)


@pytest.mark.parametrize("bits", [1, 8])
def test_a_clean_store_has_no_finding(make, bits):
    report = check(make(bits=bits), QUIET)
    assert report.findings == () and report.survey.examples == {}
    assert report.protocol == "walkers" and report.bits == bits
    assert report.figures["height"] == [64, 64, 64]
    sizes = {name: (group.subjects, group.sequences, group.frames) for name, group in report.groups.items()}
    assert sizes == {
        "all": (4, 24, 24 * FRAMES),
        "train": (2, 12, 12 * FRAMES),
        "test": (2, 12, 12 * FRAMES),
        "gallery": (2, 8, 8 * FRAMES),
        "probes nm": (2, 4, 4 * FRAMES),
    }


def test_walkers_have_no_finding(tiny_store):
    report = check(tiny_store, CheckOptions(short=6, frames=6, checksums=True, show=False))
    assert report.findings == ()
    assert report.valid == report.alignment.frames == Store(tiny_store).meta["frames"]


@pytest.mark.parametrize("bits", [1, 8])
@pytest.mark.parametrize(
    ("change", "code", "frames"),
    [
        (blank, "empty", 2),
        (white, "full", 1),
        (lambda walk: 255 - walk, "polarity", FRAMES),
        (speck, "tiny", 1),
        (squat, "height", FRAMES),
        (aside, "centre", FRAMES),
    ],
)
def test_frames(make, change, code, frames, bits):
    report = check(make(spoil(change), bits=bits), QUIET)
    finding = only(report)
    assert (finding.code, finding.count, finding.where) == (code, frames, (f"{PLACE} ({frames} of {FRAMES})",))
    assert finding.what.startswith(f"{frames} frame") and "in 1 sequence " in finding.what
    (example,) = report.survey.examples[code]
    assert example.name == PLACE
    shown = change(walker(names().index(VICTIM)))[example.frame]
    np.testing.assert_array_equal(example.silhouette, shown)


def test_values_of_0_and_1(make):
    finding = only(check(make(spoil(lambda walk: walk // 255), bits=8), QUIET))
    assert (finding.code, finding.count, finding.severity) == ("dim", FRAMES, "error")


def test_a_frozen_sequence(make):
    finding = only(check(make(spoil(lambda walk: walk[:1].repeat(FRAMES, axis=0))), QUIET))
    assert (finding.code, finding.where) == ("frozen", (f"{PLACE} ({FRAMES} frames)",))


def test_copies_of_the_same_and_of_another_subject(make):
    of = names().index(VICTIM)

    def copy(name, walk):
        return walker(of) if name in (("s2", "nm-03", "000"), ("s3", "nm-01", "000")) else walk

    same, other = sorted(check(make(copy), QUIET).findings, key=lambda finding: finding.code)
    assert (same.code, same.where) == ("duplicate", (f"s2/nm-03/000 = {PLACE}",))
    assert (other.code, other.where) == ("duplicate-subject", (f"s3/nm-01/000 = {PLACE}",))


def test_a_longer_sequence_that_begins_alike_is_no_copy(make):
    of = names().index(VICTIM)
    change = lambda name, walk: walker(of)[:-1] if name == ("s3", "nm-01", "000") else walk  # noqa: E731
    assert check(make(change), QUIET).findings == ()


def test_short_sequences(make):
    store = make(spoil(lambda walk: walk[:9]))
    finding = only(check(store, QUIET))
    assert (finding.code, finding.where) == ("short", (f"{PLACE} (9 frames)",))
    assert check(store, CheckOptions(short=9, show=False)).findings == ()
    assert only(check(store, CheckOptions(short=13, show=False))).count == 24


def test_equal_names(make):
    finding = only(check(make(rename={("s1", "nm-03", "000"): ("s1", "nm-01", "090")}), QUIET))
    assert (finding.code, finding.where) == ("same-name", (f"s1/nm-01/090 ({FRAMES} frames)",))


def test_rows_that_were_moved(make):
    store = make()
    index = store / "sequences.csv"
    index.write_text(index.read_text().replace(f"s0,nm-01,090,{FRAMES},", "s0,nm-01,090,0,"))
    found = {finding.code: finding for finding in check(store, QUIET).findings}
    assert found["rows"].where == (f"s0/nm-01/090 ({FRAMES} frames)",)
    assert set(found) == {"rows", "duplicate"}  # upon the first sequence, so equal to it


def test_what_is_ignored_is_not_found(make):
    store = make(spoil(blank))
    assert check(store, CheckOptions(ignore=("empty",), show=False)).findings == ()
    with pytest.raises(ConfigError, match="emty is no finding"):
        CheckOptions(ignore=("emty",))


@pytest.mark.parametrize("setting", [{"iou": 1.5}, {"short": -1}, {"frames": -2}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ConfigError):
        CheckOptions(**setting)


def test_of_many_places_the_first_are_named(make):
    finding = only(check(make(lambda _, walk: blank(walk.copy())), QUIET))
    assert (finding.count, finding.what[:28]) == (48, "48 frames in 24 sequences wi")
    assert finding.where == tuple(f"{'/'.join(name)} (2 of {FRAMES})" for name in names()[:5])


@pytest.mark.parametrize("most", [1, 5, 17])
def test_the_size_of_a_block_does_not_show(make, most):
    """Long sequences come in parts; a part must not be taken for a whole."""
    changes = {
        ("s0", "nm-01", "090"): blank,
        ("s1", "nm-01", "000"): lambda walk: walk[:1].repeat(FRAMES, axis=0),
        ("s1", "nm-02", "000"): lambda walk: np.concatenate([walk[:1].repeat(10, axis=0), walk[1:3]]),
        ("s2", "nm-02", "090"): lambda walk: 255 - walk,
        ("s3", "nm-03", "090"): lambda _: walker(0),
    }
    store = Store(make(lambda name, walk: changes.get(name, lambda same: same)(walk.copy())))
    results = []
    for block in (most, BLOCK):
        found = Findings()
        survey = check_silhouettes(store, Index(store), found, show=False, most=block)
        results.append((found.listed(), survey.heights.tolist(), survey.widths.tolist(), survey.masses.tolist()))
    assert results[0] == results[1]
    assert [finding.code for finding in results[0][0]] == ["polarity", "duplicate-subject", "empty", "frozen"]
    assert results[0][0][2].where == (f"s0/nm-01/090 (2 of {FRAMES})",)


def test_examples_are_few(make):
    report = check(make(lambda _, walk: squat(walk.copy())), QUIET)
    assert len(report.survey.examples["height"]) == MOST_EXAMPLES < 24


def test_the_report_is_plain_json(make):
    report = check(make(spoil(blank), partition=PARTITION), QUIET)
    content = json.loads(json.dumps(report.plain()))
    assert content["groups"]["train"] == {"subjects": 2, "sequences": 12, "frames": 12 * FRAMES}
    assert content["findings"][0]["code"] == "empty" and content["findings"][0]["remedy"]
    assert content["alignment"] is None and content["hash"] == Store(report.path).hash
