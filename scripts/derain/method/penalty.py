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

from collections.abc import Callable, Iterable, Mapping, Sequence
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
        self.form, self.names = FORMS[form], list(theta_star)
        self.sizes = [weight.numel() for weight in theta_star.values()]
        self.theta_star = _flat(theta_star, self.names)
        self.delta = weight_rms(theta_star) if normalisation == "loss_units" else 1.0
        self.omega = _flat(omega, self.names) * self.delta

    def __call__(self, network: nn.Module) -> Tensor:
        """P at the current θ of the network."""
        theta = _theta(network, self.names)
        return self.form(self.omega, (theta - self.theta_star) / self.delta, self.sizes)


def _flat(tensors: Mapping[str, Tensor], names: Iterable[str]) -> Tensor:
    """All weights in one vector: a CUDA device takes longer to start a kernel for each tensor than to compute it."""
    return torch.cat([tensors[name].flatten() for name in names])


def _theta(network: nn.Module, names: Iterable[str]) -> Tensor:
    """θ of a network in one vector."""
    return _flat(dict(network.named_parameters()), names)


def _write(network: nn.Module, names: Iterable[str], theta: Tensor) -> None:
    """Set θ to the weights of a vector of `_flat`."""
    parameters = dict(network.named_parameters())
    weights = [parameters[name] for name in names]
    for weight, part in zip(weights, torch.split(theta, [weight.numel() for weight in weights]), strict=True):
        weight.copy_(part.view_as(weight))


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
        self.weights = strength * penalty.omega / delta
        self.theta_star, self.names, self.form = penalty.theta_star, penalty.names, form

    def __call__(self, network: nn.Module, optimise: Callable[[], object], rate: float) -> None:
        """Call optimise(), then move θ of the network towards θⁿ."""
        optimise()
        with torch.no_grad():
            theta = _theta(network, self.names)
            move, pull = theta - self.theta_star, rate * self.weights
            # The formulas as differences: weights without importance keep their bits.
            if self.form == "squared":
                theta -= move * (pull / (1 + pull))
            else:
                theta = torch.where(move.abs() > pull, theta - move.sign() * pull, self.theta_star)
            _write(network, self.names, theta)


class LowerRate:
    """Lower rate of important weights, a `Step`: θ ← θ' + (θ − θ')/(1 + λ·Ω/mean(Ω)), θ' before and θ after the step of
    the optimiser; mean over all weights. For Adam and SGD this is a learning rate of η/(1 + λ·Ω/mean(Ω)) of a weight.
    """

    def __init__(self, omega: Mapping[str, Tensor], strength: float) -> None:
        total = sum(float(weight.double().sum()) for weight in omega.values())
        mean = total / sum(weight.numel() for weight in omega.values())
        self.names = list(omega)
        self.held = _flat(omega, self.names) * (strength / mean if mean else 1.0)

    def __call__(self, network: nn.Module, optimise: Callable[[], object], rate: float) -> None:
        """Call optimise(), then take back a part of the move of each weight."""
        del rate
        with torch.no_grad():
            before = _theta(network, self.names)
        optimise()
        with torch.no_grad():
            theta = _theta(network, self.names)
            theta -= (theta - before) * (self.held / (1 + self.held))
            _write(network, self.names, theta)


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
