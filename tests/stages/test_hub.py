import sys
from types import ModuleType

import pytest
import torch

from meshgait.cli import main
from meshgait.errors import ConfigError, DataError
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages.checkpoint import find_model
from meshgait.stages.hub import download, is_repository
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.weights import write_model

FILES = ("model.yaml", "model.safetensors")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def stage(tiny_size):
    return RecogniseStage(tiny_size, 3, network=NetworkConfig(use_3d=False)).eval()


def write(stage, folder):
    folder.mkdir(parents=True)
    write_model(folder, "RecogniseStage", stage.settings, stage.state_dict())
    return folder


class FakeHub(ModuleType):
    """Stands in for huggingface_hub; keeps what it was asked for."""

    def __init__(self, answer):
        super().__init__("huggingface_hub")
        self.answer, self.asked = answer, []

    def snapshot_download(self, name, revision=None, allow_patterns=None):
        self.asked.append((name, revision, allow_patterns))
        if isinstance(self.answer, Exception):
            raise self.answer
        return str(self.answer)


@pytest.fixture
def hub(monkeypatch):
    def install(answer):
        fake = FakeHub(answer)
        monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
        return fake

    return install


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("owner/name", True),
        ("owner/name@v1.0", True),
        ("Some-Lab/mesh_gait.usf@refs/pr/1", True),
        ("name", False),
        ("runs/finetune/checkpoints/last.ckpt", False),
        ("finetune/last.ckpt", False),
        ("here/name", False),  # there is a folder of that name: a slip in a path is not told to the network
        ("here/model", False),
        ("/owner/name", False),
        ("./owner/name", False),
        ("../owner", False),
        ("owner/../name", False),
        ("owner/name/", False),
        ("", False),
    ],
)
def test_what_counts_as_a_repository(name, meant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here" / "model").mkdir(parents=True)
    assert is_repository(name) is meant


def test_a_model_is_loaded_by_its_name(hub, tmp_path, stage, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fake = hub(write(stage, tmp_path / "snapshot"))
    again = RecogniseStage.load("owner/name@v2")
    assert fake.asked == [("owner/name", "v2", list(FILES))]
    walks = torch.rand(1, 3, 64, 44), torch.ones(1, 3, dtype=torch.bool)
    assert torch.equal(again(*walks).embeddings, stage(*walks).embeddings)


def test_a_path_is_not_asked_for_at_the_hub(hub, tmp_path, stage, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fake = hub(RuntimeError("the network was asked"))
    write(stage, tmp_path / "owner" / "name")
    assert RecogniseStage.load("owner/name").network.size == stage.network.size
    assert find_model("gone.ckpt") is None and fake.asked == []


def test_out_of_reach_says_what_to_do(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    hub(ConnectionError("no route\nto the host"))
    assert main(["embed", "walker.npy", "--checkpoint", "owner/name"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "no route to the host" in error and "copy the model's folder here" in error
    assert list(tmp_path.iterdir()) == []


def test_without_the_client_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"not a local path.* huggingface_hub.*pip install 'meshgait\[hub\]'"):
        RecogniseStage.load("owner/name")


def test_a_repository_of_something_else_is_refused(hub, tmp_path):
    (tmp_path / "model.yaml").touch()
    hub(tmp_path)
    with pytest.raises(DataError, match=r"holds no model\.safetensors"):
        download("owner/name", FILES)


def test_the_real_client_finds_what_is_in_its_cache(tmp_path, stage, monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    repository = tmp_path / "cache" / "models--owner--name"
    write(stage, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    again = RecogniseStage.load("owner/name")
    assert torch.equal(again.network.embed.weight, stage.network.embed.weight)
    assert torch.equal(
        RecogniseStage.load(f"owner/name@{COMMIT}").network.embed.weight, again.network.embed.weight
    )
    with pytest.raises(DataError, match="owner/other is not a local path and cannot be downloaded"):
        RecogniseStage.load("owner/other")
