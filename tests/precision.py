"""Bounds that follow from a number format, and the library's jobs in float64.

Another processor, or another order of summation, changes the last bits of a result. Formulas are therefore compared in
float64, where a bound far above every rounding is still far below what a wrong formula changes.
"""

import numpy as np
from derain.training.job import Job
from torch.utils.data import Dataset

UNIT32, UNIT64 = 2.0**-24, 2.0**-53  # the largest relative error of one rounding to the nearest
SMALLEST32 = 2.0**-149  # spacing of float32 below its normal range

# Relative bound in float64: nine million roundings, all in one direction. The longest sum of products through one of
# the small networks here, forth and back and with the loss behind, has fewer than 10⁴, of random signs; 10³ remain for
# what a division by a small variance (SSIM) or a cancellation makes of them.
SHARP = 1e-9


def of_roundings(count: int, unit: float = UNIT32) -> float:
    """The largest relative error after `count` roundings one upon the other (Higham's γ)."""
    return count * unit / (1 - count * unit)


def of_differences(value: float, step: float) -> float:
    """The largest error that rounding leaves in (up − down)/(2 · step), where both were computed in float64.

    value: their magnitude. A thousand roundings are counted, for a pass through one of the small networks.
    """
    return of_roundings(1000, UNIT64) * abs(value) / step


def assert_stored(found, exact) -> None:
    """`found`, from a float32 file, is `exact`, computed in float64, rounded once."""
    found, exact = (np.asarray(array, np.float64) for array in (found, exact))
    bound = UNIT32 * np.abs(exact) + SHARP * np.abs(exact).max() + SMALLEST32
    assert (np.abs(found - exact) <= bound).all()


class InFloat64(Dataset):
    """Batches in float64, of the same seed."""

    def __init__(self, batches):
        self.batches, self.seed = batches, getattr(batches, "seed", None)

    def __getitem__(self, step):
        return tuple(side.double() for side in self.batches[step])


def jobs_in_float64(monkeypatch) -> None:
    """Networks and batches of all jobs in this process are float64 from now on. Their files stay float32."""
    network, batches = Job.network, Job.batches
    monkeypatch.setattr(Job, "network", lambda job, theta=None: network(job, theta).double())
    monkeypatch.setattr(Job, "batches", lambda job, stream, size: InFloat64(batches(job, stream, size)))
