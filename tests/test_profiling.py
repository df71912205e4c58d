import time

import pytest
import torch
from torch import nn

from meshgait.models.meshgait import MeshGait, NetworkConfig
from meshgait.profiling import (
    branch_times,
    count_flops,
    count_parameters,
    median_seconds,
    peak_bytes,
    profile,
    random_batch,
)
from meshgait.stages.recognise import RecogniseStage

CPU = torch.device("cpu")


def conv_flops(conv, height, width):
    return 2 * conv.weight.numel() * height * width


def test_parameters_belong_to_one_branch_each(tiny_size):
    network = MeshGait(tiny_size, 5)
    counts = count_parameters(network)
    assert sum(counts[name] for name in ("stem", "2d", "3d", "heads")) == counts["total"]
    assert counts["total"] == sum(p.numel() for p in network.parameters())
    strips = tiny_size.strips + tiny_size.posture_parts
    assert counts["total"] - counts["without_classifier"] == strips * tiny_size.embedding * (5 + 2)


def test_flops_of_the_stem_are_those_counted_by_hand(tiny_size):
    network = MeshGait(tiny_size, 5, use_3d=False)
    counted = count_flops(network, random_batch(1, 3, (64, 44), CPU))
    block = network.stem.stage[0]
    by_hand = conv_flops(network.stem.entry[0][0], 32, 22)
    by_hand += conv_flops(block.first[0], 32, 22) + conv_flops(block.second[0], 32, 22)
    assert counted["stem"] == 3 * by_hand
    assert counted["3d"] == 0
    assert sum(v for k, v in counted.items() if k != "total") == counted["total"]


def test_time_is_that_of_the_branch_it_is_spent_in(tiny_size):
    network = MeshGait(tiny_size, use_3d=False).eval()
    network.trunk.register_forward_pre_hook(lambda *_: None)
    slow = nn.Module()
    slow.forward = lambda early, mask: time.sleep(0.05) or early.new_zeros(len(early), 8, 16, 11)
    network.trunk = slow
    batch = random_batch(1, 2, (64, 44), CPU)
    with branch_times(network, CPU) as spent:
        network(batch.silhouettes, batch.mask)
    assert spent["2d"] >= 0.05
    assert spent["3d"] == 0
    network(batch.silhouettes, batch.mask)
    assert spent["2d"] < 0.1  # the hooks are gone


def test_the_first_run_does_not_count():
    waits = iter([0.2, 0.0, 0.0, 0.0])
    assert median_seconds(lambda: time.sleep(next(waits)), 3, CPU) < 0.1


@pytest.mark.slow
def test_memory_is_what_is_held_at_the_peak():
    before = torch.ones(1 << 20)

    def hold():
        for count in (1, 3, 2):
            blocks = [torch.empty(1 << 20) + before for _ in range(count)]  # each needs two for a moment
            small = torch.ones(16)
            del blocks, small

    assert peak_bytes(hold, CPU) == 4 * (4 << 20)
    assert peak_bytes(lambda: None, CPU) == 0


@pytest.mark.slow
@pytest.mark.parametrize("use_3d", [True, False])
def test_a_profile_is_whole(tiny_size, use_3d):
    stage = RecogniseStage(tiny_size, 2, network=NetworkConfig(use_3d=use_3d))
    weights = {name: p.clone() for name, p in stage.network.named_parameters()}
    cost = profile(stage, frames=2, sequences=4, repeats=1)
    assert cost.flops_per_sequence["total"] == 2 * cost.flops_per_frame["total"] > 0
    assert (cost.forward_seconds["3d"] > 0) == use_3d
    assert cost.frames_per_second == pytest.approx(2 / cost.forward_seconds["total"])
    assert cost.step_seconds > cost.forward_seconds["total"]
    trained = dict(stage.network.named_parameters())
    assert any(not torch.equal(trained[name], value) for name, value in weights.items())  # it was a real step
