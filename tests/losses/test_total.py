import pytest
import torch

from meshgait.errors import ConfigError
from meshgait.losses.total import weighted_sum


def test_terms_are_weighted_and_keep_their_gradients():
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    total = weighted_sum({"a": a, "b": b}, {"b": 10.0, "a": 0.5})
    total.backward()
    assert total.item() == 31
    assert (a.grad.item(), b.grad.item()) == (0.5, 10)


@pytest.mark.parametrize("weights", [{}, {"a": 1.0, "b": 1.0}, {"b": 1.0}])
def test_terms_and_weights_must_name_the_same(weights):
    with pytest.raises(ConfigError, match="differ"):
        weighted_sum({"a": torch.tensor(1.0)}, weights)
