import torch

from meshgait.models.blocks import GlobalContext, ResidualBlock, ResidualStage


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
