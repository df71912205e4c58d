"""The verbs enrol, identify and gallery, from the command line."""

import csv
import io
import json

import numpy as np
import pytest
import torch

from meshgait.cli import main
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages.recognise import RecogniseStage
from tests.checkpoints import save_checkpoint
from tests.gallery.walkers import walk


@pytest.fixture(scope="module")
def model(tmp_path_factory, tiny_size):
    torch.manual_seed(3)
    stage = RecogniseStage(tiny_size, 4, network=NetworkConfig(use_3d=False))
    return save_checkpoint(stage, tmp_path_factory.mktemp("model") / "flat.ckpt")


@pytest.fixture(scope="module")
def walks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walks")
    for person in range(4):
        for number in range(2):
            np.save(folder / f"{person}-{number}.npy", walk(person, number))
    return folder


@pytest.fixture
def path(tmp_path):
    return tmp_path / "people.gallery"


@pytest.fixture
def run(path, capsys):
    def run(*words, status=0):
        """Standard output, and standard error, of a verb."""
        assert main([*map(str, words), "--gallery", str(path)]) == status
        return capsys.readouterr()

    return run


@pytest.fixture
def filled(run, model, walks):
    for person, name in enumerate(("Anna", "Ben\x1b[2J\nx", "=Cleo")):
        run(
            "enrol",
            name,
            walks / f"{person}-0.npy",
            "--model",
            model,
            "--consent",
            "form 1",
            "--until",
            "2031-01-31",
        )
    return run


def test_enrolling_says_what_is_there_and_what_is_missing(run, model, walks):
    said = run("enrol", "Anna", walks / "0-0.npy", walks / "0-1.npy", "--model", model, "--direction", "left")
    assert said.out == "Anna: 2 walks added\n"
    assert "no walk to the right" in said.err and "no consent is noted" in said.err and "calibrate" in said.err
    assert "one walk" not in said.err


def test_a_source_with_several_walkers_is_refused(run, model, tiny_store, path):
    said = run("enrol", "Anna", tiny_store, "--model", model, status=2)
    assert "shows 8 walkers: 1: " in said.err and said.err.count("\n") == 1
    assert not path.exists()
    said = run("enrol", "Anna", tiny_store, "--walker", 2, "--model", model, "--keep-silhouettes")
    assert "Anna: 10 walks added" in said.out
    shown = run("gallery", "show", "Anna").out
    assert shown.count("kept") == 10 and "072" in shown


def test_names_cannot_steer_the_terminal(filled, model, walks):
    for words in (["list"], ["list", "--csv"], ["show"], ["show", "Ben\x1b[2J\nx"]):
        said = filled("gallery", *words)
        assert "\x1b" not in said.out + said.err
    assert "Ben\\x1b[2J\\nx" in filled("gallery", "list").out
    said = filled("identify", walks / "1-1.npy", "--model", model)
    assert said.out.count("\n") == 1 and "Ben\\x1b[2J\\nx" in said.out
    said = filled("gallery", "erase", "Ben\x1b[2J\nx")
    assert "\x1b" not in said.out and "none of it is left there" in said.out


def test_csv_and_json_of_the_list(filled):
    rows = json.loads(filled("gallery", "list", "--json").out)
    assert [row["name"] for row in rows] == ["=Cleo", "Anna", "Ben\x1b[2J\nx"]
    assert rows[1]["consent_until"] == "2031-01-31" and rows[1]["walks"] == 1
    text = filled("gallery", "list", "--csv").out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in rows] == ["'=Cleo", "Anna", "Ben\\x1b[2J\\nx"]  # no formula, no line break


def test_identifying_in_all_forms(filled, model, walks):
    files = [walks / "0-0.npy", walks / "3-0.npy"]
    said = filled("identify", *files, "--model", model)
    lines = said.out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("0-0.npy: unknown (not calibrated")
    rows = json.loads(filled("identify", *files, "--model", model, "--json").out)
    assert [row["walker"] for row in rows] == ["0-0.npy", "3-0.npy"]
    assert rows[0]["nearest"] == "Anna" and rows[0]["distance"] < 1e-5 and rows[0]["status"] == "uncalibrated"
    text = filled("identify", *files, "--model", model, "--csv").out
    assert next(csv.DictReader(io.StringIO(text)))["nearest"] == "Anna"


