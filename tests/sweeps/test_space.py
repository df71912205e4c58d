import math

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from meshgait.errors import ConfigError
from meshgait.sweeps.space import first_value, grid_values, read_parameters


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"values": [1, 2.5, "a", True]}, CategoricalDistribution([1, 2.5, "a", True])),
        ({"min": 1, "max": 5}, IntDistribution(1, 5)),
        ({"min": 1, "max": 5.0}, FloatDistribution(1, 5)),
        ({"distribution": "uniform", "min": 1, "max": 5}, FloatDistribution(1, 5)),
        ({"distribution": "int_uniform", "min": 1, "max": 5}, IntDistribution(1, 5)),
        ({"distribution": "q_uniform", "min": 2, "max": 8, "q": 2}, IntDistribution(2, 8, step=2)),
        ({"distribution": "q_uniform", "min": 0.5, "max": 2, "q": 0.5}, FloatDistribution(0.5, 2, step=0.5)),
        ({"distribution": "log_uniform_values", "min": 0.01, "max": 1}, FloatDistribution(0.01, 1, log=True)),
        ({"distribution": "log_uniform", "min": -2, "max": 0}, FloatDistribution(math.exp(-2), 1, log=True)),
        ({"distribution": "q_log_uniform_values", "min": 1, "max": 64}, IntDistribution(1, 64, log=True)),
    ],
)
def test_distributions_are_those_of_the_schema(entry, expected):
    assert read_parameters({"a": entry}) == ({"a": expected}, {})


@pytest.mark.parametrize("entry", [{"value": 3}, {"distribution": "constant", "value": 3}])
def test_constants_are_not_searched(entry):
    assert read_parameters({"a": entry}) == ({}, {"a": 3})


def test_nested_parameters_become_dotted_names():
    nested = {"model": {"parameters": {"lr": {"value": 1}, "deep": {"parameters": {"x": {"values": [1, 2]}}}}}}
    assert read_parameters(nested) == ({"model.deep.x": CategoricalDistribution([1, 2])}, {"model.lr": 1})


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"distribution": "normal", "mu": 0, "sigma": 1}, "normal"),
        ({"distribution": "inv_log_uniform_values", "min": 1, "max": 2}, "inv_log_uniform_values"),
        ({"values": [1, 2], "probabilities": [0.5, 0.5]}, "probabilities"),
        ({"min": 0.0, "max": 1.0, "q": 0.1}, "q"),
        ({"min": 0.0}, "min and max"),
        ({"distribution": "uniform", "min": 0.0}, "max"),
        ({"min": "1e-3", "max": 1.0}, "1.0e-3"),
        ({"min": 2.0, "max": 1.0}, "below"),
        ({"distribution": "log_uniform_values", "min": 0.0, "max": 1.0}, "above 0"),
        ({"distribution": "q_uniform", "min": 0.25, "max": 1, "q": 0.5}, "multiples"),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}, "multiples"),
        ({"distribution": "q_log_uniform_values", "min": 1, "max": 64, "q": 8}, "q_log_uniform_values"),
        ({"distribution": "int_uniform", "min": 0.5, "max": 2}, "whole"),
        ({"values": []}, "list"),
        ({"values": [1, 1]}, "twice"),
        ({"values": [[1, 2], [3]]}, "not supported"),
        ({"value": None}, "not supported"),
        (0.1, "constant"),
        ({"min": True, "max": 2}, "min"),
        ({"parameters": {"x": {"value": 1}}, "value": 3}, "value"),
    ],
)
def test_what_cannot_be_sampled_is_refused_by_name(entry, named):
    with pytest.raises(ConfigError, match=named) as error:
        read_parameters({"model.lr": entry})
    assert "model.lr" in str(error.value)


@pytest.mark.parametrize("name", ["trainer.default_root_dir", "ckpt_path", "finetune.ckpt_path"])
def test_settings_that_each_trial_gets_are_refused(name):
    with pytest.raises(ConfigError, match="by the sweep"):
        read_parameters({name: {"value": "x"}})


def test_a_name_that_is_there_twice_is_refused():
    with pytest.raises(ConfigError, match="twice"):
        read_parameters({"a": {"parameters": {"b": {"value": 1}}}, "a.b": {"value": 2}})


def test_a_grid_holds_all_values():
    space, _ = read_parameters({
        "a": {"values": ["x", "y"]}, "b": {"min": 1, "max": 3},
        "c": {"distribution": "q_uniform", "min": 0.5, "max": 1.5, "q": 0.5}, "d": {"min": 0.0, "max": 1.0},
    })  # fmt: skip
    assert [grid_values(name, space[name]) for name in "abc"] == [["x", "y"], [1, 2, 3], [0.5, 1.0, 1.5]]
    with pytest.raises(ConfigError, match="d is continuous"):
        grid_values("d", space["d"])
    assert [first_value(space[name]) for name in "abcd"] == ["x", 1, 0.5, 0.0]
