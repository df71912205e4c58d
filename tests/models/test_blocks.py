import pytest
import torch
from torch.nn.functional import conv2d

from meshgait.models.blocks import GlobalContext, ResidualBlock, ResidualStage, TimeConvolution, multiply_per_frame


def test_a_residual_block_without_weights_passes_its_input():
    block = ResidualBlock(3, 3)
    torch.nn.init.zeros_(block.second[0].weight)
    x = torch.rand(2, 3, 6, 5)
    torch.testing.assert_close(block(x.clone()), x)


def test_the_first_block_of_a_stage_strides_and_widens():
    stage = ResidualStage(3, 5, blocks=3, stride=2)
    assert len(stage) == 3
    assert stage(torch.rand(2, 3, 8, 6)).shape == (2, 5, 4, 3)


def test_global_context_lets_every_place_see_the_whole_map():
    context = GlobalContext(3, (4, 2), 16)
    x = torch.rand(1, 3, 4, 2, requires_grad=True)
    y = context(x)
    assert y.shape == x.shape
    y[0, :, 0, 0].sum().backward()
    assert (x.grad.abs() > 0).all()


def test_global_context_is_added_to_the_map():
    context = GlobalContext(3, (4, 2), 16)
    torch.nn.init.zeros_(context.net[3].weight)
    torch.nn.init.zeros_(context.net[3].bias)
    x = torch.rand(2, 3, 4, 2)
    torch.testing.assert_close(context(x), x)


def test_the_convolution_over_time_sees_the_frame_before_and_the_one_behind():
    part = TimeConvolution(2).eval()
    maps, mask = torch.randn(2, 4, 2, 3, 5), torch.ones(2, 4, dtype=torch.bool)
    got = part(maps.flatten(0, 1), mask).reshape(2, 4, 2, 3, 5)
    kernel = part.conv.weight[..., 0, 0]  # (out, in, 3)
    for b in range(2):
        for t in range(4):
            frames = [(t + step, k) for k, step in enumerate((-1, 0, 1)) if 0 <= t + step < 4]
            expected = sum(conv2d(maps[b, at][None], kernel[..., k, None, None])[0] for at, k in frames)
            torch.testing.assert_close(got[b, t], part.norm(expected[None])[0])


@pytest.mark.parametrize("filling", [0.0, 7.0])
def test_padding_is_nothing_to_the_convolution_over_time(filling):
    part = TimeConvolution(2).eval()
    maps = torch.randn(2, 4, 2, 3, 5)
    mask = torch.tensor([[True, True, False, False], [True] * 4])
    alone = part(maps[0, :2], mask[:1, :2])
    maps[0, 2:] = filling
    torch.testing.assert_close(part(maps.flatten(0, 1), mask)[:2], alone)


def test_a_pseudo_3d_block_without_its_convolution_over_time_is_the_plain_block():
    plain, deep = ResidualBlock(3, 4, 2).eval(), ResidualBlock(3, 4, 2, pseudo_3d=True).eval()
    missing, unexpected = deep.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected and all(name.startswith("time.") for name in missing)
    x, mask = torch.randn(6, 3, 8, 6), torch.ones(2, 3, dtype=torch.bool)
    assert not torch.allclose(deep(x, mask), plain(x))
    torch.nn.init.zeros_(deep.time.conv.weight)
    torch.testing.assert_close(deep(x, mask), plain(x))


def test_product_per_frame():
    weight, maps = torch.randn(3, 5), torch.randn(4, 5, 7)
    got = multiply_per_frame(weight, maps)
    torch.testing.assert_close(got, torch.stack([weight @ frame for frame in maps]))
    assert got.is_contiguous()
