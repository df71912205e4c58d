import dataclasses

import pytest
import torch
from torch.nn.functional import normalize

from meshgait.body.smpl import BodyModel
from meshgait.errors import ConfigError
from meshgait.models import lifter
from meshgait.models.lifter import Lifter
from meshgait.models.mesh import MeshDecoder
from meshgait.models.meshgait import MeshGait
from meshgait.models.size import NetworkSize


@pytest.fixture
def walks():
    return (torch.rand(2, 5, 64, 44) > 0.5).float()


ALL = torch.ones(2, 5, dtype=torch.bool)


def trained(network):
    """Give the batch norms statistics of their own, so that evaluation is not blind to mistakes."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def plain(size):
    """The size with a 3D branch that sees all frames and adds no vectors to those of the baseline."""
    return dataclasses.replace(size, posture_parts=0, lift_every=1)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_default_2d_network_is_the_published_gaitbase():
    network = MeshGait(NetworkSize(), num_subjects=3000, use_3d=False)
    assert count(network) == pytest.approx(19.29e6, rel=0.005)
    assert count(network.classify) == pytest.approx(12.29e6, rel=0.005)


def test_without_the_3d_branch_it_is_stem_trunk_and_heads_and_nothing_else(tiny_size, walks):
    network = MeshGait(tiny_size, num_subjects=7, use_3d=False).train()
    parts = (network.stem, network.trunk, network.embed, network.classify)
    assert count(network) == sum(map(count, parts))
    got = network(walks, ALL)
    maps = network.trunk(network.stem(walks.reshape(10, 1, 64, 44)), ALL).reshape(2, 5, 8, 16, 11)
    pooled = maps.amax(1)  # (2, 8, 16, 11): a strip is one row
    vectors = pooled.mean(-1) + pooled.amax(-1)
    expected = torch.stack([vectors[:, :, s] @ network.embed.weight[s] for s in range(16)], 1)
    torch.testing.assert_close(got.embeddings, expected)
    assert got.body is None
    assert network(walks, ALL, with_body=True).body is None


def test_both_branches_share_the_path_of_the_baseline(tiny_size, walks):
    """With the weights of the baseline and a fusion that takes the 2D map alone, the output is the baseline's."""
    flat = trained(MeshGait(plain(tiny_size), 3, use_3d=False))
    deep = trained(MeshGait(plain(tiny_size), 3, use_3d=True))
    missing, unexpected = deep.load_state_dict(flat.state_dict(), strict=False)
    assert not unexpected
    assert {name.split(".")[0] for name in missing} == {"lifter", "reader", "fusion"}
    assert not torch.allclose(deep(walks, ALL).embeddings, flat(walks, ALL).embeddings)
    deep.fusion = torch.nn.Module()
    deep.fusion.forward = lambda two, three: two
    torch.testing.assert_close(deep(walks, ALL).embeddings, flat(walks, ALL).embeddings)


@pytest.mark.parametrize("use_3d", [True, False])
def test_padding_frames_do_not_matter(tiny_size, walks, use_3d):
    network = trained(MeshGait(tiny_size, use_3d=use_3d))
    alone = network(walks[:1, :3], ALL[:1, :3]).embeddings
    mask = torch.tensor([[True, True, True, False, False], [True] * 5])
    for filling in (0.0, 1.0):
        padded = walks.clone()
        padded[0, 3:] = filling
        got = network(padded, mask).embeddings
        torch.testing.assert_close(got[:1], alone)
        torch.testing.assert_close(got[1:], network(walks[1:], ALL[1:]).embeddings)


@pytest.mark.parametrize(
    ("use_3d", "every", "order"),
    # where every second frame is lifted, the order is free among these and among the others
    [(False, 2, [3, 0, 4, 2, 1]), (True, 1, [3, 0, 4, 2, 1]), (True, 2, [4, 3, 0, 1, 2])],
)
def test_the_order_of_frames_does_not_matter_and_the_frames_do(tiny_size, walks, use_3d, every, order):
    network = trained(MeshGait(dataclasses.replace(tiny_size, lift_every=every), use_3d=use_3d))
    expected = network(walks, ALL).embeddings
    torch.testing.assert_close(network(walks[:, order], ALL).embeddings, expected)
    assert not torch.allclose(network(walks[:, :2], ALL[:, :2]).embeddings, expected)


def test_every_second_frame_is_lifted(tiny_size, walks):
    """The 3D side of an embedding is that of the network that sees every frame, given the lifted frames alone."""
    size = dataclasses.replace(tiny_size, lift_every=2)
    half = trained(MeshGait(size))
    body = half(walks, ALL, with_body=True).body
    whole = MeshGait(dataclasses.replace(size, lift_every=1)).eval()
    whole.load_state_dict(half.state_dict())
    for network in (half, whole):
        network.fusion = torch.nn.Module()
        network.fusion.forward = lambda two, three: three
    expected = whole(walks[:, ::2], ALL[:, ::2], with_body=True)
    torch.testing.assert_close(body.points, expected.body.points)
    torch.testing.assert_close(half(walks, ALL).embeddings, expected.embeddings)


@pytest.mark.parametrize("fusion", ["attention", "concat"])
def test_the_larger_frame_works(tiny_size, fusion):
    size = dataclasses.replace(tiny_size, frame=(128, 88), lift_every=1)
    output = MeshGait(size, 3, fusion=fusion)(torch.rand(2, 2, 128, 88), ALL[:, :2], with_body=True)
    assert output.embeddings.shape == (2, 16 + size.posture_parts, 8)
    assert output.logits.shape == (2, 16 + size.posture_parts, 3)
    assert output.body.marginals.shape == (4, 88, 22 + 32 + 4)
    assert 64 < output.body.points[..., 1].max() <= 128


