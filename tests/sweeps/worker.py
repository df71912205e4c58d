"""A worker process: FILE URL FOLDER [WORKERS [GRACE]]."""

import sys
from pathlib import Path

from meshgait.sweeps.runner import Runner
from meshgait.sweeps.schema import read_sweep
from meshgait.sweeps.study import open_storage, open_study

file, url, folder, *more = sys.argv[1:]
workers, grace = (*map(int, more), *(1, 60)[len(more) :])
sweep = read_sweep(Path(file))
count = sweep.trials(None)
storage = open_storage(url, grace)
study = open_study(storage, sweep, count, 0)
program = [sys.executable, str(Path(__file__).parent / "program.py")]
Runner(sweep, storage, study, Path(folder), count, 0, workers, program).run()
