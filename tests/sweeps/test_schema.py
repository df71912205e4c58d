import pytest

from meshgait.errors import ConfigError, DataError
from meshgait.sweeps.schema import Hyperband, read_sweep


def test_a_sweep_is_read(read, content):
    sweep = read(content | {"metric": {"name": "val/x", "target": 0.5}, "description": "d", "entity": "e"})
    assert (sweep.name, sweep.method, sweep.metric, sweep.maximize, sweep.target) == (
        "small", "random", "val/x", False, 0.5,
    )  # fmt: skip
    assert set(sweep.searched) == {"x", "k"} and sweep.constant == {"seconds": 0}
    assert sweep.trials(None) == 6 and sweep.trials(9) == 9
    assert sweep.early is None


def test_the_name_is_that_of_the_file_by_default(read, content):
    del content["name"]
    assert read(content).name == "sweep"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"min_iter": 3}, Hyperband(3, None, 3)),
        ({"min_iter": 2, "eta": 2, "max_iter": 8}, Hyperband(2, 8, 2)),
        ({"max_iter": 27, "s": 2}, Hyperband(3, 27, 3)),
    ],
)
def test_hyperband_is_read(read, content, rule, expected):
    assert read(content | {"early_terminate": {"type": "hyperband", **rule}}).early == expected


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"controller": {"type": "local"}}, "controller"),
        ({"method": "custom"}, "custom"),
        ({"metric": {"name": "val/x", "goal": "least"}}, "least"),
        ({"metric": {"goal": "minimize"}}, "name"),
        ({"metric": {"name": "val/x", "impute": "latest"}}, "impute"),
        ({"metric": {"name": "val/x", "target": "low"}}, "target"),
        ({"run_cap": 0}, "run_cap"),
        ({"run_cap": "ten"}, "run_cap"),
        ({"early_terminate": {"type": "envelope"}}, "envelope"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 1, "strict": True}}, "strict"),
        ({"early_terminate": {"type": "hyperband"}}, "min_iter"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 1, "s": 2}}, "s goes with"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 1}}, "eta"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 9, "max_iter": 3}}, "max_iter"),
        ({"parameters": {}}, "parameters"),
        ({"method": "grid"}, "x is continuous"),
        ({"command": ["python", "train.py", "${args}"]}, "train.py"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(read, content, change, named):
    with pytest.raises(ConfigError, match=named) as error:
        read(content | change)
    assert "sweep.yaml" in str(error.value)


@pytest.mark.parametrize("key", ["method", "metric", "parameters", "command", "program"])
def test_a_missing_key_is_named(read, content, key):
    del content[key]
    with pytest.raises(ConfigError, match=f"{key} is missing"):
        read(content)


def test_a_search_without_an_end_is_refused(read, content):
    del content["run_cap"]
    sweep = read(content)
    with pytest.raises(ConfigError, match="--trials"):
        sweep.trials(None)
    assert sweep.trials(4) == 4


def test_a_grid_ends_by_itself(read, content):
    content |= {"method": "grid", "parameters": {"x": {"values": [1, 2, 3]}, "k": {"values": ["a", "b"]}}}
    del content["run_cap"]
    assert (read(content).trials(None), read(content).trials(4), read(content).trials(99)) == (6, 4, 6)


def test_a_file_that_is_no_sweep_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    with pytest.raises(DataError, match="does not exist"):
        read_sweep(path)
    path.write_text("a: [")
    with pytest.raises(DataError, match="no readable YAML"):
        read_sweep(path)
    path.write_text("- 1")
    with pytest.raises(DataError, match="mapping of names to values"):
        read_sweep(path)


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "..", ".", "a/b", "a\\b", "a\0", "a\nb", "x" * 300])
def test_a_name_is_that_of_one_folder(read, content, name):
    """The results of a stranger's sweep lie in runs/sweeps/NAME and nowhere else."""
    with pytest.raises(ConfigError, match="no folder can be called"):
        read(content | {"name": name})
