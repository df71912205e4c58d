"""Checkpointing changes memory and time, and nothing else."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from meshgait.models.meshgait import MeshGait
from meshgait.models.remember import forget_inside, run


def trained(network, silhouettes, mask):
    """Gradients and running statistics after one step."""
    network.train()
    output = network(silhouettes, mask, with_body=network.lifter is not None)
    loss = output.embeddings.square().sum() + output.logits.sum()
    if output.body is not None:
        loss = loss + output.body.points.square().mean()
    loss.backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    return gradients, dict(network.named_buffers())


@pytest.mark.parametrize(("use_3d", "pseudo_3d"), [(True, False), (False, True), (True, True)])
def test_gradients_and_statistics_are_the_same(tiny_size, use_3d, pseudo_3d):
    size = dataclasses.replace(tiny_size, pseudo_3d=pseudo_3d)
    plain = MeshGait(size, 3, use_3d=use_3d)
    saving = MeshGait(size, 3, use_3d=use_3d, checkpointing=True)
    saving.load_state_dict(plain.state_dict())
    silhouettes = (torch.rand(2, 4, 64, 44) > 0.5).float()
    mask = torch.tensor([[True] * 4, [True, True, True, False]])
    (wanted, statistics), (got, kept) = (trained(net, silhouettes, mask) for net in (plain, saving))
    assert wanted.keys() == got.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(got[name], gradient, msg=lambda text, name=name: f"{name}: {text}")
    for name, value in statistics.items():
        torch.testing.assert_close(kept[name], value, msg=lambda text, name=name: f"{name}: {text}")
    assert statistics["stem.entry.0.1.num_batches_tracked"] == 1


class Bytes(nn.Module):
    """Counts what autograd keeps of a part."""

    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
            run(self.part, x)
        return sum(kept)


def test_what_is_kept_is_the_input_alone():
    part = nn.Sequential(*(layer for _ in range(4) for layer in (nn.Conv2d(3, 3, 3, padding=1), nn.Tanh())))
    saving = copy.deepcopy(part)
    forget_inside([saving])
    x = torch.rand(2, 3, 16, 16, requires_grad=True)
    assert Bytes(saving)(x) <= x.numel() < Bytes(part)(x) / 6


def test_evaluation_is_not_touched(tiny_size):
    calls = []
    network = MeshGait(tiny_size, checkpointing=True).eval()
    network.stem.entry.register_forward_hook(lambda *_: calls.append(1))
    network(torch.rand(1, 2, 64, 44), torch.ones(1, 2, dtype=torch.bool)).embeddings.sum().backward()
    assert calls == [1]
