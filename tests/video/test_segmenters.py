import sys
import types
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import meshgait
from meshgait.errors import ConfigError
from meshgait.video.figures import Box
from meshgait.video.segmenters import make_segmenter
from tests.video.tflite_files import write_tflite

RED = (1, 0, 0)
"""Weights of a network whose output is the red channel."""


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


@pytest.mark.parametrize("settings", [{}, {"quantised": True}, {"open_size": True}], ids=["float", "8", "open"])
def test_a_tflite_network_sees_what_the_same_onnx_network_sees(tmp_path, picture, settings):
    (tmp_path / "a.yaml").write_text("size: [120, 160]\n")
    ours = make_segmenter(write_tflite(tmp_path / "a.tflite", [RED], **settings)).figures(picture)
    other = make_segmenter(bright(tmp_path / "b.onnx")).figures(picture)
    assert boxes(ours) == boxes(other) and len(ours) == 2
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(ours, other, strict=True))


def test_the_output_that_is_a_mask_is_found_or_named(tmp_path, picture):
    path = write_tflite(tmp_path / "a.tflite", [RED], also=[(1, 7), (1, 20, 20, 9)])
    assert len(make_segmenter(path).figures(picture)) == 2
    for number, words in {0: "output 0 is no mask", 3: "output 3 is no mask", 1: ""}.items():
        (tmp_path / "a.yaml").write_text(f"output: {number}\n")
        if words:
            with pytest.raises(ConfigError, match=words):
                make_segmenter(path).figures(picture)
        else:
            assert make_segmenter(path).figures(picture) == []  # it is constant
    for wrong in ("size: [0, 9]", "size: [9]", "closeup: -1"):
        (tmp_path / "a.yaml").write_text(f"{wrong}\n")
        with pytest.raises(ConfigError, match="closeup from 0 to 10"):
            make_segmenter(path)


def test_a_tflite_file_that_cannot_be_used_is_refused_with_a_remedy(tmp_path, monkeypatch):
    path = write_tflite(tmp_path / "five.tflite", np.zeros((1, 5)))
    with pytest.raises(ConfigError, match=r"takes \[1, 120, 160, 5\]; give a network of one picture"):
        make_segmenter(path)
    whole = Path(path).read_bytes()
    for content in (b"no network", b"", whole[: len(whole) // 2], bytes(len(whole))):
        Path(path).write_bytes(content)
        with pytest.raises(ConfigError, match="is no network that LiteRT reads"):
            make_segmenter(path)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(ConfigError, match=r"pip install 'meshgait\[tflite\]'"):
        make_segmenter(path)


def test_the_card_of_blazepose_is_shown_and_it_sees_one_person_at_a_time(tmp_path, picture, capsys):
    """MediaPipe's pose network is known by its outputs; its mask is a logit."""
    outputs = [(1, 195), (1, 1), (1, 64, 64, 39), (1, 117)]
    path = write_tflite(tmp_path / "pose.tflite", [(20, 0, 0)], (64, 64), also=outputs, bias=-10)
    segmenter = make_segmenter(path)
    said = capsys.readouterr().err
    assert said.count("model card says") == 1 and "identity recognition is explicitly out of scope" in said
    assert said.count("\n") == 1 and "your choice" in said and segmenter.needs_still_camera
    segmenter.learn([np.zeros_like(picture)] * 9)
    np.testing.assert_allclose(boxes(segmenter.figures(picture)), [(60, 60), (200, 60)], atol=3)
    assert len(segmenter.figures(picture, [Box(55, 55, 105, 205)])) == 2  # an expected one is not seen twice
    make_segmenter(write_tflite(tmp_path / "mine.tflite", [RED]))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("place", [(0, 40), (150, 40), (-10, -5), (295, 130)])
def test_a_close_up_lies_where_the_whole_frame_would(tmp_path, place):
    """Also at the border, beyond which the network sees black."""
    image = np.zeros((240, 320, 3), np.uint8)
    cv2.rectangle(image, place, (place[0] + 39, place[1] + 139), (0, 0, 255), -1)
    (tmp_path / "near.yaml").write_text("closeup: 1.3\nsize: [128, 96]\n")
    segmenter = make_segmenter(write_tflite(tmp_path / "near.tflite", [RED], open_size=True))
    segmenter.learn([np.zeros_like(image)] * 9)
    (figure,) = segmenter.figures(image)
    whole = np.zeros(image.shape[:2], bool)
    left, top, right, bottom = map(int, figure.box)
    whole[top:bottom, left:right] = figure.mask
    truth = image[..., 2] > 0
    assert (whole & truth).sum() / (whole | truth).sum() > 0.9


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
