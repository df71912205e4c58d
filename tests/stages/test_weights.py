import dataclasses
import hashlib
import json
import struct

import pytest
import torch
import yaml
from safetensors.torch import load, save

from meshgait import __version__
from meshgait.checksum import sha256_of
from meshgait.errors import ConfigError, DataError
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages.checkpoint import read_checkpoint, read_training_checkpoint
from meshgait.stages.config import BodyConfig
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.reconstruct import ReconstructStage
from meshgait.stages.weights import learnt, write_model


def hand_on(stage, folder, **options):
    folder.mkdir()
    write_model(folder, type(stage).__name__, stage.settings, stage.state_dict(), **options)
    return folder


def tensors(folder):
    return load((folder / "model.safetensors").read_bytes())


def unlike(stage):
    """Batch norms with statistics of their own, so that a mistake shows."""
    for name, buffer in stage.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    return stage.eval()


@pytest.fixture
def stage(tiny_size):
    return unlike(RecogniseStage(tiny_size, 5, body=SIMPLEX))


@pytest.fixture
def model(tmp_path, stage):
    return hand_on(stage, tmp_path / "model")


SIMPLEX = BodyConfig(decoder="simplex")
WALKS = (torch.rand(2, 5, 64, 44), torch.tensor([[True] * 5, [True] * 3 + [False] * 2]))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"network": NetworkConfig(fusion="concat")},
        {"network": NetworkConfig(use_3d=False)},
        {"body": SIMPLEX, "network": NetworkConfig(detach_heatmaps=True)},
    ],
    ids=str,
)
def test_what_is_read_is_what_was_written(tmp_path, tiny_size, options):
    size = dataclasses.replace(tiny_size, posture_parts=2, lift_every=3)
    stage = unlike(RecogniseStage(size, 5, **options))
    again = RecogniseStage.load(hand_on(stage, tmp_path / "model"))
    assert not again.training and again.network.size == size
    assert again.settings == {**stage.settings, "num_subjects": 0}
    assert torch.equal(again(*WALKS).embeddings, stage(*WALKS).embeddings)


def test_the_learnt_trust_in_markers_comes_along(tmp_path, stage):
    with torch.no_grad():
        stage.supervision.mesh.gamma.fill_(0.7)
    assert RecogniseStage.load(hand_on(stage, tmp_path / "model")).supervision.mesh.gamma.item() == (
        pytest.approx(0.7)
    )


def test_templates_of_people_stay_here_unless_asked_for(tmp_path, stage):
    without = tensors(hand_on(stage, tmp_path / "without"))
    folder = hand_on(stage, tmp_path / "with", with_classifier=True)
    more = tensors(folder)
    assert not any("classify" in name for name in without)
    assert {name for name in more if name not in without} == {
        name for name in stage.state_dict() if name.startswith("network.classify.")
    }
    again = RecogniseStage.load(folder)
    assert torch.equal(again.network.classify.weight, stage.network.classify.weight)
    # nor do they hide under another name
    assert not any(5 in value.shape for value in without.values())


def test_half_precision_halves_the_file_and_hardly_moves_embeddings(tmp_path, stage):
    whole, half = (hand_on(stage, tmp_path / name, half=name == "half") for name in ("whole", "half"))
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (whole, half)]
    assert sizes[1] < 0.6 * sizes[0]
    again, expected = RecogniseStage.load(half), stage(*WALKS).embeddings
    assert next(again.network.parameters()).dtype == torch.float32
    found = again(*WALKS).embeddings
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-3 * expected.abs().max().item())


def test_what_half_precision_cannot_hold_is_refused(tmp_path, stage):
    state = stage.state_dict()
    name = next(name for name in state if name.startswith("network.") and name.endswith("running_var"))
    state[name] = state[name] + 1e5
    with pytest.raises(ConfigError, match=f"{name} are too large for half precision; export without --half"):
        write_model(tmp_path, "RecogniseStage", stage.settings, state, half=True)


