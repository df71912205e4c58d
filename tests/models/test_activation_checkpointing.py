"""Checkpointing changes memory and time, and nothing else."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from meshgait.models import lifter
from meshgait.models.activation_checkpointing import enable_checkpointing, maybe_checkpoint
from meshgait.models.backbone import Stem
from meshgait.models.lifter import Lifter, Reconstructor
from meshgait.models.meshgait import MeshGait


def trained(network, silhouettes, mask, with_body):
    """Gradients and running statistics after one step."""
    network.train()
    output = network(silhouettes, mask, with_body)
    loss = output.embeddings.square().sum() + output.logits.sum()
    if output.body is not None:
        loss = loss + output.body.points.square().mean() + output.body.marginals.square().sum()
    loss.backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    return gradients, dict(network.named_buffers())


@pytest.fixture(params=[1, 3])
def blocks_of(request, tiny_size, monkeypatch):
    """So many frames of volumes are made at a time."""
    depth, height, width = tiny_size.volume
    monkeypatch.setitem(lifter.BLOCK_BYTES, "cpu", 4 * request.param * tiny_size.points * depth * height * width)


@pytest.mark.slow
@pytest.mark.usefixtures("blocks_of")
@pytest.mark.parametrize(
    ("with_body", "settings"),
    [
        (True, {}),
        (True, {"detach_heatmaps": True}),
        (True, {"fusion": "3d-only"}),
        (False, {}),
        (False, {"use_3d": False}),
    ],
)
@pytest.mark.parametrize("pseudo_3d", [False, True])
def test_gradients_and_statistics_are_the_same(tiny_size, with_body, settings, pseudo_3d):
    size = dataclasses.replace(tiny_size, pseudo_3d=pseudo_3d)
    plain = MeshGait(size, 3, **settings)
    saving = MeshGait(size, 3, **settings, checkpointing=True)
    saving.load_state_dict(plain.state_dict())
    silhouettes = (torch.rand(2, 8, 64, 44) > 0.5).float()
    mask = torch.arange(8) < torch.tensor([[8], [5]])
    (wanted, statistics), (got, kept) = (trained(net, silhouettes, mask, with_body) for net in (plain, saving))
    same(got, wanted)
    same(kept, statistics)
    assert statistics["stem.entry.0.1.num_batches_tracked"] == 1


def same(got, wanted):
    """Whether two dictionaries hold the same tensors, or None in the same places."""
    assert got.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(got[name], value, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.usefixtures("blocks_of")
def test_stage_1_learns_the_same(tiny_size):
    plain, saving = (
        Reconstructor(tiny_size, Stem(tiny_size), Lifter(tiny_size), checkpointing)
        for checkpointing in (False, True)
    )
    saving.load_state_dict(plain.state_dict())
    frames = (torch.rand(7, 64, 44) > 0.5).float()
    gradients, estimates = [], []
    for network in (plain, saving):
        body = network.train()(frames)
        (body.points.square().mean() + body.marginals.square().sum()).backward()
        estimates.append({name: getattr(body, name) for name in ("points", "marginals", "confidence")})
        gradients.append({name: p.grad for name, p in network.named_parameters()})
        assert (body.volumes is None) == (network is saving)
    same(estimates[1], estimates[0])
    same(gradients[1], gradients[0])
    same(dict(saving.named_buffers()), dict(plain.named_buffers()))


def test_no_volume_is_kept_for_the_gradient(tiny_size, monkeypatch):
    depth, height, width = tiny_size.volume
    voxels = tiny_size.points * depth * height * width
    monkeypatch.setitem(lifter.BLOCK_BYTES, "cpu", 4 * voxels)
    frames = 16

    def kept(checkpointing):
        sizes = []
        network = MeshGait(tiny_size, 3, checkpointing=checkpointing).train()
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            network(torch.rand(2, frames, 64, 44), torch.ones(2, frames, dtype=torch.bool), with_body=True)
        return max(sizes)

    assert kept(False) == 2 * frames // tiny_size.lift_every * voxels
    assert kept(True) < kept(False) / 5


class Bytes(nn.Module):
    """Counts what autograd keeps of a part."""

    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
            maybe_checkpoint(self.part, x)
        return sum(kept)


def test_what_is_kept_is_the_input_alone():
    part = nn.Sequential(*(layer for _ in range(4) for layer in (nn.Conv2d(3, 3, 3, padding=1), nn.Tanh())))
    saving = copy.deepcopy(part)
    enable_checkpointing([saving])
    x = torch.rand(2, 3, 16, 16, requires_grad=True)
    assert Bytes(saving)(x) <= x.numel() < Bytes(part)(x) / 6


def test_evaluation_is_not_touched(tiny_size):
    calls = []
    network = MeshGait(tiny_size, checkpointing=True).eval()
    network.stem.entry.register_forward_hook(lambda *_: calls.append(1))
    network(torch.rand(1, 2, 64, 44), torch.ones(1, 2, dtype=torch.bool)).embeddings.sum().backward()
    assert calls == [1]
