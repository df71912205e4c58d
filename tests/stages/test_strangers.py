"""Models and checkpoints of strangers: what they name is not opened, what they claim is not allocated."""

import json
import resource
import struct
import zipfile
from dataclasses import asdict

import pytest
import torch
import yaml

from meshgait.checksum import sha256_of
from meshgait.cli import main
from meshgait.errors import DataError, MeshGaitError
from meshgait.stages.checkpoint import SETTINGS, read_checkpoint
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.weights import write_model
from tests.conftest import TINY


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    stage = RecogniseStage(TINY, 3)
    write_model(folder, "RecogniseStage", stage.settings, stage.state_dict())
    return folder


@pytest.fixture
def checkpoint(tmp_path):
    stage = RecogniseStage(TINY, 3)
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": stage.state_dict(), SETTINGS: {"stage": "RecogniseStage", **stage.settings}}, path)
    return path


CLAIMS = (
    {"blocks": [100_000, 1, 1, 1]}, {"strips": 10**9}, {"frame": [6400, 4400]}, {"embedding": 2**62},
    {"channels": [4, 8, 8, 4096]}, {"blocks": [50, 50, 50, 50]}, {"markers": 1000}, {"volume_depth": 256},
    {"frame": "a"}, {"strips": True}, {"joints": 24.0}, {"blocks": [[1], 1, 1, 1]}, {"frame": [64]},
    {"pseudo_3d": 7},
)  # fmt: skip


WRONG = "describe no network|weights and settings disagree|must be at least"


def change(folder, edit):
    content = yaml.safe_load((folder / "model.yaml").read_text())
    edit(content)
    (folder / "model.yaml").write_text(yaml.safe_dump(content))


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_sizes_that_the_weights_do_not_confirm_are_refused_before_anything_is_built(model, monkeypatch, claim):
    monkeypatch.setattr(RecogniseStage, "__init__", lambda *_, **__: pytest.fail("it was built"))
    change(model, lambda content: content["settings"]["size"].update(claim))
    with pytest.raises(MeshGaitError, match=WRONG):
        RecogniseStage.load(model)


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_the_same_of_a_checkpoint(tmp_path, monkeypatch, claim):
    stage = RecogniseStage(TINY, 3)
    settings = {"stage": "RecogniseStage", **stage.settings, "size": asdict(TINY) | claim}
    torch.save({"state_dict": stage.state_dict(), SETTINGS: settings}, tmp_path / "x.ckpt")
    monkeypatch.setattr(RecogniseStage, "__init__", lambda *_, **__: pytest.fail("it was built"))
    with pytest.raises(MeshGaitError, match=WRONG):
        RecogniseStage.load(tmp_path / "x.ckpt")


@pytest.mark.parametrize(
    "setting",
    [{"pretrained": "someone/model"}, {"body": "/etc/passwd"}, {"markers": "/etc/passwd"}, {"lr": 1},
     {"num_subjects": 10**12}, {"num_subjects": "x"}, {"use_3d": []}, {"fusion": {}}, {"decoder": [1]},
     {"losses": {}}],
    ids=str,
)  # fmt: skip
def test_nothing_that_a_model_names_is_opened(model, monkeypatch, setting):
    monkeypatch.setattr(
        "meshgait.stages.checkpoint.find_model", lambda path: path if path == model else pytest.fail(path)
    )
    change(model, lambda content: content["settings"].update(setting))
    with pytest.raises(MeshGaitError):
        RecogniseStage.load(model)


def test_a_size_that_cannot_be_printed_is_refused(model, checkpoint, tmp_path):
    """Nine lists of ten times the one before: a message that shows it would never end."""
    value = [1]
    for _ in range(9):
        value = [value] * 10
    change(model, lambda content: content["settings"]["size"].update(strips=value))
    with pytest.raises(DataError, match="more than"):
        RecogniseStage.load(model)
    content = torch.load(checkpoint, weights_only=True)
    content[SETTINGS]["size"]["strips"] = value
    torch.save(content, checkpoint)
    with pytest.raises(DataError, match="not a checkpoint of meshgait"):
        read_checkpoint(checkpoint)


