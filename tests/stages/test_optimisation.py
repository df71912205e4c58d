import pytest
import torch

from meshgait.stages.optimisation import Schedule, WarmupCosine
from meshgait.stages.optimizer_state import adapt_state, keep_own_settings, optimizer_layout


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))


def make(module, total, lr, decay=0.1, kind=torch.optim.AdamW):
    optimizer = kind([{"params": module.parameters(), "weight_decay": decay}], lr=lr)
    schedule = Schedule(optimizer, WarmupCosine(total, 0.2))
    keep_own_settings(optimizer)
    return optimizer, schedule


def train(module, optimizer, schedule, steps):
    rates = []
    for _ in range(steps):
        torch.manual_seed(100 + schedule.last_epoch)
        optimizer.zero_grad()
        module(torch.randn(5, 3)).square().sum().backward()
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def handed_on(before, after):
    for one, two in zip(before, after, strict=True):
        two.load_state_dict(one.state_dict())


def test_with_equal_settings_it_goes_on_to_the_last_bit():
    whole, parts = network(), network()
    rates = train(whole, *make(whole, 8, 0.01), 8)
    first = make(parts, 8, 0.01)
    early = train(parts, *first, 5)
    second = make(parts, 8, 0.01)
    handed_on(first, second)
    assert early + train(parts, *second, 3) == rates
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters(), strict=True))


@pytest.mark.parametrize(("total", "lr"), [(12, 0.01), (12, 0.5), (8, 0.5)])
def test_other_settings_are_followed_from_the_step_on(total, lr):
    module = network()
    first = make(module, 8, 0.01)
    train(module, *first, 5)
    second = make(module, total, lr, decay=0.7)
    handed_on(first, second)
    factor = WarmupCosine(total, 0.2)
    assert train(module, *second, 3) == [lr * factor(step) for step in (5, 6, 7)]
    (group,) = second[0].param_groups
    assert group["weight_decay"] == 0.7 and group["initial_lr"] == lr
    assert {int(state["step"]) for state in second[0].state.values()} == {8}  # what was learnt is kept


def test_what_was_learnt_follows_its_parameter_into_another_grouping():
    module = network()
    optimizer, schedule = make(module, 8, 0.01)
    train(module, optimizer, schedule, 2)
    saved, state = optimizer_layout(module, "AdamW", optimizer.param_groups), optimizer.state_dict()
    assert adapt_state(state, saved, saved) is state
    groups = [{"params": list(module[1].parameters())}, {"params": [module[0].weight]}]
    own = optimizer_layout(module, "AdamW", groups)
    fitted = adapt_state(state, saved, own)
    other = torch.optim.AdamW(groups, lr=1.0)
    keep_own_settings(other)
    other.load_state_dict(fitted)
    assert [group["lr"] for group in other.param_groups] == [1.0, 1.0]
    for parameter in (module[0].weight, *module[1].parameters()):
        assert torch.equal(other.state[parameter]["exp_avg"], optimizer.state[parameter]["exp_avg"])


@pytest.mark.parametrize("saved", [True, False])
def test_another_class_of_optimiser_begins_with_nothing(saved):
    module = network()
    optimizer, schedule = make(module, 8, 0.01)
    train(module, optimizer, schedule, 2)
    known = optimizer_layout(module, "AdamW", optimizer.param_groups) if saved else None
    groups = [{"params": [parameter]} for parameter in module.parameters()]
    own = optimizer_layout(module, "SGD", groups)
    fitted = adapt_state(optimizer.state_dict(), known, own)
    assert fitted["state"] == {} and [len(group["params"]) for group in fitted["param_groups"]] == [1, 1, 1, 1]
