import json
from dataclasses import asdict
from pathlib import Path

import pytest

from meshgait.cli import main

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def words(tiny_size, tmp_path):
    size = tmp_path / "size.yaml"
    size.write_text(json.dumps(asdict(tiny_size)))
    given = ["--frames", "2", "--sequences", "4", "--repeats", "1", "--classes", "7"]
    return ["profile", "--config", str(EXPERIMENTS / "finetune" / "walkers.yaml"), *given], f"--model.size={size}"


@pytest.mark.slow
def test_it_prints_and_writes_the_same_figures(words, tmp_path, capsys):
    given, size = words
    out = tmp_path / "deep" / "cost.json"
    assert main([*given, "--json", str(out), "--", size]) == 0
    content, printed = json.loads(out.read_text()), capsys.readouterr().out
    assert content["input"] == {
        "frame": [64, 44],
        "frames_per_sequence": 2,
        "inference_sequences": 1,
        "training_sequences": 4,
        "classes": 7,
    }
    assert f"{content['parameters']['total'] / 1e6:.3f}" in printed
    assert f"{content['flops_per_sequence']['total'] / 1e9:.2f}" in printed


@pytest.mark.slow
def test_settings_of_the_experiment_may_follow(words, tmp_path):
    given, size = words
    outs = [tmp_path / name for name in ("on.json", "off.json")]
    assert main([*given, "--json", str(outs[0]), "--", size]) == 0
    assert main([*given, "--json", str(outs[1]), "--", size, "--model.network.use_3d=false"]) == 0
    on, off = (json.loads(out.read_text()) for out in outs)
    assert on["parameters"]["3d"] > 0 == off["parameters"]["3d"]
    assert on["parameters"]["2d"] == off["parameters"]["2d"]


@pytest.mark.slow
def test_an_overlay_names_no_class(words, tmp_path):
    given, size = words
    overlay = str(EXPERIMENTS / "ablations" / "2d-only.yaml")
    assert main([*given[:3], overlay, *given[3:], "--json", str(tmp_path / "off.json"), "--", size]) == 0
    assert json.loads((tmp_path / "off.json").read_text())["parameters"]["3d"] == 0


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--config", "absent.yaml"], "absent.yaml does not exist"),
        (["--config", str(EXPERIMENTS / "pretrain" / "walkers.yaml")], "describes stage 1"),
        (["--config", str(EXPERIMENTS / "sizes" / "narrow.yaml")], "holds no description of a model"),
        (["--frames", "0"], "--frames is 0"),
        (["--", "--model.wdith=3"], "wdith"),
        (["--", "--model.size.blocks=[0,1,1,1]"], "blocks"),
        (["--device", "cuda:99"], "--device cuda:99 cannot be used"),
    ],
)
def test_what_cannot_be_profiled_is_told_in_one_line(words, more, text, capsys):
    given, size = words
    settings = ["--", size, *more[1:]] if more[0] == "--" else [*more, "--", size]
    assert main([*given, *settings]) == 2
    printed = capsys.readouterr().err.strip()
    assert text in printed and len(printed.splitlines()) == 1
