import pytest

from meshgait.errors import ConfigError, DataError, MeshGaitError
from meshgait.sweeps.schema import read_sweep


def test_a_sweep_is_read(read, content):
    sweep = read(content | {"metric": {"name": "val/x", "target": 0.5}, "description": "d", "entity": "e"})
    assert (sweep.name, sweep.method) == ("small", "random")
    assert (sweep.metric.name, sweep.metric.goal, sweep.metric.target) == ("val/x", "minimize", 0.5)
    assert set(sweep.searched) == {"x", "k"}
    assert sweep.words({"x": 0.5, "k": "a"}) == ["--seconds=0", "--x=0.5", "--k=a"]
    assert sweep.trials(None) == 6 and sweep.trials(9) == 9
    assert sweep.early_terminate is None


def test_nested_parameters_are_those_of_dotted_names(read, content):
    nested = {"x": {"parameters": {"y": {"values": [1, 2]}, "z": {"value": "a"}}}}
    sweep = read(content | {"parameters": nested})
    assert list(sweep.searched) == ["x.y"] and sweep.words({"x.y": 1}) == ["--x.z=a", "--x.y=1"]
    assert sweep.content["parameters"] == {"x.y": {"values": [1, 2]}, "x.z": {"value": "a"}}


def test_the_name_is_that_of_the_file_by_default(read, content):
    del content["name"]
    assert read(content).name == "sweep"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"min_iter": 3}, (3, None, 3)),
        ({"min_iter": 2, "eta": 2, "max_iter": 8}, (2, 8, 2)),
        ({"max_iter": 27, "s": 2}, (3, 27, 3)),
    ],
)
def test_hyperband_is_read(read, content, rule, expected):
    early = read(content | {"early_terminate": {"type": "hyperband", **rule}}).early_terminate
    assert (early.first, early.max_iter, early.eta) == expected


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"controller": {"type": "local"}}, "controller"),
        ({"method": "custom"}, "method"),
        ({"metric": {"name": "val/x", "goal": "least"}}, "metric.goal"),
        ({"metric": {"goal": "minimize"}}, "name"),
        ({"metric": {"name": "val/x", "impute": "latest"}}, "impute"),
        ({"metric": {"name": "val/x", "target": "low"}}, "target"),
        ({"run_cap": 0}, "run_cap"),
        ({"run_cap": "ten"}, "run_cap"),
        ({"early_terminate": {"type": "envelope"}}, "early_terminate.type"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 1, "strict": True}}, "strict"),
        ({"early_terminate": {"type": "hyperband"}}, "min_iter"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 1, "s": 2}}, "min_iter, or"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 1}}, "eta"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 9, "max_iter": 3}}, "max_iter"),
        ({"parameters": {}}, "parameters"),
        ({"method": "grid"}, r"parameters\.x: it is continuous"),
        ({"parameters": {"x": 0.1}}, "parameters.x"),
        ({"parameters": {"x": {"min": "1e-3", "max": 1.0}}}, r"parameters\.x: .*1\.0e-3"),
        ({"parameters": {"ckpt_path": {"value": "x"}}}, "by the sweep"),
        ({"command": ["python", "train.py", "${args}"]}, "train.py"),
        ({"command": "meshgait trial"}, "command"),
        ({"program": "train.py"}, "program.*meshgait"),
        ({"parameters": {"trust_code_of": {"value": "x"}}}, "let files run code"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(read, content, change, named):
    with pytest.raises(MeshGaitError, match=named) as error:
        read(content | change)
    assert "sweep.yaml" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["method", "metric", "parameters", "command", "program"])
def test_a_missing_key_is_named(read, content, key):
    del content[key]
    with pytest.raises(DataError, match=f"{key}: field required"):
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
    with pytest.raises(DataError, match="name: "):
        read(content | {"name": name})
