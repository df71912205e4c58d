"""`meshgait sweep FILE.yaml`: search settings, here by Optuna or (with --online) by W&B."""

from __future__ import annotations

import argparse
from pathlib import Path

from meshgait.errors import ConfigError, OutputError
from meshgait.extras import require
from meshgait.terminal import console

HELP = "search settings with a W&B sweep file, here (by Optuna) or at W&B"


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "sweep", help=HELP, description=f"{HELP}. Repeat the command to go on where it was interrupted."
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="sweep in W&B's schema, e.g. experiments/sweeps/pretrain.yaml")
    add("--workers", type=int, default=1, help="trials at once on this machine (default %(default)s)")
    add("--trials", type=int, default=None, metavar="N", help="number of trials (default: run_cap; grid: all)")
    add(
        "--out",
        type=Path,
        default=None,
        metavar="DIR",
        help="folder of trials and results (default runs/sweeps/NAME)",
    )
    add(
        "--storage",
        default=None,
        metavar="URL",
        help="database of the sweep; one that several machines reach lets them share the work, e.g. "
        "postgresql+psycopg://user:password@host/name (default: sweep.db in DIR)",
    )
    add("--seed", type=int, default=0, help="of the draws (default %(default)s)")
    add(
        "--grace",
        type=int,
        default=60,
        metavar="S",
        help="a worker that is not heard of for so many seconds is taken for dead, and its trial is taken up by "
        "another (default %(default)s)",
    )
    add("--online", action="store_true", help="hand the sweep to W&B and run its agents")


def run(arguments: argparse.Namespace) -> None:
    """Run the sweep to its end and write what it found."""
    require("sweeps", "a sweep")
    # Optuna and matplotlib take a while, so help does not wait for them
    from meshgait.sweeps import study as studies
    from meshgait.sweeps.check import check_settings
    from meshgait.sweeps.online import run_online
    from meshgait.sweeps.progress import Progress
    from meshgait.sweeps.results import Results
    from meshgait.sweeps.runner import Runner
    from meshgait.sweeps.schema import read_sweep

    for name in ("workers", "grace"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"--{name} is {getattr(arguments, name)}", "give at least 1")
    if arguments.seed < 0 or (arguments.trials is not None and arguments.trials < 1):
        raise ConfigError(f"--seed is {arguments.seed}, --trials is {arguments.trials}", "neither may be so small")
    sweep = read_sweep(arguments.file)
    out = console()
    if arguments.online:
        return run_online(sweep, arguments.workers, out.print)
    count = sweep.trials(arguments.trials)
    folder = arguments.out or Path("runs") / "sweeps" / sweep.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made ({error.strerror})", "give another --out") from error
    try:
        storage = studies.open_storage(arguments.storage or f"sqlite:///{folder / 'sweep.db'}", arguments.grace)
        if not studies.known(storage, sweep):
            check_settings(sweep, out.print)
        study = studies.open_study(storage, sweep, count, arguments.seed)
        done, _ = studies.Queue(storage, sweep, count, arguments.seed).standing()
        out.print(f"sweep {sweep.name}: {done} of {count} trials done, {arguments.workers} workers, in {folder}")
        with Progress(sweep.metric, count, done, out) as progress:
            Runner(sweep, storage, folder, progress, count, arguments.seed, arguments.workers).run()
        Results(sweep, study).write(folder, study, out)
    except studies.DATABASE_ERRORS as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise OutputError(
            f"the storage of sweep {sweep.name} cannot be used ({reason})", "mend it and repeat the command"
        ) from error
