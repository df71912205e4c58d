import pytest
import torch

from meshgait.models.heads import StripClassifier, StripLinear


def test_each_strip_has_its_own_map():
    head, x = StripLinear(3, 4, 5), torch.randn(2, 3, 4)
    got = head(x)
    for strip in range(3):
        torch.testing.assert_close(got[:, strip], x[:, strip] @ head.weight[strip])


def test_logits_are_cosines_behind_the_neck():
    head = StripClassifier(2, 4, 3).eval()
    with torch.no_grad():
        head.neck.running_mean.normal_()
        head.neck.running_var.uniform_(0.5, 2)
        head.neck.weight.uniform_(0.5, 2)
        head.neck.bias.normal_()
    x = torch.randn(5, 2, 4)
    got = head(x)
    assert got.shape == (5, 2, 3)
    neck = head.neck
    for b in range(5):
        for s in range(2):
            places = slice(4 * s, 4 * s + 4)
            v = (x[b, s] - neck.running_mean[places]) / (neck.running_var[places] + neck.eps).sqrt()
            v = v * neck.weight[places] + neck.bias[places]
            for k in range(3):
                w = head.weight[s, :, k]
                assert got[b, s, k].item() == pytest.approx((v @ w / (v.norm() * w.norm())).item(), abs=1e-5)


def test_the_size_of_an_embedding_does_not_matter_to_its_class():
    head = StripClassifier(2, 4, 3)
    with torch.no_grad():
        head.weight.mul_(7)
    assert head(100 * torch.randn(6, 2, 4)).abs().max() <= 1 + 1e-5
