"""The penalty P(Δ), Δ = θ − θⁿ, weighted by Ω̄: it keeps important weights close to θⁿ during training.

NR bounds the change of the old loss by Σᵢ Ωᵢ|Δᵢ| (first-order Taylor expansion at θⁿ); how the bound enters the
training is not published, so the form is a choice:

| form | P | source |
|---|---|---|
| absolute | Σ Ω|Δ| | the bound itself |
| squared | ½ Σ ΩΔ² | EWC, MAS |
| pigwm | Σ over tensors t of ½ Sₜ + ½ Sₜ², Sₜ = Σ in t of Ω|Δ| | PIGWM's public code |

Normalisation. Ω has the unit loss / weight. With "loss_units" the weights are measured in δ, the root mean square
of all θⁿ: Δ̂ = Δ/δ and, by the chain rule, Ω̂ = δ·Ω. Every form is then in units of the training loss (`squared`
becomes ½ Σ ΩΔ²/δ; `absolute` is unchanged). So a strength is a plain number, whose meaning does not depend on the
scale of the loss, the width of the network or the scale of its weights. "none" uses Ω and Δ unchanged.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from derain.method.step import Term

# |Δ̂| has no gradient at 0, where training starts, and a kink there, across which steps of fixed size oscillate.
# √(Δ̂² + ε²) − ε is smooth, zero at zero, and within ε of |Δ̂|; ε is small compared with the moves of a stage (~0.1 δ).
SMOOTHING = 1e-3


class Penalty:
    """P(θ) for one stage: a callable on the network in training that returns a scalar ≥ 0, zero at θⁿ.

    theta_star: θⁿ by parameter name; omega: Ω̄, the same names and shapes; form, normalisation: see above.
    Raises ValueError if the names or shapes do not match.
    """

    def __init__(
        self, theta_star: Mapping[str, Tensor], omega: Mapping[str, Tensor], form: str, normalisation: str
    ) -> None:
        shapes = {name: weight.shape for name, weight in theta_star.items()}
        if shapes != {name: weight.shape for name, weight in omega.items()}:
            raise ValueError("Ω and θ do not belong to the same network")
        self.form, self.names = FORMS[form], list(theta_star)
        self.sizes = [weight.numel() for weight in theta_star.values()]
        self.theta_star = _flat(theta_star, self.names)
        self.delta = weight_rms(theta_star) if normalisation == "loss_units" else 1.0
        self.omega = _flat(omega, self.names) * self.delta

    def __call__(self, network: nn.Module) -> Tensor:
        """P at the current θ of the network."""
        theta = _flat(dict(network.named_parameters()), self.names)
        return self.form(self.omega, (theta - self.theta_star) / self.delta, self.sizes)


def _flat(tensors: Mapping[str, Tensor], names: Iterable[str]) -> Tensor:
    """All weights in one vector: a CUDA device takes longer to start a kernel for each tensor than to compute it."""
    return torch.cat([tensors[name].flatten() for name in names])


def weight_rms(theta: Mapping[str, Tensor]) -> float:
    """δ: the root mean square over all weights of a network."""
    squares = sum(float(weight.double().square().sum()) for weight in theta.values())
    return float((squares / sum(weight.numel() for weight in theta.values())) ** 0.5)


def _smooth_abs(move: Tensor) -> Tensor:
    return (move.square() + SMOOTHING**2).sqrt() - SMOOTHING


def absolute(omega: Tensor, move: Tensor, sizes: Sequence[int]) -> Tensor:
    """Σ Ω|Δ|, |·| smoothed at 0 (SMOOTHING). omega, move: all weights in one vector; sizes: of the tensors in it."""
    del sizes
    return (omega * _smooth_abs(move)).sum()


def squared(omega: Tensor, move: Tensor, sizes: Sequence[int]) -> Tensor:
    """½ Σ ΩΔ². Arguments as of `absolute`."""
    del sizes
    return 0.5 * (omega * move.square()).sum()


def pigwm(omega: Tensor, move: Tensor, sizes: Sequence[int]) -> Tensor:
    """Σ over tensors of ½ S + ½ S², S = Σ Ω|Δ|. Unlike the other forms it changes if a tensor is split in two.
    Arguments as of `absolute`.
    """
    bounds = torch.stack([part.sum() for part in torch.split(omega * _smooth_abs(move), list(sizes))])
    return (0.5 * bounds + 0.5 * bounds.square()).sum()


FORMS = {"absolute": absolute, "squared": squared, "pigwm": pigwm}


def term(
    network: nn.Module,
    state: Mapping[str, Any] | None,
    seed: Sequence[int],
    *,
    form: str,
    strength: float,
    normalisation: str,
) -> Term:
    """Strength · P(θ). network: the network at θⁿ; state: Ω̄ as arrays, None for Ω = 1."""
    del seed
    theta_star = {name: theta.detach().clone() for name, theta in network.named_parameters()}
    if state is None:
        omega = {name: torch.ones_like(theta) for name, theta in theta_star.items()}
    else:
        device = next(network.parameters()).device
        omega = {name: torch.from_numpy(array).to(device) for name, array in state.items()}
    penalty = Penalty(theta_star, omega, form, normalisation)
    return lambda moving, seen: strength * penalty(moving)
