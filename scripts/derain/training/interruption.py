"""When a job has to end before it is finished: it was told to by a signal, or the time that it may take is over."""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def working_time(runtime: float) -> float:
    """Seconds that the process of a job may work of the `runtime` minutes that the job was given.

    The rest is for what came before it (the allocation, the engine) and for the last step and checkpoint: three
    minutes, but a quarter at most.
    """
    return 60 * runtime - min(180.0, 60 * runtime / 4)


def process_age() -> float:
    """Seconds since the operating system started this process."""
    return time.time() - float(psutil.Process().create_time())


@contextmanager
def told_to_stop(runtime: float | None) -> Iterator[Callable[[], str | None]]:
    """Within, SIGTERM and SIGINT end nothing by themselves the first time. Gives a function that says why the job has
    to end, or None. runtime: minutes that the job may take (Snakemake's resource); None: no limit.
    """
    received: list[str] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        told = signal.Signals(number)
        received.append(told.name)
        signal.signal(told, before[told])  # who asks again does not wait for the step

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
    """For processes that work for a job: signals reach the whole group, and the job still needs them for its step."""
    del worker
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