def test_inference_builds_no_mesh(tiny_size, walks, monkeypatch):
    def refuse(*_):
        raise AssertionError("a mesh was built")

    monkeypatch.setattr(MeshDecoder, "forward", refuse)
    monkeypatch.setattr(BodyModel, "forward", refuse)
    network = MeshGait(tiny_size, 3).eval()
    assert not any(isinstance(module, MeshDecoder | BodyModel) for module in network.modules())
    output = network(walks, ALL)
    assert output.body is None and output.logits is None


@pytest.mark.parametrize("detach", [False, True])
def test_identity_reaches_the_lifter_unless_detached(tiny_size, walks, detach):
    network = MeshGait(tiny_size, 3, detach_heatmaps=detach)
    network(walks, ALL).logits.square().sum().backward()
    grads = [p.grad for p in network.lifter.parameters()]
    if detach:
        assert all(grad is None or grad.abs().sum() == 0 for grad in grads)
    else:
        assert all(grad is not None for grad in grads)
        assert network.lifter.head.grad.abs().sum() > 0
    assert all(p.grad is not None for p in network.reader.parameters())
    assert network.stem.entry[0][0].weight.grad.abs().sum() > 0


def test_3d_losses_reach_the_lifter_also_when_detached(tiny_size, walks):
    network = MeshGait(tiny_size, 3, detach_heatmaps=True)
    network(walks, ALL, with_body=True).body.points.square().sum().backward()
    assert network.lifter.head.grad.abs().sum() > 0


def test_the_body_is_of_all_frames_sequence_by_sequence(tiny_size, walks):
    network = trained(MeshGait(plain(tiny_size)))
    body = network(walks, ALL, with_body=True).body
    assert body.points.shape == (10, 88, 3)
    one = network(walks[1:, 2:3], ALL[1:, :1], with_body=True).body
    torch.testing.assert_close(body.points[5 + 2], one.points[0], atol=1e-3, rtol=1e-4)


def test_logits_are_cosines_in_training_and_absent_in_evaluation(tiny_size, walks):
    network = MeshGait(plain(tiny_size), 3)
    output = network(walks, ALL)
    features = network.classify.neck(output.embeddings.reshape(2, -1)).reshape(2, 16, 8)
    for s in range(16):
        expected = normalize(features[:, s], dim=-1) @ normalize(network.classify.weight[s], dim=0)
        torch.testing.assert_close(output.logits[:, s], expected, atol=1e-4, rtol=1e-3)
    assert network.eval()(walks, ALL).logits is None
    assert MeshGait(tiny_size).train()(walks, ALL).logits is None


def test_the_reconstructor_shares_the_weights(tiny_size, walks):
    network = trained(MeshGait(plain(tiny_size)))
    apart = network.reconstructor()
    own = {id(p) for p in network.parameters()}
    assert all(id(p) in own for p in apart.parameters())
    torch.testing.assert_close(
        apart.eval()(walks.reshape(10, 64, 44)).points, network(walks, ALL, with_body=True).body.points
    )
    with pytest.raises(AttributeError, match="use_3d"):
        MeshGait(tiny_size, use_3d=False).reconstructor()


def test_an_unknown_fusion_is_refused(tiny_size):
    with pytest.raises(ConfigError, match="fusion"):
        MeshGait(tiny_size, fusion="sum")


@pytest.mark.parametrize("blocks_of", [1, 3, 100])
def test_reading_the_volumes_in_blocks_changes_nothing(tiny_size, walks, blocks_of, monkeypatch):
    network = trained(MeshGait(tiny_size))
    voxels = tiny_size.points * tiny_size.volume_depth * 16 * 11
    monkeypatch.setitem(lifter.BLOCK_BYTES, "cpu", 4 * voxels * blocks_of)
    expected = network(walks, ALL).embeddings  # with gradients the volumes are made at once
    seen = []
    monkeypatch.setattr(
        Lifter, "volumes", lambda self, fine, real=Lifter.volumes: seen.append(len(fine)) or real(self, fine)
    )
    body = network(walks, ALL, with_body=True).body
    for with_body in (False, True):
        seen.clear()
        with torch.no_grad():
            output = network(walks, ALL, with_body)
        torch.testing.assert_close(output.embeddings, expected)
        assert sum(seen) == 6 and max(seen) == min(blocks_of, 6)
    for name in ("points", "marginals", "confidence"):
        torch.testing.assert_close(getattr(output.body, name), getattr(body, name), atol=1e-4, rtol=1e-4)


def test_padding_does_not_matter_to_a_pseudo_3d_network(tiny_size, walks):
    network = trained(MeshGait(dataclasses.replace(tiny_size, pseudo_3d=True, blocks=(1, 2, 1, 1))))
    alone = network(walks[:1, :3], ALL[:1, :3]).embeddings
    mask = torch.tensor([[True, True, True, False, False], [True] * 5])
    torch.testing.assert_close(network(walks, mask).embeddings[:1], alone)
    turned = network(walks.flip(1), ALL).embeddings
    assert not torch.allclose(turned, network(walks, ALL).embeddings)  # order counts here


def test_without_a_2d_branch_the_volumes_alone_tell(tiny_size, walks):
    network = trained(MeshGait(tiny_size, 3, fusion="3d-only"))
    assert network.trunk is None
    assert network(walks, ALL).embeddings.shape == (2, 16 + tiny_size.posture_parts, 8)
