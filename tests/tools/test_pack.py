"""The verb `pack`."""

import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from meshgait.cli import main
from meshgait.data.pack import pack
from meshgait.data.packing import PackOptions
from meshgait.data.store import Store
from meshgait.errors import ConfigError, DataError, StoreError
from tests.data.trees import content, dump, figure, frames, rows, silhouettes


@pytest.fixture
def usf(tmp_path):
    folder = tmp_path / "usf"
    folder.mkdir()
    for name in ("Gal", "PrbA"):
        sil = np.zeros((2, 10, 32, 22), np.uint8)
        sil[..., 8:14] = 1
        np.savez(folder / f"{name}.npz", sil=sil, label=np.array([1, 2]))
    return folder


@pytest.fixture
def casia(tmp_path):
    for name in ("001/nm-01/000", "001/bg-01/090", "075/cl-02/018"):
        frames(tmp_path / "casia" / name)
    (tmp_path / "casia/001/nm-01/000/002.png").write_bytes(b"")
    return tmp_path / "casia"


def _main(*words):
    return main(["pack", *map(str, words)])


def test_packs_usf_and_says_what(usf, tmp_path, capsys):
    assert _main(usf, tmp_path / "store", "--bits", 1) == 0
    assert Store(tmp_path / "store").bits == 1
    assert "looks like usf" in (said := capsys.readouterr().out)
    assert "2 subjects, 4 sequences, 40 frames" in said
    with pytest.raises(StoreError, match="already exists"):
        pack(usf, tmp_path / "store", "usf")
    assert _main(usf, tmp_path / "large", "--layout", "usf", "--size", 128, 88, "--no-crop") == 0
    assert Store(tmp_path / "large").size == (128, 88)
    assert not Store(tmp_path / "large").meta["source"]["crop"]


def test_packs_frames_and_says_what_was_left_out(casia, tmp_path, capsys):
    assert _main(casia, tmp_path / "s", "--workers", 2) == 0
    said = capsys.readouterr().out
    assert "looks like casia-b" in said
    assert "2 subjects, 3 sequences, 8 frames" in said
    assert "protocol: casia-b" in said
    assert re.search(r"left out 1 frames: unreadable picture 1; each one: \S+dropped\.csv", said)
    assert _main(casia, tmp_path / "t", "--strict") == 2
    assert "002.png: unreadable picture" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()


def test_own_pattern(tmp_path, capsys):
    for name in ("cam1/anna-coat", "cam2/bert-none"):
        frames(tmp_path / "own" / name)
    assert _main(tmp_path / "own", tmp_path / "s") == 2
    assert "--pattern" in capsys.readouterr().err
    assert _main(tmp_path / "own", tmp_path / "s", "--pattern", "cam{view}/{subject}-{condition}") == 0
    assert [row[:3] for row in Store(tmp_path / "s").sequences] == [("anna", "coat", "1"), ("bert", "none", "2")]
    # the same of pickles
    dump(tmp_path / "pickles/anna/1.pkl", silhouettes())
    assert _main(tmp_path / "pickles", tmp_path / "t", "--layout", "opengait", "--pattern", "{subject}") == 0
    assert Store(tmp_path / "t").sequences[0][:3] == ("anna", "00", "000")
    assert _main(tmp_path / "own", tmp_path / "u", "--layout", "oumvlp", "--pattern", "{subject}") == 2


def test_to_opengait_and_back(tmp_path, capsys):
    dump(tmp_path / "o/1/nm-01/000/a.pkl", silhouettes())
    dump(tmp_path / "o/1/nm-01/000/b.pkl", rows())
    assert _main(tmp_path / "o", tmp_path / "s") == 0
    assert "SMPL rows were left out; give --body" in capsys.readouterr().out
    assert not Store(tmp_path / "s").has_smpl
    assert _main(tmp_path / "o", tmp_path / "t", "--aligned-fits") == 0
    assert "SMPL truth of 3 of 3 frames" in capsys.readouterr().out
    assert _main(tmp_path / "t", tmp_path / "p", "--to", "opengait") == 0
    assert sorted(content(tmp_path / "p")) == ["1/nm-01/000/sils-000.pkl", "1/nm-01/000/smpls-000.pkl"]
    assert _main(tmp_path / "p", tmp_path / "u", "--aligned-fits") == 0
    assert content(tmp_path / "u").keys() == content(tmp_path / "t").keys()
    assert Store(tmp_path / "u").hash == Store(tmp_path / "t").hash


