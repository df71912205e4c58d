from pathlib import Path

import pytest
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from meshgait.errors import ConfigError
from meshgait.sweeps.command import Command, pairs, read_command, read_trial


@pytest.fixture
def configs(tmp_path):
    paths = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    for path in paths:
        path.write_text("{}")
    return list(map(str, paths))


def test_a_trial_of_one_stage(configs):
    words = [
        "${env}",
        "${interpreter}",
        "-m",
        "meshgait.cli",
        "trial",
        configs[0],
        "--wandb",
        "disabled",
        "${args}",
    ]
    command = read_command(words)
    assert command == Command({"": Path(configs[0])}, ["--wandb", "disabled"])
    assert command.fits(["--model.seed=0.1"], Path("run")) == [
        ["fit", f"--config={configs[0]}", "--wandb=disabled", "--model.seed=0.1", "--trainer.default_root_dir=run",
         "--ckpt_path=last"]
    ]  # fmt: skip


@pytest.mark.parametrize("config", [["--config=ONE"], ["--config", "ONE"]])
def test_fit_is_a_trial_of_one_stage(configs, config):
    config = [word.replace("ONE", configs[0]) for word in config]
    command = read_command(["${env}", "${program}", "fit", *config, "--threads", "1", "${args}"])
    assert command == Command({"": Path(configs[0])}, ["--threads", "1"])


def test_stages_in_a_row_get_their_own_settings_and_the_weights_before(configs):
    command = read_command(["${program}", "trial", f"pre={configs[0]}", f"fine={configs[1]}", "${args}"])
    first, second = command.fits(["--fine.model.seed=2", "--pre.model.seed=1", "--fine.data.seed=3"], Path("run"))
    assert first == [
        "fit", f"--config={configs[0]}", "--model.seed=1", "--trainer.default_root_dir=run/pre", "--ckpt_path=last"
    ]  # fmt: skip
    assert second == [
        "fit", f"--config={configs[1]}", "--model.pretrained=run/pre/checkpoints/last.ckpt", "--model.seed=2",
        "--data.seed=3", "--trainer.default_root_dir=run/fine", "--ckpt_path=last",
    ]  # fmt: skip
    assert command.folders(Path("run")) == [Path("run/pre"), Path("run/fine")]
    assert read_trial(command.words) == command
    for word in ("--model.seed=1", "--other.model.seed=1", "--pre=1"):
        with pytest.raises(ConfigError, match=r"pre\. or fine\."):
            command.settings([word])
    with pytest.raises(ConfigError, match="let files run code"):
        command.settings(["--fine.trust-code-of=x"])


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "nothing"),
        (["${program}"], "runs ..program."),
        (["nice", "meshgait", "trial", "${args}"], "nice"),
        (["meshgait", "predict", "${args}"], "predict"),
        (["meshgait", "trial", "ONE"], "args"),
        (["meshgait; rm", "trial", "ONE", "${args}"], "meshgait; rm"),
        (["python", "-c", "1", "meshgait", "trial", "ONE", "${args}"], "python -c"),
        (["meshgait", "trial", "ONE", "${args_no_hyphens}", "${args}"], "args_no_hyphens"),
        (["meshgait", "trial", "ONE", "--seed", "${envvar:SEED}", "${args}"], "envvar:SEED"),
        (["meshgait", "trial", "${args}"], "experiment"),
        (["meshgait", "trial", "absent.yaml", "${args}"], "absent.yaml"),
        (["meshgait", "trial", "ONE", "TWO", "${args}"], "name"),
        (["meshgait", "trial", "a=ONE", "a=TWO", "${args}"], "name"),
        (["meshgait", "fit", "${args}"], "experiment"),
        (["meshgait", "fit", "--threads=1", "${args}"], "experiment"),
    ],
)
def test_commands_that_cannot_be_run_are_refused(configs, words, named):
    words = [word.replace("ONE", configs[0]).replace("TWO", configs[1]) for word in words]
    with pytest.raises(ConfigError, match=named):
        read_command(words)


@pytest.mark.parametrize("words", [["model.seed=1"], ["--model.lr"], ["--a", "--b=1"], ["--=1"]])
def test_words_that_are_no_arguments_are_refused(words):
    with pytest.raises(ConfigError, match="--key=value"):
        list(pairs(words))


def test_arguments_arrive_as_the_agents_of_wandb_pass_them():
    """By the function of wandb that its agents use; nested parameters come as one word."""
    given = {"model.lr": 1e-05, "model.use_3d": True, "model": {"size": {"embedding": 8}, "fusion": "concat"}}
    words = create_sweep_command_args({"args": {name: {"value": value} for name, value in given.items()}})["args"]
    assert dict(pairs(words)) == {
        "model.lr": "1e-05", "model.use_3d": "True", "model.size.embedding": "8", "model.fusion": "concat",
    }  # fmt: skip
    assert dict(pairs(["--model.augmentation={'flip': 0.5}"])) == {"model.augmentation": "{'flip': 0.5}"}
