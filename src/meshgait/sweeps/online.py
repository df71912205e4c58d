"""A sweep handed to W&B: its server chooses the settings, its agents here run the trials."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from meshgait.errors import ConfigError
from meshgait.sweeps.schema import Sweep
from meshgait.terminal import say
from meshgait.text import shown

SERVER = "https://api.wandb.ai"
TIMEOUT = 10.0
LOCALLY = "or leave --online away to run the sweep here"


def run_online(sweep: Sweep, workers: int) -> None:
    """Create the sweep at W&B and run ``workers`` agents until it is done.

    Raises:
        ConfigError: W&B cannot be reached, there is no login, it refuses the sweep, or an agent failed.
    """
    import wandb

    server = os.environ.get("WANDB_BASE_URL", SERVER)
    try:
        urllib.request.urlopen(server, timeout=TIMEOUT).close()
    except urllib.error.HTTPError:
        pass  # it answers
    except (OSError, ValueError) as error:  # which W&B itself would wait for
        raise ConfigError(f"W&B cannot be reached at {server} ({error})", f"try later, {LOCALLY}") from error
    try:
        if not wandb.login(timeout=60):
            raise ConfigError("there is no login to W&B", f"run `wandb login`, {LOCALLY}")
        identifier = wandb.sweep(
            {"project": "mesh-gait", **sweep.content}, sweep.entity, sweep.project or "mesh-gait"
        )
    except (wandb.Error, ValueError, OSError) as error:
        raise ConfigError(f"W&B refuses the sweep ({shown(error)})", f"run `wandb login`, {LOCALLY}") from error
    say(f"{workers} agents run here, more elsewhere by `wandb agent {identifier}`")
    # agents begin commands by name: python and meshgait are those of this environment
    paths = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    environment = os.environ | {"PATH": os.pathsep.join(paths)}
    line = [sys.executable, "-m", "wandb", "agent", identifier]
    agents = [subprocess.Popen(line, env=environment) for _ in range(workers)]
    try:
        failed = [status for status in [agent.wait() for agent in agents] if status]
    finally:
        for agent in agents:
            agent.terminate()
    if failed:
        raise ConfigError(
            f"{len(failed)} of {workers} agents ended with status {failed[0]}; see what they say above"
        )
