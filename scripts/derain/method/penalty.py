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

How the penalty acts (λ: strength, η: learning rate of the step):

| act | |
|---|---|
| loss | λ·P is a term of the loss |
| proximal | after each step of the optimiser, θ ← argmin over θ' of ‖θ' − θ‖²/(2η) + λ·P(θ') (`Proximal`) |
| rate | no P: the move of each weight in a step is divided by 1 + λ·Ω/mean(Ω) (`LowerRate`) |

Under Adam a gradient of the loss is divided by the root of its mean square, so that a penalty in the loss does not act
in proportion to Ω; the two others are decoupled from it, like the weight decay of AdamW (Loshchilov & Hutter 2019).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from derain.method.step import Step, Term

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


class Proximal:
    """The proximal step of λ·P after a step of the optimiser, a `Step`; arguments as of `Penalty`, form "squared" or
    "absolute".

    With the weights of P in units of θ, c = Ω for normalisation "none"; for "loss_units" c = Ω/δ ("squared") and
    c = Ω ("absolute"):

        squared: θ ← (θ + η·λ·c·θⁿ)/(1 + η·λ·c),   absolute: Δ ← sign(Δ)·max(|Δ| − η·λ·c, 0), not smoothed.
    """

    def __init__(
        self,
        theta_star: Mapping[str, Tensor],
        omega: Mapping[str, Tensor],
        form: str,
        normalisation: str,
        strength: float,
    ) -> None:
        penalty = Penalty(theta_star, omega, form, normalisation)
        delta = penalty.delta ** (2 if form == "squared" else 1)
        self.weights = {name: strength * weight / delta for name, weight in penalty.omega.items()}
        self.theta_star, self.form = theta_star, form

    def __call__(self, network: nn.Module, optimise: Callable[[], object], rate: float) -> None:
        """Call optimise(), then move θ of the network towards θⁿ."""
        optimise()
        with torch.no_grad():
            for name, theta in network.named_parameters():
                move, pull = theta - self.theta_star[name], rate * self.weights[name]
                # The formulas as differences: weights without importance keep their bits.
                if self.form == "squared":
                    theta.sub_(move * (pull / (1 + pull)))
                else:
                    further = move.abs() > pull
                    theta.copy_(torch.where(further, theta - move.sign() * pull, self.theta_star[name]))


class LowerRate:
    """Lower rate of important weights, a `Step`: θ ← θ' + (θ − θ')/(1 + λ·Ω/mean(Ω)), θ' before and θ after the step of
    the optimiser; mean over all weights. For Adam and SGD this is a learning rate of η/(1 + λ·Ω/mean(Ω)) of a weight.
    """

    def __init__(self, omega: Mapping[str, Tensor], strength: float) -> None:
        total = sum(float(weight.double().sum()) for weight in omega.values())
        mean = total / sum(weight.numel() for weight in omega.values())
        self.held = {name: strength * weight / mean if mean else weight for name, weight in omega.items()}

    def __call__(self, network: nn.Module, optimise: Callable[[], object], rate: float) -> None:
        """Call optimise(), then take back a part of the move of each weight."""
        del rate
        before = {name: theta.detach().clone() for name, theta in network.named_parameters()}
        optimise()
        with torch.no_grad():
            for name, theta in network.named_parameters():
                held = self.held[name]
                theta.sub_((theta - before[name]) * (held / (1 + held)))


def term(
    network: nn.Module,
    state: Mapping[str, Any] | None,
    seed: Sequence[int],
    *,
    form: str,
    strength: float,
    normalisation: str,
    act: str = "loss",
) -> Term | None:
    """Strength · P(θ); None if the penalty is no term of the loss. network: the network at θⁿ; state: Ω̄ as arrays, None
    for Ω = 1.
    """
    del seed
    if act != "loss":
        return None
    theta_star, omega = _anchor(network, state)
    penalty = Penalty(theta_star, omega, form, normalisation)
    return lambda moving, seen: strength * penalty(moving)


def step(
    network: nn.Module,
    state: Mapping[str, Any] | None,
    seed: Sequence[int],
    *,
    form: str,
    strength: float,
    normalisation: str,
    act: str = "loss",
) -> Step | None:
    """The correction of each step; None if the penalty is a term of the loss. Arguments as of `term`."""
    del seed
    if act == "loss":
        return None
    theta_star, omega = _anchor(network, state)
    return LowerRate(omega, strength) if act == "rate" else Proximal(theta_star, omega, form, normalisation, strength)


def _anchor(network: nn.Module, state: Mapping[str, Any] | None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """θⁿ and Ω̄ on the device of the network."""
    theta_star = {name: theta.detach().clone() for name, theta in network.named_parameters()}
    if state is None:
        return theta_star, {name: torch.ones_like(theta) for name, theta in theta_star.items()}
    device = next(network.parameters()).device
    return theta_star, {name: torch.from_numpy(array).to(device) for name, array in state.items()}