def test_a_model_that_needs_what_no_model_needs_is_refused(model):
    change(model, lambda content: content.update(needs={"pretrained": {"name": "x", "sha256": "y"}}))
    with pytest.raises(DataError, match="names files"):
        RecogniseStage.load(model)


@pytest.mark.parametrize("text", ["[" * 5000, "a: &a [1]\nb: &b [*a, *a]\n" * 2, "x" * 2**21, "{a: {b: " * 900])
def test_descriptions_that_are_traps_are_refused(model, text):
    (model / "model.yaml").write_text(text)
    with pytest.raises(DataError, match="holds no description of an exported model"):
        RecogniseStage.load(model)


@pytest.mark.parametrize("length", [0, 1, 2**24 + 1, 2**63])
def test_a_header_is_no_longer_than_its_file(model, length):
    file = model / "model.safetensors"
    file.write_bytes(struct.pack("<Q", length) + file.read_bytes()[8:])
    change(model, lambda content: content["weights"].update(sha256=sha256_of(file)))
    with pytest.raises(DataError, match="cannot be read as safetensors"):
        RecogniseStage.load(model)


@pytest.mark.parametrize("shape", [[10**9, 10**9], [2**63, 2], [-1], [10**12, 0]])
def test_tensors_lie_within_the_file(model, shape):
    file = model / "model.safetensors"
    header = json.dumps({"network.x": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4]}}).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    change(model, lambda content: content["weights"].update(sha256=sha256_of(file)))
    with pytest.raises(DataError):
        RecogniseStage.load(model)


def repacked(path, how):
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", how) as file:
        for name, content in parts.items():
            file.writestr(name, content)


def test_a_compressed_checkpoint_is_refused_unread(checkpoint):
    repacked(checkpoint, zipfile.ZIP_STORED)
    read_checkpoint(checkpoint)
    repacked(checkpoint, zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="compressed"):
        read_checkpoint(checkpoint)


@pytest.mark.parametrize(
    "state",
    [
        {"a": torch.zeros(1).expand(10**12)},
        {"a": 1},
        {1: torch.zeros(1)},
        [1],
        {"a": torch.empty(9, device="meta")},
    ],
    ids=range(5),
)
def test_weights_are_tensors_that_lie_in_the_file(tmp_path, state):
    torch.save({"state_dict": state, SETTINGS: {"size": {}}}, tmp_path / "x.ckpt")
    with pytest.raises(DataError, match="not a checkpoint of meshgait"):
        read_checkpoint(tmp_path / "x.ckpt")


@pytest.mark.parametrize("settings", [{"size": 1}, {"size": {3: 4}}, "text", {5: 6}], ids=str)
def test_settings_have_names(tmp_path, settings):
    torch.save({"state_dict": {}, SETTINGS: settings}, tmp_path / "x.ckpt")
    with pytest.raises(DataError, match="not a checkpoint of meshgait"):
        read_checkpoint(tmp_path / "x.ckpt")


def test_a_checkpoint_cannot_ask_for_memory(tmp_path):
    """A pickle may say `bytearray(2 * 10**9)`, which torch admits."""
    path = tmp_path / "x.ckpt"
    torch.save({"a": 1}, path)
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name, content in parts.items():
            bomb = b"\x80\x02cbuiltins\nbytearray\nJ\x00\x94\x35\x77\x85R."
            file.writestr(name, bomb if name.endswith("data.pkl") else content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="arrays of bytes"):
        read_checkpoint(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_checkpoint_is_one_line(checkpoint, share, capfd):
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(len(content) * share)])
    assert main(["export", str(checkpoint), "--out", str(checkpoint.with_name("out"))]) == 2
    printed = capfd.readouterr().err  # libraries in C print there, too
    assert printed.count("\n") == 1 and "cannot be read as a checkpoint" in printed
