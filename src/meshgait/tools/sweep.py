"""`meshgait sweep FILE.yaml`: search settings, here by Optuna or (with --online) by W&B."""

from __future__ import annotations

import argparse
from pathlib import Path

from meshgait.errors import ConfigError, OutputError
from meshgait.extras import require
from meshgait.terminal import say

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
        help="a worker that sends nothing for this many seconds counts as dead, and another one repeats its "
        "trial (default %(default)s)",
    )
    add("--online", action="store_true", help="hand the sweep to W&B and run its agents")


def run(arguments: argparse.Namespace) -> None:
    """Run the sweep to its end and write what it found."""
    require("sweeps", "a sweep")
    # Optuna and matplotlib take a while, so help does not wait for them
    from meshgait.sweeps.online import run_online
    from meshgait.sweeps.results import check_settings, write_results
    from meshgait.sweeps.runner import Runner
    from meshgait.sweeps.schema import read_sweep
    from meshgait.sweeps.study import DATABASE_ERRORS, known, open_storage, open_study

    for name, least in (("workers", 1), ("grace", 1), ("trials", 1), ("seed", 0)):
        if (value := getattr(arguments, name)) is not None and value < least:
            raise ConfigError(f"--{name} is {value}", f"give at least {least}")
    sweep, seed = read_sweep(arguments.file), arguments.seed
    if arguments.online:
        check_settings(sweep)
        return run_online(sweep, arguments.workers)
    count = sweep.trials(arguments.trials)
    folder = arguments.out or Path("runs") / "sweeps" / sweep.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made ({error.strerror})", "give another --out") from error
    try:
        storage = open_storage(arguments.storage or f"sqlite:///{folder / 'sweep.db'}", arguments.grace)
        if not known(storage, sweep):
            check_settings(sweep)
        study = open_study(storage, sweep, count, seed)
        say(f"sweep {sweep.name}: {count} trials, {arguments.workers} workers, in {folder}")
        Runner(sweep, storage, study, folder, count, seed, arguments.workers).run()
        write_results(sweep, study, folder)
    except DATABASE_ERRORS as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise OutputError(
            f"the storage of sweep {sweep.name} cannot be used ({reason})", "mend it and repeat the command"
        ) from error
