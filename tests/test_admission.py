"""An experiment of a stranger can name classes, and naming imports them: only those that are admitted."""

import json
import subprocess
import sys

import pytest
from jsonargparse._common import denying_import_path_entry

from meshgait.admission import FLAG, admit, admitted, refusal, with_paths, without_flag
from meshgait.cli import main
from meshgait.errors import ConfigError

SGD = "optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.1}}\n"
RATE = "lr_scheduler: {class_path: torch.optim.lr_scheduler.LambdaLR, init_args: {lr_lambda: "
EXPERIMENTS = {
    "a callback": "trainer: {callbacks: [{class_path: planted.Demo}]}",
    "a logger": "trainer: {logger: {class_path: planted.Demo}}",
    "a strategy": "trainer: {strategy: {class_path: planted.Demo}}",
    "a model": "model: {class_path: planted.Demo}",
    "data": "data: {class_path: planted.Demo}",
    "an optimiser": "optimizer: {class_path: planted.Demo}",
    "a callable that is a class": f"{SGD}{RATE}{{class_path: planted.Demo}}}}}}",
    "a callable by name": f"{SGD}{RATE}planted.Demo}}}}",
    "a callable in a callback": (
        "trainer: {callbacks: [{class_path: ModelPruning, init_args: {pruning_fn: l1_unstructured, "
        "apply_pruning: planted.Demo}}]}"
    ),
    "within a setting": "model: {init_args: {augmentation: {class_path: planted.Demo}}}",
    "behind a class of ours": "trainer: {callbacks: [{class_path: meshgait.data.store.os.system}]}",
    "a server for figures": "trainer: {logger: {class_path: lightning.pytorch.loggers.WandbLogger}}",
    "its own trust": "trust_code_of: planted\ntrainer: {logger: {class_path: planted.Demo}}",
    "a tag": 'project: !!python/object/apply:os.system ["touch ran"]',
    "a pickled checkpoint": "weights_only: false",
    "an environment variable": "project: ${oc.env:SECRET}",
}
BASE = """
model:
  class_path: meshgait.stages.recognise.RecogniseStage
  init_args: {network: {use_3d: false}, size: {}}
data:
  class_path: meshgait.data.datamodule.SilhouetteDataModule
  init_args: {store: nothing}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder whose module leaves a mark when it is imported."""
    (tmp_path / "planted.py").write_text("open('ran', 'w').close()\nclass Demo:\n    pass\n")
    (tmp_path / "base.yaml").write_text(BASE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SECRET", "a-secret-word")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("kind", EXPERIMENTS)
@pytest.mark.parametrize("verb", ["fit", "test"])
def test_nothing_else_is_imported(place, capsys, kind, verb):
    (place / "stranger.yaml").write_text(EXPERIMENTS[kind])
    words = [verb, "--config=base.yaml", "--config=stranger.yaml", "--trainer.default_root_dir=run"]
    assert main([*words, "--ckpt_path=any", "--wandb=disabled"][: None if verb == "test" else -2]) == 2
    output = capsys.readouterr()
    assert output.err.count("\n") == 1 and "a-secret-word" not in output.err + output.out
    assert not (place / "ran").exists() and not (place / "run").exists()
    if "planted" in EXPERIMENTS[kind] and "trust" not in kind:
        assert "the settings name planted.Demo" in output.err
        assert f"{FLAG}=planted" in output.err


def test_a_profile_imports_nothing_else(place, capsys):
    (place / "stranger.yaml").write_text(EXPERIMENTS["a model"])
    assert main(["profile", "--config", "base.yaml", "stranger.yaml"]) == 2
    assert not (place / "ran").exists()
    assert main(["profile", "--config", "stranger.yaml", "--trust_code_of=elsewhere"]) == 2
    assert not (place / "ran").exists() and FLAG in capsys.readouterr().err


COMMON = (
    "lightning.pytorch.callbacks.EarlyStopping", "lightning.pytorch.loggers.CSVLogger", "torch.optim.SGD",
    "lightning.pytorch.strategies.DDPStrategy", "torch.optim.lr_scheduler.StepLR",
    "lightning.pytorch.plugins.environments.SLURMEnvironment", "meshgait.callbacks.panels.HeatmapPanels",
    "meshgait.stages.recognise.RecogniseStage",
)  # fmt: skip
FOREIGN = (
    "os.system", "IPython.lib.demo.Demo", "lightning.pytorch.callbacks.LambdaCallback", "torch.load",
    "torch.optim", "lightning", "meshgait.tools.embed.run", "builtins.print", "torch.hub.load",
    "lightning.pytorch.loggers.MLFlowLogger",
)  # fmt: skip


@pytest.mark.parametrize("path", COMMON)
def test_what_experiments_use_is_admitted(path):
    admit()
    assert denying_import_path_entry(path) is None


@pytest.mark.parametrize("path", FOREIGN)
def test_all_else_is_not(path):
    admit()
    assert denying_import_path_entry(path) is not None
    assert path not in admitted()


@pytest.mark.slow
def test_the_flag_opens_one_package_and_stands_on_the_command_line_alone(place):
    """In a process of its own: what is admitted once stays so."""
    (place / "stranger.yaml").write_text("trainer: {logger: {class_path: planted.Demo}}")
    code = "import sys; from meshgait.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["fit", "--config=base.yaml", "--config=stranger.yaml", "--trust_code_of=planted"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=place)
    assert done.returncode == 2 and "subclass of Logger" in done.stderr  # imported, and found to be none
    assert (place / "ran").exists()


def test_the_flag_is_taken_out_of_the_words():
    words = ["fit", "--trust_code_of", "one", "--a=b=c", "--trust-code-of=two.three"]
    assert without_flag(words) == (["fit", "--a=b=c"], ["one", "two.three"])
    for wrong in (["--trust_code_of"], ["--trust_code_of="], ["--trust_code_of", "--a"]):
        with pytest.raises(ConfigError, match="names no package"):
            without_flag(wrong)


@pytest.mark.parametrize("key", ["trust_code_of", "trust-code-of", "weights_only"])
def test_a_sweep_cannot_give_it(place, capsys, key):
    sweep = {
        "program": "meshgait", "method": "random", "run_cap": 1, "metric": {"name": "val/rank1"},
        "command": ["${program}", "trial", "base.yaml", "${args}"], "parameters": {key: {"value": "planted"}},
    }  # fmt: skip
    (place / "sweep.yaml").write_text(json.dumps(sweep))
    assert main(["sweep", "sweep.yaml"]) == 2
    assert "cannot be given in a sweep" in capsys.readouterr().err
    sweep |= {"parameters": {"model.optimizer.lr": {"value": 1}}, "program": "./planted.py"}
    (place / "sweep.yaml").write_text(json.dumps(sweep))
    assert main(["sweep", "sweep.yaml"]) == 2
    assert "program: input should be 'meshgait'" in capsys.readouterr().err


def test_files_of_settings_are_no_classes(tmp_path, monkeypatch):
    """A bare name of a file looks like a dotted name; an experiment that has one is told how to write it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "size.yaml").touch()
    words = [
        "fit",
        "--config",
        "size.yaml",
        "--model.size=size.yaml",
        "--model.size=gone.yaml",
        "--x=../size.yaml",
    ]
    expected = [
        "fit",
        "--config",
        "./size.yaml",
        "--model.size=./size.yaml",
        "--model.size=gone.yaml",
        "--x=../size.yaml",
    ]
    assert with_paths(words) == expected
    denied = ImportError("Importing 'size.yaml' is not allowed, denied by the '*' entry")
    assert "write the file as ./size.yaml" in str(refusal(denied))
