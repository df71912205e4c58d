"""The plugin takes torch's norms where there are kernels for them, ours on a CPU, and leaves none behind."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from meshgait.models.activation_checkpointing import maybe_checkpoint
from meshgait.models.meshgait import MeshGait
from meshgait.models.sync_batchnorm import CpuSyncBatchNorm
from meshgait.stages.sync_batchnorm_plugin import SyncBatchNormPlugin


def network(size, device, **options):
    net = MeshGait(size, 3, **options)
    strategy = SimpleNamespace(root_device=torch.device(device))
    net.trainer = SimpleNamespace(strategy=strategy)
    return net


def norms(net):
    return [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


@pytest.mark.parametrize(("device", "kind"), [("cuda", nn.SyncBatchNorm), ("cpu", CpuSyncBatchNorm)])
def test_norms_are_of_the_device_and_plain_again_afterwards(tiny_size, device, kind):
    net, plugin = network(tiny_size, device), SyncBatchNormPlugin()
    net.lifter.eval()
    names, held = list(net.state_dict()), [id(p) for p in net.parameters()]
    modes = {name: module.training for name, module in net.named_modules()}
    count = len(norms(net))
    synced = plugin.apply(net)
    assert {type(norm) for norm in norms(synced)} == {kind} and len(norms(synced)) == count > 10
    assert {name: module.training for name, module in synced.named_modules()} == modes
    plain = plugin.revert(synced)
    assert not any(isinstance(norm, nn.SyncBatchNorm | CpuSyncBatchNorm) for norm in norms(plain))
    assert list(plain.state_dict()) == names
    assert [id(p) for p in plain.parameters()] == held


def test_alone_a_synced_norm_is_a_plain_one(tiny_size):
    torch.manual_seed(0)
    net, x = network(tiny_size, "cpu"), (torch.rand(2, 4, 64, 44), torch.ones(2, 4, dtype=torch.bool))
    start = {name: value.clone() for name, value in net.state_dict().items()}
    expected, after = net(*x).logits, {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(start)
    SyncBatchNormPlugin().apply(net)
    assert torch.equal(net(*x).logits, expected)
    assert all(torch.equal(value, after[name]) for name, value in net.state_dict().items())


def test_what_is_computed_twice_counts_once_for_torchs_norms_too():
    """Those refuse to go without a count of batches."""
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.SyncBatchNorm(2))
    net.recompute = True
    maybe_checkpoint(net, torch.rand(3, 1, 8, 8)).sum().backward()
    assert net[1].num_batches_tracked == 1 and net[0].weight.grad is not None
    once = nn.Sequential(net[0], nn.BatchNorm2d(2))
    torch.manual_seed(0)
    x = torch.rand(3, 1, 8, 8)
    net[1].reset_running_stats()
    maybe_checkpoint(net, x).sum().backward()
    once(x)
    torch.testing.assert_close(net[1].running_mean, once[1].running_mean)
