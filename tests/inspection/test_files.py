"""Files of a store that are damaged."""

import json

import pytest

from meshgait.errors import StoreError
from meshgait.inspection.report import CheckOptions, check

QUIET = CheckOptions(show=False)


def codes(report):
    return {finding.code: finding.where for finding in report.findings}


def test_a_changed_byte_is_found_by_checksums_alone(make):
    store = make()
    file = store / "partition.json"
    index = store / "sequences.csv"
    index.write_text(index.read_text().replace("s0,", "S0,"))
    file.write_text(file.read_text().replace("s0", "S0"))
    assert check(store, QUIET).findings == ()
    report = check(store, CheckOptions(checksums=True, show=False))
    assert codes(report) == {"checksum": ("sequences.csv",)}  # of partition.json there is none


def test_checksums_of_a_whole_store_agree(make):
    assert check(make(), CheckOptions(checksums=True, show=False)).findings == ()


@pytest.mark.parametrize("left", [0, 60, 5000])
def test_a_truncated_array(make, left):
    store = make()
    file = store / "silhouettes.npy"
    whole = file.stat().st_size
    file.write_bytes(file.read_bytes()[:left])
    report = check(store, CheckOptions(checksums=True, show=False))
    assert set(codes(report)) == {"truncated", "unreadable"}
    missing = max(1, left) if left < 128 else whole - left
    assert codes(report)["truncated"] == (f"silhouettes.npy ({missing} bytes are missing)",)
    assert report.damage.startswith(str(store)) and report.groups is None


def test_a_missing_array(make):
    store = make()
    (store / "silhouettes.npy").unlink()
    assert codes(check(store, QUIET))["missing-file"] == ("silhouettes.npy",)


@pytest.mark.parametrize("content", ["{", "[]", '{"sha256": 3}', '{"version": 1}'])
def test_meta_that_tells_nothing(make, content):
    store = make()
    (store / "meta.json").write_text(content)
    assert set(codes(check(store, QUIET))) == {"unreadable"}


def test_a_store_of_a_newer_version(make):
    store = make()
    meta = json.loads((store / "meta.json").read_text())
    (store / "meta.json").write_text(json.dumps(meta | {"version": 99}))
    report = check(store, QUIET)
    assert "version 99" in codes(report)["unreadable"][0]


def test_no_store(tmp_path):
    with pytest.raises(StoreError, match="no packed store"):
        check(tmp_path, QUIET)
