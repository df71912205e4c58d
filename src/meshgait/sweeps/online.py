"""A sweep handed to W&B: its server chooses the settings, its agents here run the trials."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from meshgait.errors import ConfigError
from meshgait.sweeps.check import check_settings
from meshgait.sweeps.schema import Sweep

SERVER = "https://api.wandb.ai"
TIMEOUT = 10.0
LOCALLY = "leave --online away to run the sweep here"


def run_online(sweep: Sweep, workers: int, say: Callable[[str], None]) -> None:
    """Create the sweep at W&B and run ``workers`` agents until it is done.

    Raises:
        ConfigError: W&B cannot be reached, there is no login, the settings are none, or an agent failed.
    """
    import wandb

    server = os.environ.get("WANDB_BASE_URL", SERVER)
    try:
        urllib.request.urlopen(server, timeout=TIMEOUT).close()
    except urllib.error.HTTPError:
        pass  # it answers
    except (OSError, ValueError) as error:
        raise ConfigError(f"W&B cannot be reached at {server} ({error}); {LOCALLY}") from error
    try:
        known = wandb.login(timeout=60)
    except Exception as error:  # wandb raises errors of several families
        raise ConfigError(f"W&B refuses the login ({_brief(error)}); run `wandb login`, or {LOCALLY}") from error
    if not known:
        raise ConfigError(f"there is no login to W&B; run `wandb login`, or {LOCALLY}")
    check_settings(sweep, say)
    content = {"project": "mesh-gait", **sweep.content}
    try:
        identifier = wandb.sweep(content, content.get("entity"), content["project"])
    except Exception as error:
        raise ConfigError(f"W&B does not take the sweep ({_brief(error)}); mend it, or {LOCALLY}") from error
    say(f"sweep {identifier} at W&B; {workers} agents here, more elsewhere by `wandb agent {identifier}`")
    # agents begin commands by name: python and meshgait are those of this environment
    paths = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    environment = os.environ | {"PATH": os.pathsep.join(paths)}
    agents = [
        subprocess.Popen([sys.executable, "-m", "wandb", "agent", identifier], env=environment)
        for _ in range(workers)
    ]
    try:
        failed = [status for status in [agent.wait() for agent in agents] if status]
    finally:
        for agent in agents:
            if agent.poll() is None:
                agent.send_signal(signal.SIGTERM)
    if failed:
        raise ConfigError(
            f"{len(failed)} of {workers} agents ended with status {failed[0]}; see what they say above"
        )


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
