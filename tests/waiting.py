"""Waiting for an event, on a machine of any speed."""

import time


def until(condition, what: str, seconds: float = 300):
    """What condition() returns once it is true. The deadline only turns a hang into a failure that says `what`."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found
