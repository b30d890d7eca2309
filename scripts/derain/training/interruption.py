"""Early end of a job: by a signal, or because its time limit is near."""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def working_time(runtime: float) -> float:
    """Seconds that the process of a job may work if the time limit of the job is `runtime` minutes.

    The rest is for the time before the process (allocation, Snakemake) and for the last step and checkpoint: three
    minutes, but at most a quarter of the limit.
    """
    return 60 * runtime - min(180.0, 60 * runtime / 4)


def process_age() -> float:
    """Seconds since the operating system started this process."""
    return time.time() - float(psutil.Process().create_time())


@contextmanager
def stop_requests(runtime: float | None) -> Iterator[Callable[[], str | None]]:
    """Context in which the first SIGTERM or SIGINT is only recorded. Yields a function that returns why the job has to
    end, or None. runtime: time limit of the job in minutes (Snakemake's resource), None for no limit.
    """
    received: list[str] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        which = signal.Signals(number)
        received.append(which.name)
        signal.signal(which, before[which])  # a second signal acts at once, without waiting for the step

    def why() -> str | None:
        if received:
            return received[0]
        if time.monotonic() > end:
            return f"before its resources.runtime of {runtime:g} min is over"
        return None

    end = math.inf if runtime is None else time.monotonic() + working_time(runtime) - process_age()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for number in SIGNALS:
            signal.signal(number, note)
        yield why
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_signals_to_the_parent(worker: int) -> None:
    """Ignore signals in a process that works for a job. Signals reach the whole group, but the step still needs it."""
    del worker
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
