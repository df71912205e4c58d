"""Signals in the processes that load data."""

from __future__ import annotations

import os
import signal
import threading


def ignore_foreign_signals(_: int) -> None:
    """Let a worker end at a signal of its trainer only (``worker_init_fn`` of a `DataLoader`).

    SLURM signals every process; a worker that dies of it ends the trainer before that can save.
    """
    if hasattr(signal, "sigwaitinfo"):
        numbers = {signal.SIGTERM, signal.SIGUSR1}
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        threading.Thread(target=_exit_on_trainer_signal, args=(numbers,), daemon=True).start()


def _exit_on_trainer_signal(numbers: set[signal.Signals]) -> None:
    """Wait for a signal of the trainer's own, and end this process."""
    while signal.sigwaitinfo(numbers).si_pid != os.getppid():
        pass
    os._exit(0)
