import sys
import types

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import meshgait
from meshgait.errors import ConfigError
from meshgait.video.segmenters import make_segmenter


def bright(path, channels=1):
    """A network whose output is the red channel, in the last of its channels."""
    first = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 120, 160])
    last = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, channels, 120, 160])
    weights = np.zeros((channels, 3, 1, 1), np.float32)
    weights[-1, 0] = 1
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    tensor = helper.make_tensor("w", TensorProto.FLOAT, weights.shape, weights.ravel())
    graph = helper.make_graph([node], "g", [first], [last], [tensor])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return str(path)


@pytest.fixture
def picture():
    """Two red people (BGR) on black."""
    image = np.zeros((240, 320, 3), np.uint8)
    for left in (60, 200):
        cv2.rectangle(image, (left, 60), (left + 39, 199), (0, 0, 230), -1)
    return image


def boxes(figures):
    return sorted(figure.box[:2] for figure in figures)


def test_a_network_of_ones_own(tmp_path, picture):
    segmenter = make_segmenter(bright(tmp_path / "red.onnx"))
    assert segmenter.name == "red.onnx" and not segmenter.needs_still_camera
    segmenter.learn([picture])
    np.testing.assert_allclose(boxes(segmenter.figures(picture)), [(60, 60), (200, 60)], atol=2)
    assert segmenter.figures(picture[..., ::-1]) == []


def test_what_a_network_wants_is_described_beside_it(tmp_path, picture):
    path = bright(tmp_path / "blue.onnx", channels=2)
    assert make_segmenter(path).figures(picture) == []  # channel 0
    (tmp_path / "blue.yaml").write_text("rgb: false\nchannel: 1\nsigmoid: true\nmean: [0.5, 0.5, 0.5]\n")
    assert len(make_segmenter(path).figures(np.ascontiguousarray(picture[..., ::-1]))) == 2
    (tmp_path / "blue.yaml").write_text("channel: 7\n")
    with pytest.raises(ConfigError, match="gives 2 channels; channel 7"):
        make_segmenter(path).figures(picture)
    (tmp_path / "blue.yaml").write_text("channel: many\n")
    with pytest.raises(ConfigError, match="description of a network"):
        make_segmenter(path)


def test_what_cannot_be_used_is_refused_with_a_remedy(tmp_path, monkeypatch):
    (tmp_path / "text.onnx").write_text("no network")
    for name, words in {
        "magic": "unknown; give subtract",
        str(tmp_path / "gone.onnx"): "does not exist",
        str(tmp_path / "text.onnx"): "is no network",
    }.items():
        with pytest.raises(ConfigError, match=words):
            make_segmenter(name)
    path = bright(tmp_path / "red.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match="pip install onnxruntime"):
        make_segmenter(path)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(ConfigError, match=r"pip install 'meshgait\[masks\]'"):
        make_segmenter("torchvision")


def fake_torchvision(monkeypatch):
    """Torchvision's interface with a network that sees two persons, an unsure one and a dog."""
    masks = torch.zeros(4, 1, 240, 320)
    for row, left in enumerate((60, 200, 100, 10)):
        masks[row, 0, 60:200, left : left + 40] = 0.9
    given = {"labels": torch.tensor([1, 1, 1, 18]), "scores": torch.tensor([0.99, 0.8, 0.3, 0.9]), "masks": masks}

    class Network(torch.nn.Module):
        def forward(self, images):
            assert images[0].shape == (3, 240, 320) and images[0].max() <= 1
            assert images[0][0].max() > 0.5 > images[0][2].max()  # red comes first
            return [given]

    weights = types.SimpleNamespace(DEFAULT=types.SimpleNamespace(url="https://host/mask.pth"))
    detection = types.SimpleNamespace(
        MaskRCNN_ResNet50_FPN_V2_Weights=weights, maskrcnn_resnet50_fpn_v2=lambda weights: Network()
    )
    models = types.ModuleType("torchvision.models")
    models.detection = detection
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)


def test_mask_rcnn_takes_persons_and_asks_before_it_fetches(monkeypatch, tmp_path, picture):
    fake_torchvision(monkeypatch)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ConfigError, match="give --fetch"):
        make_segmenter("torchvision")
    assert boxes(make_segmenter("torchvision", fetch=True).figures(picture)) == [(60, 60), (200, 60)]
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/mask.pth").touch()
    assert len(make_segmenter("torchvision").figures(picture)) == 2


def test_a_moving_camera_is_no_matter_to_a_network(tmp_path, videos, background):
    from meshgait.synthetic.film import Actor, shoot, walking_actor, write_video

    walker = walking_actor(1, 40, (150, 215))
    red = Actor(walker.masks, np.full_like(walker.colours, (20, 20, 255)), walker.corners)
    shift = np.stack([2 * np.arange(40), np.zeros(40, int)], axis=1)
    write_video(videos / "red.mp4", shoot([red], background * 0.4, 40, shift=shift).frames)
    found = meshgait.silhouettes(videos / "red.mp4", bright(tmp_path / "red.onnx"))
    assert not found.report.motion.still and len(found.walks) == 1
