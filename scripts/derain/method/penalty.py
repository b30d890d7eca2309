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

from collections.abc import Mapping, Sequence
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
        self.form = FORMS[form]
        self.theta_star = theta_star
        self.delta = weight_rms(theta_star) if normalisation == "loss_units" else 1.0
        self.omega = {name: weight * self.delta for name, weight in omega.items()}

    def __call__(self, network: nn.Module) -> Tensor:
        """P at the current θ of the network."""
        terms = [
            self.form(self.omega[name], (theta - self.theta_star[name]) / self.delta)
            for name, theta in network.named_parameters()
        ]
        return torch.stack(terms).sum()


def weight_rms(theta: Mapping[str, Tensor]) -> float:
    """δ: the root mean square over all weights of a network."""
    squares = sum(float(weight.double().square().sum()) for weight in theta.values())
    return float((squares / sum(weight.numel() for weight in theta.values())) ** 0.5)


def _smooth_abs(move: Tensor) -> Tensor:
    return (move.square() + SMOOTHING**2).sqrt() - SMOOTHING


def absolute(omega: Tensor, move: Tensor) -> Tensor:
    """Σ Ω|Δ| over one tensor, |·| smoothed at 0 (see SMOOTHING)."""
    return (omega * _smooth_abs(move)).sum()


def squared(omega: Tensor, move: Tensor) -> Tensor:
    """½ Σ ΩΔ² over one tensor."""
    return 0.5 * (omega * move.square()).sum()


def pigwm(omega: Tensor, move: Tensor) -> Tensor:
    """½ S + ½ S² of one tensor, S = Σ Ω|Δ|. Unlike the other forms it changes if a tensor is split in two."""
    bound = absolute(omega, move)
    return 0.5 * bound + 0.5 * bound.square()


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
