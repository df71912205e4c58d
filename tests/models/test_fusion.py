import pytest
import torch

from meshgait.errors import ConfigError
from meshgait.models.fusion import AttentionFusion, ConcatFusion, make_fusion


@pytest.mark.parametrize("kind", ["attention", "concat"])
def test_shapes_and_gradients_of_both_branches(kind):
    maps_2d, maps_3d = torch.randn(2, 6, 4, 3, requires_grad=True), torch.randn(2, 5, 4, 3, requires_grad=True)
    fused = make_fusion(kind, 6, 5)(maps_2d, maps_3d)
    assert fused.shape == maps_2d.shape
    fused.square().sum().backward()
    assert maps_2d.grad.abs().sum() > 0 and maps_3d.grad.abs().sum() > 0


def test_attention_with_even_weights_is_the_plain_sum():
    fusion = AttentionFusion(6, 5).eval()
    torch.nn.init.zeros_(fusion.weigh[-1].weight)
    torch.nn.init.zeros_(fusion.weigh[-1].bias)
    maps_2d, maps_3d = torch.randn(2, 6, 4, 3), torch.randn(2, 5, 4, 3)
    torch.testing.assert_close(fusion(maps_2d, maps_3d), maps_2d + fusion.project(maps_3d))


@pytest.mark.parametrize("which", [0, 1])
def test_attention_can_choose_a_branch(which):
    fusion = AttentionFusion(6, 5).eval()
    torch.nn.init.zeros_(fusion.weigh[-1].weight)
    fusion.weigh[-1].bias.data = 50.0 * torch.nn.functional.one_hot(torch.tensor(which), 2)
    maps_2d, maps_3d = torch.randn(2, 6, 4, 3), torch.randn(2, 5, 4, 3)
    torch.testing.assert_close(fusion(maps_2d, maps_3d), 2 * (maps_2d, fusion.project(maps_3d))[which])


def test_names():
    assert isinstance(make_fusion("concat", 6, 5), ConcatFusion)
    with pytest.raises(ConfigError, match="attention"):
        make_fusion("sum", 6, 5)
