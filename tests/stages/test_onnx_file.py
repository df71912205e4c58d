import dataclasses

import pytest
import torch

from meshgait.errors import ConfigError, OutputError
from meshgait.models.meshgait import MeshGait
from meshgait.stages import onnx_file
from meshgait.stages.onnx_file import CHECKED, random_walks, write_onnx

pytestmark = pytest.mark.slow


def trained(network):
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


# without its 3D branch the network is exported in the test of the verb
@pytest.mark.parametrize(
    ("size", "options"),
    [
        ({"lift_every": 3}, {"num_subjects": 7}),
        ({"lift_every": 1, "posture_parts": 0, "pseudo_3d": True}, {"fusion": "concat", "detach_heatmaps": True}),
    ],
    ids=["attention, posture, every third frame", "concat, no posture, every frame, pseudo-3D"],
)
def test_both_networks_embed_alike_whatever_the_batch_and_length(tmp_path, tiny_size, size, options):
    onnxruntime, onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    network = trained(MeshGait(dataclasses.replace(tiny_size, **size), **options))
    path = tmp_path / "model.onnx"
    assert write_onnx(network, tiny_size.frame, path, {"meshgait": "1.2.3"}) < 1e-4
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [(i.name, i.shape, i.type) for i in session.get_inputs()] == [
        ("silhouettes", ["batch", "time", 64, 44], "tensor(float)"),
        ("mask", ["batch", "time"], "tensor(bool)"),
    ]
    strips = 16 + network.size.posture_parts
    assert [(o.name, o.shape) for o in session.get_outputs()] == [("embeddings", ["batch", strips, 8])]
    for batch in (1, 2, 3):
        for time in (1, 2, 3, 4, 7, 37):
            silhouettes = torch.rand(batch, time, 64, 44).round()
            lengths = torch.randint(1, time + 1, (batch, 1))
            lengths[0] = time
            mask = torch.arange(time) < lengths
            with torch.no_grad():
                expected = network(silhouettes, mask).embeddings
            feed = {"silhouettes": silhouettes.numpy(), "mask": mask.numpy()}
            found = torch.from_numpy(session.run(None, feed)[0])
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
            # what fills a shorter sequence up says nothing
            feed["silhouettes"] = torch.where(mask[..., None, None], silhouettes, 1 - silhouettes).numpy()
            torch.testing.assert_close(torch.from_numpy(session.run(None, feed)[0]), found, atol=1e-6, rtol=1e-6)
    model = onnx.load(path)
    assert {prop.key: prop.value for prop in model.metadata_props} == {"meshgait": "1.2.3"}
    shapes = {tuple(tensor.dims) for tensor in model.graph.initializer}
    assert (strips, 8, 8) in shapes and not any(7 in shape for shape in shapes)  # embeds, does not classify
    content = path.read_bytes()
    assert b".py" not in content and b"meshgait/" not in content  # no line of source, no path of this machine


def test_a_file_that_embeds_otherwise_is_refused(tmp_path, tiny_size, monkeypatch):
    pytest.importorskip("onnxruntime"), pytest.importorskip("onnxscript")

    class Halved(torch.nn.Module):
        """A network that is another one while it is traced."""

        def forward(self, silhouettes, mask):
            factor = 0.5 if torch.compiler.is_compiling() else 1.0
            return type("Output", (), {"embeddings": silhouettes.mean((2, 3)).cumsum(1)[:, :1] * factor})

    with pytest.raises(OutputError, match="differ by"):
        write_onnx(Halved(), tiny_size.frame, tmp_path / "x.onnx", {})


def test_a_network_that_depends_on_values_is_refused_in_one_line(tmp_path, tiny_size):
    pytest.importorskip("onnxscript"), pytest.importorskip("onnxruntime")

    class Choosy(torch.nn.Module):
        def forward(self, silhouettes, mask):
            return silhouettes if silhouettes.sum() > 3 else mask

    with pytest.raises(ConfigError, match="cannot trace this network") as caught:
        write_onnx(Choosy(), tiny_size.frame, tmp_path / "x.onnx", {})
    assert "\n" not in str(caught.value) and not (tmp_path / "x.onnx").exists()


def test_a_network_that_reads_more_than_silhouettes_is_refused(tmp_path, tiny_size):
    pytest.importorskip("onnxscript"), pytest.importorskip("onnxruntime")
    with pytest.raises(ConfigError, match="reads SMPL parameters"):
        write_onnx(MeshGait(tiny_size, use_3d=False, reads_smpl=True), tiny_size.frame, tmp_path / "x.onnx", {})


def test_the_walks_that_are_compared_differ_in_batch_and_length_and_are_padded():
    assert len({b for b, _ in CHECKED}) > 1 and len({t for _, t in CHECKED}) > 2
    silhouettes, mask = random_walks(3, 2, (8, 6))
    assert silhouettes.shape == (3, 2, 8, 6)
    assert mask.tolist() == [[True, True], [True, False], [True, False]]
    assert torch.equal(random_walks(3, 2, (8, 6))[0], silhouettes)
    assert onnx_file.TOLERANCE == 1e-4