@pytest.mark.parametrize("kind", [RecogniseStage, ReconstructStage])
def test_nothing_of_the_body_is_in_the_file(tmp_path, tiny_size, kind):
    """Each array of body and markers is looked for by its shape and by its content."""
    stage = kind(tiny_size, 5) if kind is RecogniseStage else kind(tiny_size)
    folder = hand_on(stage, tmp_path / "model")
    found = tensors(folder)
    parameters = {name for name, _ in stage.network.named_parameters()}
    counts = {name for name, _ in stage.network.named_buffers()}
    assert {name.removeprefix("network.") for name in found} <= parameters | counts
    body = [b for b in stage.supervision.buffers() if b.numel() > 1]
    assert len(body) > 8
    content = (folder / "model.safetensors").read_bytes()
    shapes = {tuple(value.shape) for value in found.values()}
    vertices = max(b.shape[0] for b in body)
    assert vertices > 1000 and not any(vertices in shape for shape in shapes)
    for buffer in body:
        row = buffer.flatten()[:: max(1, buffer.numel() // 64)]
        if row.unique().numel() > 8:
            assert buffer.contiguous().flatten()[:64].numpy().tobytes() not in content


@pytest.mark.parametrize("kind", [RecogniseStage, ReconstructStage])
def test_a_checkpoint_holds_nothing_but_what_is_learnt(tiny_size, kind):
    """So that nothing is lost when this part alone is handed on."""
    stage = kind(tiny_size, 5, body=SIMPLEX) if kind is RecogniseStage else kind(tiny_size, body=SIMPLEX)
    assert learnt(stage.state_dict()).keys() == stage.state_dict().keys()


def test_stage_2_starts_from_an_exported_stage_1(tmp_path, tiny_size):
    first = unlike(ReconstructStage(tiny_size))
    folder = hand_on(first, tmp_path / "first")
    stage = RecogniseStage(tiny_size, 5, pretrained=str(folder))
    state = stage.network.state_dict()
    expected = first.network.state_dict()
    assert len(expected) > 20
    assert all(torch.equal(state[name], value) for name, value in expected.items())
    assert read_checkpoint(folder).network().keys() == expected.keys()
    with pytest.raises(DataError, match="of stage 1"):
        RecogniseStage.load(folder)


def test_two_exports_of_one_training_are_the_same_bytes(tmp_path, stage):
    one, two = (hand_on(stage, tmp_path / name) for name in ("one", "two"))
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()


def test_the_hash_is_that_of_the_file(model):
    content = yaml.safe_load((model / "model.yaml").read_text())
    data = (model / "model.safetensors").read_bytes()
    assert content["weights"]["sha256"] == hashlib.sha256(data).hexdigest()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])  # of the format, read by hand
    header.pop("__metadata__")
    assert content["weights"]["tensors"] == len(header)


def test_weights_that_are_not_finite_are_refused(tmp_path, stage):
    with torch.no_grad():
        stage.network.embed.weight[0, 0, 0] = float("nan")
    (tmp_path / "m").mkdir()
    with pytest.raises(DataError, match=r"network\.embed\.weight are not finite"):
        write_model(tmp_path / "m", "RecogniseStage", stage.settings, stage.state_dict())
    assert list((tmp_path / "m").iterdir()) == []


def describe(folder, change):
    """Change the YAML, and make its hash that of the weights as they are now."""
    file = folder / "model.yaml"
    content = yaml.safe_load(file.read_text())
    content["weights"]["sha256"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    change(content)
    file.write_text(yaml.safe_dump(content))


def weights(folder, change):
    state = tensors(folder)
    change(state)
    (folder / "model.safetensors").write_bytes(save(state))
    describe(folder, lambda content: None)


def damage(folder):
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-7] ^= 1
    (folder / "model.safetensors").write_bytes(data)


def cut(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-9])
    describe(folder, lambda content: None)


def as_pickle(folder):
    torch.save(tensors(folder), folder / "model.safetensors")
    describe(folder, lambda content: None)


HEAD = "network.embed.weight"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "model.yaml").unlink(), "model.yaml is missing"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
        (damage, "is not the file that model.yaml describes"),
        (cut, "cannot be read as safetensors"),
        (as_pickle, "cannot be read as safetensors"),
        (lambda f: (f / "model.yaml").write_text("a: [1,\n"), "holds no description of an exported model"),
        (lambda f: (f / "model.yaml").write_text("- 1\n"), "holds no description of an exported model"),
        (lambda f: (f / "model.yaml").write_text("!!python/object/apply:os.getcwd []\n"), "holds no description"),
        (lambda f: (f / "model.yaml").write_bytes(b"\xff\xfe\x00"), "holds no description of an exported model"),
        (lambda f: describe(f, lambda c: c.update(format=2, version="9.1")), "format 2 (meshgait 9.1)"),
        (lambda f: describe(f, lambda c: c.pop("settings")), "lacks settings"),
        (lambda f: describe(f, lambda c: c.update(weights={})), "lacks weights.sha256"),
        (lambda f: describe(f, lambda c: c["settings"].update(colour="red")), "colour"),
        (lambda f: describe(f, lambda c: c["settings"].pop("size")), "describe no network"),
        (lambda f: describe(f, lambda c: c["settings"]["size"].update(channels="wide")), "describe no network"),
        (lambda f: describe(f, lambda c: c["settings"]["size"].update(embedding=9)), "of another shape"),
        (lambda f: describe(f, lambda c: c["settings"].update(use_3d=False)), "too many"),
        (lambda f: describe(f, lambda c: c["settings"].update(num_subjects=5)), "missing (network.classify"),
        (lambda f: weights(f, lambda s: s.pop(HEAD)), f"1 missing ({HEAD})"),
        (lambda f: weights(f, lambda s: s.update(extra=torch.ones(2))), "1 too many (extra)"),
        (lambda f: weights(f, lambda s: s.update({"network.extra": torch.ones(2)})), "1 too many (network.extra)"),
        (lambda f: weights(f, lambda s: s.update({HEAD: torch.ones(3, 2)})), f"{HEAD} is [3, 2] instead of"),
    ],
    ids=range(22),
)
def test_a_model_that_is_not_whole_is_refused_in_one_line(model, spoil, says):
    spoil(model)
    with pytest.raises(DataError) as caught:
        RecogniseStage.load(model)
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert str(model) in str(caught.value) or "model.yaml" in str(caught.value)


