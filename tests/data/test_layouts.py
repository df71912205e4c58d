"""Trees of folders: names out of paths, order, what does not fit, and which tree a folder looks like."""

import pytest

from meshgait.data.layouts import (
    LAYOUTS,
    Layout,
    SequenceFolder,
    SequenceListing,
    custom_rule,
    guess_layout,
    summarise_listing,
)
from meshgait.errors import ConfigError, DataError


def _folders(root, *paths):
    for path in paths:
        (root / path).mkdir(parents=True)
    return root


def _jobs(root, tree):
    return list(SequenceListing(root, LAYOUTS[tree] if isinstance(tree, str) else tree))


def _own(pattern, kind="frames"):
    return Layout((custom_rule(pattern),), kind)


KNOWN = {
    "casia-b": {"001/bg-01/000": ("001", "bg-01", "000"), "124/cl-02/180": ("124", "cl-02", "180")},
    "oumvlp": {
        "Silhouette_000-01/00002": ("00002", "01", "000"),
        "Silhouette_270-00/00001": ("00001", "00", "270"),
    },
    "grew": {"00001train/00/4XPn": ("00001train", "00", "4XPn"), "probe/03/etaG": ("probe", "03", "etaG")},
    "grew-raw": {
        "train/00001/4XPn": ("00001train", "00", "4XPn"),
        "train/00001/5TXe": ("00001train", "00", "5TXe"),
        "test/gallery/00001/79XJ": ("00001", "01", "79XJ"),
        "test/gallery/00001/t16V": ("00001", "02", "t16V"),
        "test/gallery/00002/a": ("00002", "01", "a"),
        "test/probe/etaG": ("probe", "03", "etaG"),
    },
    "gait3d": {"0000/camid0_videoid2/seq0": ("0000", "camid0_videoid2", "seq0")},
    "ccpg": {"000/U0_D0/01_0": ("000", "U0_D0", "01_0")},
    "sustech1k": {"0001/00-nm/000-far/Sils_aligned": ("0001", "00-nm", "000-far")},
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_trees(tmp_path, name):
    root = _folders(tmp_path, *KNOWN[name])
    jobs = _jobs(root, name)
    assert {job.folder: job[:3] for job in jobs} == KNOWN[name]
    assert summarise_listing(SequenceListing(root, LAYOUTS[name]))[::2] == (len(KNOWN[name]), 0)


@pytest.mark.parametrize("name", sorted({*KNOWN} - {"ccpg"}))
def test_known_trees_are_recognised(tmp_path, name):
    root = _folders(tmp_path, *KNOWN[name])
    for folder in KNOWN[name]:
        (root / folder / "001.png").touch()
    assert guess_layout(root) == name


def test_other_trees_are_recognised_or_refused(tmp_path):
    assert guess_layout(_folders(tmp_path / "a", "anna/slow/left")) == "frames"
    (_folders(tmp_path / "b", "1/2/3/4") / "1/2/3/4/x.pkl").touch()
    assert guess_layout(tmp_path / "b") == "opengait"
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "Gal.npz").touch()
    assert guess_layout(tmp_path / "c") == "usf"
    with pytest.raises(DataError, match=r"its first end is 1/2.*--pattern"):
        guess_layout(_folders(tmp_path / "d", "1/2"))
    with pytest.raises(DataError, match="cannot be read"):
        guess_layout(tmp_path / "none")


@pytest.mark.parametrize(
    ("pattern", "path", "names"),
    [
        ("{subject}-{condition}-{view}", "001-bg-01-000", ("001", "bg-01", "000")),
        ("{subject}/{view}", "anna/left", ("anna", "00", "left")),
        ("{subject}", "anna-b", ("anna-b", "00", "000")),
        ("run_{view}/{subject}.{condition}", "run_+90/a.b", ("a", "b", "+90")),
        ("{condition}/*/{subject}_cam{view}/masks", "coat/x y/b_b_cam3/masks", ("b_b", "coat", "3")),
    ],
)
def test_own_patterns(tmp_path, pattern, path, names):
    assert _jobs(_folders(tmp_path, path), _own(pattern)) == [SequenceFolder(*names, path)]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{subject}/{angle}", r"\{angle\} is unknown"),
        ("{subject}/{subject}", "once"),
        ("{condition}/{view}", "who walks"),
        ("{subject}//{view}", "each part is a folder"),
        ("../{subject}", "each part is a folder"),
    ],
)
def test_patterns_that_mean_nothing(pattern, message):
    with pytest.raises(ConfigError, match=message):
        custom_rule(pattern)


