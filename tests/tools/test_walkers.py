"""The verb `walkers` as a user types it."""

import argparse

import numpy as np
import pytest
from PIL import Image

from meshgait.data.store import Store
from meshgait.errors import ConfigError, DataError, OutputError
from meshgait.synthetic.rig import Rig
from meshgait.tools.walkers import add_parser, run
from tests.synthetic.amass import save, walk


def call(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return run(parser.parse_args(["walkers", *words]))


SMALL = ("--bodies", "4", "--views", "0,90", "--conditions", "nm-01,cl-01", "--frames", "3", "--workers", "1")


@pytest.mark.slow
def test_makes_a_store_and_pictures(tmp_path, capsys):
    dest = str(tmp_path / "w")
    pictures = ("--montage", str(tmp_path / "m.png"), "--gif", str(tmp_path / "a.gif"))
    assert call(dest, *SMALL, "--noise", "mild", *pictures) == 0
    assert "8 subjects (4 for testing), 32 sequences, 96 frames" in capsys.readouterr().out
    assert len(Store(dest).sequences) == 32
    assert Image.open(tmp_path / "m.png").size[1] > 300
    assert Image.open(tmp_path / "a.gif").n_frames == 3
    assert call(dest, *SMALL, "--noise", "mild") == 0
    assert "already there" in capsys.readouterr().out
    with pytest.raises(OutputError, match="noise"):
        call(dest, *SMALL)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--views", "0,x"), "--views 0,x"),
        (("--views", ""), "--views is empty"),
        (("--frames", "0"), "--frames 0"),
        (("--styles", "3"), "--styles 3 differs from --bodies 30"),
        (("--workers", "0"), "--workers 0"),
        (("--camera-variety", "2"), "--camera-variety 2"),
        (("--noise-strength", "3"), "--noise-strength 3"),
    ],
)
def test_bad_options_are_named(tmp_path, words, message):
    with pytest.raises(ConfigError, match=message):
        call(str(tmp_path / "w"), *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_recorded_walks_take_the_place_of_styles(tmp_path, capsys, default_model):
    skin = Rig(default_model.arrays).figure(np.zeros(10))
    for person in range(4):
        save(tmp_path / "SET" / f"P{person}" / "a.npz", *walk(skin, 2.0, rate=60.0), 90 * person, rate=60.0)
    words = (str(tmp_path / "w"), *SMALL, "--motions", str(tmp_path / "SET"))
    assert call(*words) == 0
    out = capsys.readouterr().out
    assert "motions: 4 people, 4 straight walks, 4 recordings read\n" in out and "made" in out
    assert Store(tmp_path / "w").meta["motions"] == ["P0", "P1", "P2", "P3"]
    assert call(*words) == 0
    assert "already there" in capsys.readouterr().out
    with pytest.raises(DataError, match="--styles needs 6"):
        call(str(tmp_path / "x"), *SMALL, "--bodies", "6", "--motions", str(tmp_path / "SET"))
    assert not (tmp_path / "x").exists() and not (tmp_path / "x.partial").exists()


def test_unwritable_destination(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        call(str(tmp_path / "file" / "w"), *SMALL)
    with pytest.raises(OutputError):
        call(str(tmp_path / "file"), *SMALL)


@pytest.mark.slow
def test_strengths_reach_the_store(tmp_path):
    words = ("--noise", "learned", "--noise-strength", "0.5", "--camera-variety", "0.7", "--wardrobe-variety", "1")
    assert call(str(tmp_path / "w"), *SMALL, *words, "--body-variety", "0.9") == 0
    source = Store(tmp_path / "w").meta["source"]
    expected = {"noise": "learned", "noise_strength": 0.5, "camera_variety": 0.7, "body_variety": 0.9}
    assert {name: source[name] for name in expected} == expected