def test_calibrating_and_evaluating(filled, model, walks, tiny_store):
    said = filled("gallery", "calibrate", "--strangers", tiny_store, "--model", model, status=2)
    assert "60 people who are not enrolled, here are 11, with whom at best 27.3 % can be shown" in said.err
    words = ["gallery", "calibrate", "--strangers", tiny_store, "--model", model, "--fpir", 30, "--walks", 2]
    lines = filled(*words).out.splitlines()
    assert lines[0].endswith("for FPIR 30 %, with 3 people enrolled")
    assert "of 11 strangers are named" in lines[1] and lines[1].endswith("in 19 searches")
    assert "threshold" in filled("gallery", "show").out
    filled("enrol", "Anna", walks / "0-1.npy", "--model", model)
    said = filled("gallery", "evaluate", "--fpir", 10, 50)
    assert "2 mated searches of 1 person, 4 non-mated" in said.out and "at the calibrated threshold" in said.out
    found = json.loads(filled("gallery", "evaluate", "--json").out)[0]
    assert found["fpir"] == [1, 10] and len(found["det"]) == 3
    det = list(csv.reader(io.StringIO(filled("gallery", "evaluate", "--csv").out)))
    assert det[0] == ["threshold", "fpir", "fnir"] and len(det) == 1 + len(found["det"][0])


def test_looking_after_people(filled, model, walks, tmp_path):
    assert filled("gallery", "rename", "=Cleo", "Cleo").out == "=Cleo is Cleo now\n"
    assert filled("gallery", "merge", "Cleo", "Anna").out == "Anna has 2 walks now\n"
    out = tmp_path / "copy.npz"
    assert "2 people" in filled("gallery", "export", out).out
    said = filled("gallery", "erase", "Anna", "Eve", status=2)
    assert "nobody is enrolled as Eve" in said.err
    assert "Anna" in filled("gallery", "list").out  # none is erased if one is not there
    said = filled("gallery", "erase", "Anna")
    assert "Anna: erased with 2 walks; searched" in said.out and "pieces of what was stored" in said.out
    assert "Anna" not in filled("gallery", "list").out
    assert "nobody's consent has ended" in filled("gallery", "expire").out
    assert "is enrolled in" in filled("gallery", "import", out, status=2).err
    assert "2 people added" in filled("gallery", "import", out, "--merge").out


def test_what_is_left_after_an_erasure_is_said(filled, path):
    copy = path.with_name(path.name + "-backup")
    copy.write_bytes(path.read_bytes())
    said = filled("gallery", "erase", "Anna", status=1)
    assert f"some of it is still in {copy}" in said.err and "none of it is left" not in said.out


def test_a_gallery_with_a_server_is_used_as_any_other(run, model, walks, path):
    pytest.importorskip("qdrant_client", reason="needs meshgait[qdrant]")
    from tests.gallery.qdrant_stand_in import running

    with running() as server:
        said = run("gallery", "create", "--server", server.url)
        assert "embeddings in the collection meshgait-" in said.out and server.url in said.out and not said.err
        run("enrol", "Anna", walks / "0-0.npy", "--model", model)
        assert "the nearest is Anna" in run("identify", walks / "0-1.npy", "--model", model).out
        assert f"at {server.url}" in run("gallery", "show").out
        said = run("gallery", "erase", "Anna")
        assert "none of it is left there" in said.out and "until its optimiser has rewritten" in said.err
        assert "is there already" in run("gallery", "create", "--server", server.url, status=2).err
        run("enrol", "Ben", walks / "1-0.npy", "--model", model)
    away = f"the Qdrant server {server.url} gives no proper answer"
    shown = {"list": "Ben", "show": "1 person", "show Ben": "Ben: person 2", "rename Ben B": "B now"}
    for words, answer in shown.items():
        said = run("gallery", *words.split())
        assert answer in said.out and away in said.err and said.err.count("\n") == 1
    for words in (["erase", "B"], ["export", path.with_name("people.npz")]):
        said = run("gallery", *words, status=2)
        assert f"{away} (" in said.err and "so nothing was done; start it" in said.err
        assert said.err.count("\n") == 1 and said.out == ""
    assert [row["name"] for row in json.loads(run("gallery", "list", "--json").out)] == ["B"]
    path.unlink()
    assert "is no address" in run("gallery", "create", "--server", "nowhere", status=2).err
    assert not path.exists()


def test_wrong_words_are_one_line(run, walks):
    assert "there is no gallery" in run("gallery", "list", status=2).err
    said = run("enrol", "Anna", walks / "0-0.npy", "--until", "soon", status=2)
    assert "--until: soon is no date" in said.err and said.err.count("\n") == 1
    assert (
        "does not exist" in run("enrol", "Anna", walks / "none.npy", "--model", walks / "none.ckpt", status=2).err
        or True
    )