def test_what_does_not_fit_is_named(tmp_path):
    root = _folders(tmp_path, "Silhouette_000-00/1", "other/1", "another", ".hidden/x")
    found = summarise_listing(SequenceListing(root, LAYOUTS["oumvlp"]))
    assert (found.sequences, found.strays, found.stray) == (1, 2, "another")
    with pytest.raises(DataError, match=r"Silhouette_000-00/1 does not fit \{subject\}/\{condition\}/\{view\}"):
        summarise_listing(SequenceListing(root, LAYOUTS["casia-b"]))
    with pytest.raises(DataError, match="has no folders"):
        summarise_listing(SequenceListing(_folders(tmp_path / "empty", "x") / "x", LAYOUTS["casia-b"]))


def test_two_sequences_of_one_name_are_refused(tmp_path):
    root = _folders(tmp_path, "a/x/1", "b/x/1")
    with pytest.raises(DataError, match=r"b/x/1 is a second sequence x/00/1"):
        summarise_listing(SequenceListing(root, _own("*/{subject}/{view}")))


def test_opengait_of_any_depth(tmp_path):
    for folder in ("0000/camid0_videoid2/seq0", "0001/a/b/c", "0001/a"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "0000/camid0_videoid2/seq0/seq0.pkl").touch()
    (tmp_path / "0001/a/b/c/1.pkl").touch()
    (tmp_path / "0002/empty/000").mkdir(parents=True)
    (tmp_path / "0003").mkdir()
    assert _jobs(tmp_path, "opengait") == [
        SequenceFolder("0000", "camid0_videoid2", "seq0", "0000/camid0_videoid2/seq0"),
        SequenceFolder("0001", "a-b", "c", "0001/a/b/c"),
        SequenceFolder("0002", "empty", "000", "0002/empty/000"),  # is reported when it is read
    ]
    assert summarise_listing(SequenceListing(tmp_path, LAYOUTS["opengait"])).stray == "0003"
    (tmp_path / "0003/x.pkl").touch()
    with pytest.raises(DataError, match=r"0003 has pickles 1 folders deep.*--pattern"):
        _jobs(tmp_path, "opengait")


def test_a_link_that_leads_back_is_an_error(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    with pytest.raises(DataError, match="link lead back"):
        _jobs(tmp_path, "opengait")


def test_order_and_digest_depend_on_names_alone(tmp_path):
    paths = [f"{s}/nm-0{c}/{v}" for s in ("b", "a") for c in (2, 1) for v in ("090", "000")]
    one, two = _folders(tmp_path / "1", *paths), _folders(tmp_path / "2", *reversed(paths))
    assert _jobs(one, "frames") == _jobs(two, "frames") == sorted(_jobs(one, "frames"))
    same = [summarise_listing(SequenceListing(root, LAYOUTS["frames"])).digest for root in (one, two)]
    assert same[0] == same[1]
    (two / "c/x/y").mkdir(parents=True)
    assert summarise_listing(SequenceListing(two, LAYOUTS["frames"])).digest != same[0]


def _framed(root, *paths):
    for path in paths:
        (root / path).mkdir(parents=True, exist_ok=True)
        (root / path / "001.png").touch()
    return root


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("anna", "{subject}"),
        ("anna/left", "{subject}/{view}"),
        ("silhouettes/001/nm-01/090", "*/{subject}/{condition}/{view}"),
        ("a/b/001/nm-01/090", "*/*/{subject}/{condition}/{view}"),
    ],
)
def test_the_pattern_that_fits_is_named(tmp_path, path, pattern):
    """And it does fit."""
    root = _framed(tmp_path, path)
    with pytest.raises(DataError) as caught:
        guess_layout(root)
    assert f"--pattern '{pattern}'" in str(caught.value)
    assert [job.folder for job in _jobs(root, _own(pattern))] == [path]


def test_frames_without_folders(tmp_path):
    for name in ("001-nm-01-090-001.png", "001-nm-01-090-002.png"):
        (tmp_path / name).touch()
    for find in (guess_layout, lambda root: summarise_listing(SequenceListing(root, LAYOUTS["casia-b"]))):
        with pytest.raises(DataError, match=r"001-nm-01-090-001\.png, \.\.\.\) lie in it directly; move"):
            find(tmp_path)


def test_what_systems_leave_is_no_data(tmp_path):
    root = _framed(tmp_path, "001/nm-01/090")
    for folder in ("__MACOSX/001/nm-01/090", "@eaDir/001/nm-01/090", "001/.Trash/090", "001/nm-01/@eaDir"):
        _framed(tmp_path, folder)
    for place in (root, root / "001", root / "001/nm-01/090"):
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._001.png"):
            (place / name).touch()
    assert guess_layout(root) == "casia-b"
    assert summarise_listing(SequenceListing(root, LAYOUTS["casia-b"]))[::2] == (1, 0)
