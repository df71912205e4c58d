"""A sweep handed to W&B: its server chooses the settings, its agents here run the trials."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from meshgait.errors import ConfigError
from meshgait.sweeps.schema import Sweep
from meshgait.text import shown


def run_online(sweep: Sweep, workers: int) -> None:
    """Create the sweep at W&B and run ``workers`` agents until it is done.

    Raises:
        ConfigError: W&B cannot be reached, there is no login, it refuses the sweep, or an agent failed.
    """
    import wandb

    server = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    try:
        with contextlib.suppress(urllib.error.HTTPError):  # it answers; without an answer W&B would wait for long
            urllib.request.urlopen(server, timeout=10).close()
        wandb.login(timeout=60)
        identifier = wandb.sweep(sweep.content, sweep.entity, sweep.project or "mesh-gait")
    except Exception as error:  # wandb raises errors of several families
        raise ConfigError(
            f"W&B at {server} does not take the sweep ({shown(error)})",
            "run `wandb login`, or leave --online away to run the sweep here",
        ) from error
    # agents begin commands by name: python and meshgait are those of this environment
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    line = [sys.executable, "-m", "wandb", "agent", identifier]
    agents = [subprocess.Popen(line, env=os.environ | {"PATH": path}) for _ in range(workers)]
    try:
        failed = [status for status in [agent.wait() for agent in agents] if status]
    finally:
        for agent in agents:
            agent.terminate()
    if failed:
        raise ConfigError(
            f"{len(failed)} of {workers} agents ended with status {failed[0]}; see what they say above"
        )
