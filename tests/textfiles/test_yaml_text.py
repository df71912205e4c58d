"""YAML: a key given twice, aliases without end, and what the command line's parser makes of them."""

import pytest
import yaml

from meshgait.cli import main
from meshgait.errors import ConfigError, DataError
from meshgait.sweeps.schema import read_sweep
from meshgait.textfiles.reading import TextFile
from meshgait.textfiles.yaml_text import UnfitYaml, parse_yaml, yaml_loader

LAUGHS = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
TWICE = "model:\n  lr: 1\ntrainer:\n  max_epochs: 1\n\ntrainer:\n  max_epochs: 2\n"


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: {c: [1, 2], 'd': null}\n- x",
        "a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\ne: {f: &y {<<: *x, c: 4}}\ng: {<<: *y, c: 5}\n",
        "1: a\n'1': b\ntrue: c\n'true': d\n",
        "",
        "- [a, b]\n- 1e-3\n- .inf\n- 2024-01-01\n",
    ],
)
def test_content_is_that_of_the_safe_loader(text):
    try:
        expected = yaml.safe_load(text)
    except yaml.YAMLError:
        with pytest.raises(yaml.YAMLError):
            parse_yaml(text)
    else:
        assert parse_yaml(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TWICE, "trainer was given before, in line 3"),
        ("a: {b: 1, c: 2, b: 3}", "b was given before, in line 1"),
        ("a: 1\n'a': 2", "a was given before"),
        ("- x: {y: 1}\n- x: {y: 1, y: 1}", "y was given before, in line 2"),
        (LAUGHS, "stands for more than"),
        ("a: &a [*a]", "64 deep"),
        ("[" * 70 + "]" * 70, "64 deep"),
        ("{[" * 5000, "64 deep"),
        ("- " * 5000 + "x", "64 deep"),
        ("a: " + "9" * 5000, "5000 digits"),
    ],
)
def test_what_only_seems_to_be_read_is_refused(text, says):
    with pytest.raises(UnfitYaml, match=says):
        parse_yaml(text)


@pytest.mark.parametrize(
    "text",
    ['a: !!int ""', "a: !!bool x", "a: 2024-13-45", "a: !!python/name:os.system", "? [a]\n: 1", "a: b: c", "\x00"],
)
def test_values_that_do_not_fit_their_tags_are_yaml_errors(text):
    with pytest.raises(yaml.YAMLError):
        parse_yaml(text)


def test_both_lines_are_named(tmp_path):
    (tmp_path / "x.yaml").write_text(TWICE)
    with pytest.raises(DataError, match=r"x\.yaml, line 6: trainer was given before, in line 3"):
        TextFile(tmp_path / "x.yaml").yaml()
    with pytest.raises(DataError, match=r"x\.yaml, line 6: trainer was given before, in line 3"):
        read_sweep(tmp_path / "x.yaml")


@pytest.mark.slow
def test_experiments_and_files_that_they_name(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "twice.yaml").write_text(TWICE)
    (tmp_path / "outer.yaml").write_text("trainer: inner.yaml\n")
    (tmp_path / "inner.yaml").write_text("max_epochs: 1\nmax_epochs: 3\n")
    (tmp_path / "words.yaml").write_bytes(b"a: \xb0")
    for words, says in (
        (["--config", "twice.yaml"], "twice.yaml, line 6: trainer was given before, in line 3"),
        (["--config=outer.yaml"], "line 2: max_epochs was given before, in line 1"),
        (["--trainer={max_epochs: 1, max_epochs: 2}"], "line 1: max_epochs was given before"),
        (["--config", "words.yaml"], "words.yaml, line 1: byte 3 is no UTF-8"),
    ):
        assert main(["fit", *words]) == 2
        error = capsys.readouterr().err
        assert says in error and error.count("\n") == 1
    assert main(["profile", "--config", "twice.yaml"]) == 2
    assert "twice.yaml" in capsys.readouterr().err


def test_the_loader_leaves_text_to_the_parser():
    load = yaml_loader(yaml.safe_load)
    assert load("a: 1") == {"a": 1} and load("x") == "x"
    with pytest.raises(yaml.YAMLError):
        load("a: b: c")
    with pytest.raises(ConfigError, match="here, line 1: a was given before"):
        load("{a: 1, a: 2}", path="here")