def test_settings_out_of_range_are_refused_by_name(model):
    describe(model, lambda content: content["settings"]["size"].update(volume_stride=3))
    with pytest.raises(ConfigError, match="volume_stride is 3"):
        RecogniseStage.load(model)


def test_a_checkpoint_whose_weights_disagree_is_refused_too(tmp_path, stage):
    checkpoint = {"state_dict": stage.state_dict()}
    stage.on_save_checkpoint(checkpoint)
    checkpoint["state_dict"].pop(HEAD)
    torch.save(checkpoint, tmp_path / "x.ckpt")
    with pytest.raises(DataError, match="1 missing"):
        RecogniseStage.load(tmp_path / "x.ckpt")


def test_no_training_goes_on_from_an_export(model):
    with pytest.raises(DataError, match=r"exported model, .*--model\.pretrained"):
        read_training_checkpoint(model)


@pytest.fixture
def licensed(tmp_path, monkeypatch, tiny_size):
    """A stage with a body of its own at a path that says who trained it, and its export."""
    home = tmp_path / "home-of-alice"
    home.mkdir()
    files = {name: home / f"{name}.npz" for name in ("body", "markers")}
    from importlib.resources import files as assets

    for name, asset in (("body", "default_body.npz"), ("markers", "default_markers.npz")):
        files[name].write_bytes((assets("meshgait.body") / "assets" / asset).read_bytes())
    stage = unlike(RecogniseStage(tiny_size, 5, body=BodyConfig(str(files["body"]), str(files["markers"]))))
    return stage, files, hand_on(stage, tmp_path / "model")


def test_a_licensed_body_is_named_asked_for_and_checked(licensed, tmp_path):
    stage, files, folder = licensed
    assert "alice" not in (folder / "model.yaml").read_text()
    given = {name: str(path) for name, path in files.items()}
    with pytest.raises(ConfigError, match=r"body file body\.npz, which has a licence .* --body FILE"):
        RecogniseStage.load(folder)
    with pytest.raises(ConfigError, match=r"markers file markers\.npz.*--markers FILE"):
        RecogniseStage.load(folder, body=given["body"])
    with pytest.raises(ConfigError, match=r"is not the body file body\.npz"):
        RecogniseStage.load(folder, body=given["markers"], markers=given["markers"])
    with pytest.raises(ConfigError, match="there is no file"):
        RecogniseStage.load(folder, body=str(tmp_path / "gone.npz"), markers=given["markers"])
    again = RecogniseStage.load(folder, **given)
    assert torch.equal(again(*WALKS).embeddings, stage(*WALKS).embeddings)
    assert read_checkpoint(folder).settings["num_subjects"] == 0


def test_a_model_and_a_checkpoint_are_read_as_the_same(model, stage, tmp_path):
    checkpoint = {"state_dict": stage.state_dict(), "global_step": 7}
    stage.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "x.ckpt")
    one, two = read_checkpoint(model), read_checkpoint(tmp_path / "x.ckpt")
    assert (one.stage, one.version) == (two.stage, two.version) == ("RecogniseStage", __version__)
    changed = {"num_subjects", "body", "markers"}
    assert {**one.settings, **dict.fromkeys(changed)} == {**two.settings, **dict.fromkeys(changed)}
    kept = learnt(two.weights, with_classifier=False)
    assert one.weights.keys() == kept.keys() and all(torch.equal(one.weights[name], kept[name]) for name in kept)
    assert one.sha256 == sha256_of(model / "model.safetensors") and two.sha256 is None
    assert (one.step, two.step) == (None, 7) and not one.content and not one.needs
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.stage = "ReconstructStage"
