"""Blends of two θ of the same network, weight by weight: NumPy arrays, computed in float64 and cast back.

Where the stages of a sequence are linearly connected (the loss does not rise between them; Frankle et al. 2020), every
θ between θⁿ and θⁿ⁺¹ is a working network, which trades the old datasets against the new one. DNI (Wang et al. 2019)
blends restoration networks like this.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[np.generic]]


def blended(
    before: Arrays, after: Arrays, alpha: float, omegas: tuple[Arrays, Arrays] | None = None
) -> dict[str, NDArray[np.generic]]:
    """θ between θⁿ and θⁿ⁺¹, of the types of θⁿ⁺¹; alpha in [0, 1], 0: θⁿ.

    Without omegas: θ = (1 − α)·θⁿ + α·θⁿ⁺¹.

    omegas: (Ω̄ⁿ of the old datasets at θⁿ, Ωⁿ⁺¹ of the new one at θⁿ⁺¹), ≥ 0. θ is then the minimiser of the sum of the
    two quadratic penalties, (1 − α)·½ Σ Ω̄ⁿ(θ − θⁿ)² + α·½ Σ Ωⁿ⁺¹(θ − θⁿ⁺¹)², weight by weight

        θ = ((1 − α)·Ω̄ⁿ·θⁿ + α·Ωⁿ⁺¹·θⁿ⁺¹) / ((1 − α)·Ω̄ⁿ + α·Ωⁿ⁺¹),

    the Fisher-weighted mean (Matena & Raffel 2022) for Ω of squared gradients. Where both terms of the denominator are
    0, every θ is a minimiser, and the plain blend is taken; so it is for tensors without Ω, the buffers of floats.
    Buffers of other types are those of θⁿ⁺¹.
    """
    found: dict[str, NDArray[np.generic]] = {}
    for name, new in after.items():
        if not np.issubdtype(new.dtype, np.floating):
            found[name] = new
            continue
        share: NDArray[np.float64] | float = alpha  # of θⁿ⁺¹
        if omegas and name in omegas[1]:
            old_omega, new_omega = (omega[name].astype(np.float64) for omega in omegas)
            share = _share(old_omega, new_omega, alpha)
        # Both ends are exact, and equal weights stay equal after the cast.
        mixed = (1 - share) * before[name].astype(np.float64) + share * new.astype(np.float64)
        found[name] = np.asarray(mixed, dtype=new.dtype)
    return found


def _share(old: NDArray[np.float64], new: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """α·Ωⁿ⁺¹ / ((1 − α)·Ω̄ⁿ + α·Ωⁿ⁺¹); α where the denominator is 0."""
    total = (1 - alpha) * old + alpha * new
    return np.divide(alpha * new, total, out=np.full_like(total, alpha), where=total > 0)
