import math

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import TypeAdapter, ValidationError

from meshgait.sweeps.parameters import Parameter, flattened, grid_values


def searched(entry):
    """Distribution of a parameter that is written like this."""
    return TypeAdapter(Parameter).validate_python(entry).searched


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
        ({"value": 3}, None),
        ({"distribution": "constant", "value": 3}, None),
    ],
)
def test_distributions_are_those_of_the_schema(entry, expected):
    assert searched(entry) == expected


def test_nested_parameters_become_dotted_names():
    nested = {"model": {"parameters": {"lr": {"value": 1}, "deep": {"parameters": {"x": {"values": [1, 2]}}}}}}
    assert flattened(nested) == {"model.lr": {"value": 1}, "model.deep.x": {"values": [1, 2]}}


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"distribution": "normal", "min": 0, "max": 1}, "distribution"),
        ({"distribution": "inv_log_uniform_values", "min": 1, "max": 2}, "distribution"),
        ({"values": [1, 2], "probabilities": [0.5, 0.5]}, "probabilities"),
        ({"min": 0.0, "max": 1.0, "q": 0.1}, "q"),
        ({"min": 0.0}, "max and min"),
        ({}, "not nothing"),
        ({"distribution": "uniform", "min": 0.0}, "max"),
        ({"distribution": "categorical", "min": 0.0, "max": 1.0}, "values"),
        ({"value": 1, "values": [1, 2]}, "value, values"),
        ({"min": "1e-3", "max": 1.0}, "1.0e-3"),
        ({"min": 10**400, "max": 1.0}, "must be a number"),
        ({"min": 2.0, "max": 1.0}, "below"),
        ({"distribution": "log_uniform_values", "min": 0.0, "max": 1.0}, "low > 0"),
        ({"distribution": "log_uniform", "min": 1, "max": 1000}, "exponents"),
        ({"distribution": "q_uniform", "min": 0.25, "max": 1, "q": 0.5}, "multiples"),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}, "multiples"),
        ({"distribution": "q_log_uniform_values", "min": 8, "max": 64, "q": 8}, "log"),
        ({"distribution": "q_log_uniform_values", "min": 1, "max": 64.0}, "q_log_uniform_values"),
        ({"distribution": "int_uniform", "min": 0.5, "max": 2}, "whole"),
        ({"values": []}, "values"),
        ({"values": [1, 1]}, "twice"),
        ({"values": [[1, 2], [3]]}, "must be a number"),
        ({"values": ["a", "b\x00c"]}, "one line"),
        ({"value": math.nan}, "must be a number"),
        ({"value": None}, "value"),
        (0.1, "dictionary"),
        ({"min": True, "max": 2}, "no number"),
    ],
)
def test_what_cannot_be_sampled_is_refused_by_name(entry, named):
    with pytest.raises(ValidationError, match=named):
        searched(entry)


@pytest.mark.parametrize("name", ["trainer.default_root_dir", "ckpt_path", "finetune.ckpt_path"])
def test_settings_that_each_trial_gets_are_refused(name):
    with pytest.raises(ValueError, match="by the sweep"):
        flattened({name: {"value": "x"}})


def test_names_that_mean_two_things_are_refused():
    with pytest.raises(ValueError, match="twice"):
        flattened({"a": {"parameters": {"b": {"value": 1}}}, "a.b": {"value": 2}})
    with pytest.raises(ValueError, match="beside"):
        flattened({"a": {"parameters": {"b": {"value": 1}}, "value": 3}})


def test_a_grid_holds_all_values():
    entries = [
        {"values": ["x", "y"]}, {"min": 1, "max": 3},
        {"distribution": "q_uniform", "min": 0.5, "max": 1.5, "q": 0.5},
    ]  # fmt: skip
    assert [grid_values(searched(entry)) for entry in entries] == [["x", "y"], [1, 2, 3], [0.5, 1.0, 1.5]]
    with pytest.raises(ValueError, match="continuous"):
        grid_values(searched({"min": 0.0, "max": 1.0}))
    with pytest.raises(ValueError, match="100000"):
        grid_values(searched({"min": 0, "max": 200_000}))