def test_fits_beside_frames_lie_under_their_figures(tiny_store, tmp_path, capsys):
    """Walkers as pictures, their truth as an estimator writes it: y down, and a guess where nobody is seen."""
    walkers, black = Store(tiny_store), 2
    for index in (0, 1, 2):
        name = "/".join(walkers.sequences[index][:3])
        folder, fits = tmp_path / "frames" / name, tmp_path / "fits" / f"{name}.npz"
        folder.mkdir(parents=True)
        fits.parent.mkdir(parents=True, exist_ok=True)
        images = np.insert(walkers.silhouettes(index), black, 0, axis=0)
        for number, image in enumerate(images):
            cv2.imwrite(str(folder / f"{number}.png"), image)
        truth = {key: np.insert(value, black, 9.0, axis=0) for key, value in walkers.smpl(index).items()}
        down = Rotation.from_euler("x", 180, degrees=True) * Rotation.from_rotvec(truth["poses"][:, :3])
        turns = (
            Rotation.from_rotvec(truth["poses"][:, 3:].reshape(-1, 3)).as_matrix().reshape(len(images), 23, 3, 3)
        )
        if index < 2:
            np.savez(fits, g=down.as_matrix()[:, None], b=turns, s=truth["betas"])
    words = ("--body", "default", "--fits", tmp_path / "fits/{subject}/{condition}/{view}.npz", "--fits-keys")
    for workers in (1, 2):
        dest = tmp_path / f"s{workers}"
        assert _main(tmp_path / "frames", dest, *words, "pose=g+b,betas=s", "--workers", workers) == 0
        said = capsys.readouterr().out
        assert "SMPL truth of 12 of 18 frames" in said
        assert "left out 3 frames: no figure 3" in said
        assert re.search(r"no file of fits, hence no truth: 1 sequences; each one: \S+dropped\.csv", said)
    packed = Store(tmp_path / "s1")
    assert content(packed.path) == content(tmp_path / "s2")
    for index in (0, 1):
        np.testing.assert_allclose(packed.smpl(index)["betas"], walkers.smpl(index)["betas"], atol=1e-6)
        turned = (Rotation.from_rotvec(store.smpl(index)["poses"].reshape(-1, 3)) for store in (packed, walkers))
        assert (next(turned).inv() * next(turned)).magnitude().max() < 1e-4
    assert _main(tmp_path / "frames", tmp_path / "t", *words, "romp") == 2
    assert "has the arrays g, b, s, not smpl_thetas" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_command_is_taken_up(tmp_path):
    """Killed outright while its workers run, and repeated at once."""
    for subject in range(40):
        folder = tmp_path / "p" / f"{subject:03d}/nm-01/000"
        frames(folder, 8, (60, 80))
    command = [sys.executable, "-m", "meshgait.cli", "pack", tmp_path / "p", tmp_path / "s", "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    partial = tmp_path / "s.partial" / "sequences.csv"
    while process.poll() is None and not (partial.exists() and partial.read_text().count("\n") > 3):
        pass
    process.kill()
    process.wait()
    assert _main(tmp_path / "p", tmp_path / "s", "--workers", 1) == 0
    assert _main(tmp_path / "p", tmp_path / "t", "--workers", 1) == 0
    assert content(tmp_path / "s") == content(tmp_path / "t")
    assert not (tmp_path / "s.partial").exists()


def test_command_line_errors_are_one_line(usf, casia, tmp_path, capsys):
    for words in (
        [casia, "x", "--layout", "casia"],
        [usf],
        [tmp_path / "nowhere", tmp_path / "x"],
        [casia, tmp_path / "x", "--layout", "opengait"],
        [casia, tmp_path / "x", "--layout", "usf"],
        [casia, tmp_path / "x", "--pattern", "{who}"],
        [casia, tmp_path / "x", "--strict", "--lenient"],
        [casia, tmp_path / "x", "--aligned-fits"],
        [casia, tmp_path / "x", "--iou", 2],
        [casia, tmp_path / "x", "--body", "b.npz", "--aligned-fits"],
        [casia, tmp_path / "x", "--body", tmp_path / "none.npz"],
        [casia, tmp_path / "x", "--body", "default"],
        [casia, tmp_path / "x", "--fits", "f/{subject}.npz", "--fits-keys", "romp"],
        [casia, tmp_path / "x", "--fits", "f/{subject}.npz", "--body", "default"],
        [casia, tmp_path / "x", "--fits-keys", "romp", "--body", "default"],
        [casia, tmp_path / "x", "--fits", "f/{subject}.npz", "--fits-keys", "romp", "--aligned-fits"],
        [casia, tmp_path / "x", "--fits", "f/{who}.npz", "--fits-keys", "romp", "--body", "default"],
        [usf, tmp_path / "x", "--body", "default"],
        [casia, casia / "x"],
        [casia, tmp_path / "x", "--to", "opengait"],
    ):
        assert _main(*words) == 2, words
        error = capsys.readouterr().err
        assert error.startswith("meshgait: ")
        assert error.count("\n") == 1
        assert not (tmp_path / "x").exists()


def test_wrong_arguments(usf, tmp_path):
    with pytest.raises(ConfigError, match="there are auto, opengait"):
        pack(usf, tmp_path / "store", "casia")
    with pytest.raises(ConfigError, match="size is"):
        pack(usf, tmp_path / "store", options=PackOptions(size=(0, 44)))
    with pytest.raises(DataError, match=r"lacks Gal\.npz"):
        pack(tmp_path, tmp_path / "store", "usf")
    assert [path.name for path in tmp_path.iterdir()] == ["usf"]


def test_figures_of_the_tests_are_figures():
    assert (figure(0) == 255).sum() * 255 > 10_000
