import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from meshgait.errors import DataError
from meshgait.report import media
from meshgait.report.folder import Meshes, read_run
from meshgait.viz.interactive import error_limit, vertex_errors
from tests.report.runs import make_run, meshes


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run", without=("evaluation.npz",))


def decoded(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


def test_gallery_shows_the_latest_of_each_kind(run):
    grids = media.gallery([read_run(run)]).blocks
    assert [grid.title.split(":")[0] for grid in grids] == [
        "Heatmaps",
        "A walking sequence",
        "The worst confusions",
    ]
    heatmaps, walk, confusions = (grid.blocks[0] for grid in grids)
    assert decoded(heatmaps.light).size == (1000, 90)
    assert (heatmaps.least, confusions.least) == (820, 90)
    assert heatmaps.alt.endswith("run, step 400.") and heatmaps.caption == "run, step 400"
    assert walk.light.startswith("data:image/gif") and decoded(walk.light).n_frames == 3
    # the picture is the picture, whatever it is packed as
    before = np.asarray(Image.open(run / "pictures" / "confusions-000400.png").convert("RGB"), float)
    after = np.asarray(decoded(confusions.light).convert("RGB"), float)
    assert np.abs(before - after).mean() < 8


def test_large_animations_are_packed(run, monkeypatch):
    monkeypatch.setattr(media, "ANIMATION_BYTES", 10)
    grid = media.gallery([read_run(run)]).blocks[1]
    assert grid.blocks[0].light.startswith("data:image/webp")
    assert decoded(grid.blocks[0].light).n_frames == 3


@pytest.mark.parametrize("name", ["heatmaps-000400.png", "walk-000400.gif"])
@pytest.mark.parametrize("keep", [0, 50])
def test_a_damaged_picture_is_named(run, name, keep):
    path = run / "pictures" / name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=name):
        media.gallery([read_run(run)])


def test_meshes_to_turn(run, monkeypatch):
    found = read_run(run)
    section = media.meshes([found])
    turnable = section.blocks[0].blocks[0]
    assert turnable.names == found.meshes.names and len(turnable.figures) == 3
    for text in turnable.figures:
        predicted, true = json.loads(text)["data"]
        assert (predicted["type"], predicted["name"], true["name"]) == ("mesh3d", "predicted", "true")
    stills = section.blocks[1]
    assert stills.fold and len(stills.blocks) == 3
    errors = 1000 * np.linalg.norm(found.meshes.vertices - found.meshes.true_vertices, axis=-1).mean(1)
    assert stills.blocks[0].caption == f"p0-nm-01-072, mean error {errors[0]:.0f} mm"
    picture = np.asarray(decoded(stills.blocks[0].light).convert("L"))
    assert picture.shape[0] == media.HEIGHT and picture.std() > 20
    monkeypatch.setattr(media, "MESH_BYTES", 10)  # of a body with many vertices
    fewer = media.meshes([found]).blocks[0].blocks[0]
    assert len(fewer.figures) == len(fewer.names) == 1


def test_runs_share_one_scale_of_colours(run):
    near = read_run(run)
    true = near.meshes.true_vertices
    far = replace(near, meshes=near.meshes._replace(vertices=true + 3 * (near.meshes.vertices - true)))
    turnables = media.meshes([near, far]).blocks[0].blocks
    limits = {json.loads(text)["data"][0]["cmax"] for turnable in turnables for text in turnable.figures}
    assert limits == {error_limit(vertex_errors(far.meshes.vertices, true))}
    assert limits != {error_limit(vertex_errors(near.meshes.vertices, true))}


def test_meshes_without_truth():
    arrays = meshes()
    found = Meshes(
        arrays["vertices"].astype(np.float32), None, arrays["faces"], ("a", "b", "c"), arrays["silhouettes"]
    )
    turnable = media.turnable("run", 0, found, None)
    assert [trace["name"] for trace in json.loads(turnable.figures[0])["data"]] == ["predicted"]
    assert media.stills("run", found, None)[0].caption == "a"


def test_a_bomb_is_refused_before_it_is_unpacked(run):
    """Some hundred kilobytes of PNG that are 800 MB of picture."""
    Image.new("1", (20_000, 40_000)).save(run / "pictures" / "heatmaps-000500.png")
    with pytest.raises(DataError, match=r"heatmaps-000500\.png is no readable picture"):
        media.gallery([read_run(run)])


def test_frames_count_together(run, monkeypatch):
    monkeypatch.setattr(media, "MOST_PIXELS", 1000 * 90)  # the heatmaps; the walk has 3 frames of 120 x 60
    assert media.gallery([read_run(run)])
    monkeypatch.setattr(media, "MOST_PIXELS", 3 * 120 * 60 - 1)
    (run / "pictures" / "heatmaps-000400.png").unlink()
    (run / "pictures" / "heatmaps-000200.png").unlink()
    with pytest.raises(DataError, match=r"walk-000400\.gif.*more than"):
        media.gallery([read_run(run)])


def test_no_other_program_is_started_for_a_picture(run, monkeypatch):
    """Of the imaging library's formats some are read by a program on the PATH, whatever the file is called."""
    (run / "pictures" / "heatmaps-000500.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    )

    def start(*arguments, **_):
        raise AssertionError(f"{arguments} was started")

    monkeypatch.setattr("subprocess.Popen", start)
    monkeypatch.setattr("PIL.EpsImagePlugin.has_ghostscript", lambda: True)
    with pytest.raises(DataError, match="no readable picture"):
        media.gallery([read_run(run)])


@pytest.mark.parametrize("name", ["heatmaps-000400.png", "walk-000400.gif"])
def test_cut_pictures_are_refused_in_one_line(run, name):
    whole = (run / "pictures" / name).read_bytes()
    for length in (0, 5, 20, len(whole) // 3, len(whole) // 2):
        (run / "pictures" / name).write_bytes(whole[:length])
        try:
            media.gallery([read_run(run)])
        except DataError as error:
            assert name in str(error)
