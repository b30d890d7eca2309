"""Times works in turn, so that a change of the machine's speed during the run meets all of them."""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import NamedTuple

import common  # noqa: F401  # finds the library
import torch
from derain.machine import instruction_set, processor

Works = Mapping[str, Callable[[], object]]
Times = Mapping[str, list[float]]  # seconds by work
CLOCKS: dict[str, Callable[[], float]] = {"CPU": time.process_time, "wall": time.perf_counter}


class Ratio(NamedTuple):
    """Median, smallest and largest of the ratios of two times in the same round."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:>7.2f}{self.least:>7.2f}{self.most:>7.2f}"


def alternate(works: Works, rounds: int, device: str = "cpu") -> dict[str, dict[str, list[float]]]:
    """Seconds by clock and work, one for each round. Each round begins with another work. The first calls, which warm
    up, are not measured. device: where they compute; a work ends when a CUDA device has nothing left to do.
    """
    names = list(works)
    for name in names:
        works[name]()
        wait_for(device)
    times: dict[str, dict[str, list[float]]] = {clock: {name: [] for name in names} for clock in CLOCKS}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            start = {clock: now() for clock, now in CLOCKS.items()}
            works[name]()
            wait_for(device)
            for clock, now in CLOCKS.items():
                times[clock][name].append(now() - start[clock])
    return times


def wait_for(device: str) -> None:
    """Wait until a CUDA device has computed what it was given."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def machine_of(device: str) -> str:
    """The name of the device that computes."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    return f"{processor()}, {instruction_set()}"


def ratio(times: Times, of: str, to: str) -> Ratio:
    """Of the times of one work to those of another."""
    ratios = [one / other for one, other in zip(times[of], times[to], strict=True)]
    return Ratio(median(ratios), min(ratios), max(ratios))
