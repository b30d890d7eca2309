"""What the page, its figures and its tables are made from. The rules ask here."""

from typing import Any

from derain.curriculum import GIVEN, JOINT, Stage, in_tables, predecessor, prefixes, stage
from derain.plan.plan import Plan, place

# Orders whose outputs the page shows, the first ones: it must not grow with their number.
PICTURED_ORDERS = 3


class PagePlan:
    """The files and figures of one experiment's page."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.experiment = plan, plan.experiment

    @property
    def moves(self) -> list[tuple[str, str]]:
        """θ before and after each stage with a past."""
        pairs = [(predecessor(of), of) for of in self.plan.stages_with_past]
        return [(a.file("theta.safetensors"), b.file("theta.safetensors")) for a, b in pairs if a]

    @property
    def omega_files(self) -> list[str]:
        """Each Ω that serves a later stage, of its stage's own dataset."""
        return [of.file(f"omega-{importance}.safetensors") for of, importance in self.plan.omegas]

    @property
    def omega_places(self) -> list[dict[str, Any]]:
        """The same as plain values."""
        return [place(of) | {"importance": importance} for of, importance in self.plan.omegas]

    @property
    def importances(self) -> dict[str, str]:
        """The kind of Ω of each method that has one."""
        kinds = {method: self.experiment.kind_of(method, "penalty") for method in self.experiment.methods}
        return {method: kind for method, kind in kinds.items() if kind}

    @property
    def tables(self) -> list[str]:
        """The tables that page and figures draw."""
        names = ["matrix", "continual", "summary"]
        names += ["training"] if self.plan.trained else []
        names += ["moves"] if self.moves else []
        names += ["omega-layers", "omega-distribution", "omega-overlap"] if self.plan.omegas else []
        names += ["strengths"] if self.plan.searched else []
        names += ["theory", "theory-correlations"] if self.plan.diagnosed else []
        return [f"results/tables/{name}.csv" for name in names]

    @property
    def figures(self) -> list[str]:
        """Names of the figures for a paper, as `derain.report.figures` draws them."""
        found = []
        orders = [n for n, order in enumerate(self.experiment.orders, 1) if len(order) > 1]
        for network in self.experiment.trained_networks if orders else []:
            found.append(f"orders-{network}")
            kinds = ["matrix", "curves", "training", "moves"]
            kinds += ["omega-layers", "omega-distribution"] if self.plan.omegas else []
            kinds += ["omega-overlap"] if any(len(of.datasets) > 1 for of, _ in self.plan.omegas) else []
            found += [f"{kind}-{network}-{n}" for kind in kinds for n in orders]
        found += ["strengths", "tradeoff"] if self.plan.searched else []
        return found + (["theory"] if self.plan.diagnosed else [])

    @property
    def shown(self) -> list[dict[str, Any]]:
        """What the page shows pictures of: each given network, and the stages of each method along the first orders."""
        several = len(self.experiment.networks) > 1
        found: list[dict[str, Any]] = [
            {"method": network, "order": None, "learned": "", "final": True, "of": Stage(network, 0, GIVEN, ())}
            for network in self.experiment.given_networks
        ]
        for network in self.experiment.trained_networks:
            for order in self.experiment.orders[:PICTURED_ORDERS]:
                ways = [(method, prefixes(order)) for method in self.experiment.methods]
                ways += [(JOINT, [order])] if self.experiment.joint else []
                found += [
                    {
                        "method": f"{method} ({network})" if several else method,
                        "order": in_tables(order) if len(order) > 1 else None,
                        "learned": seen[-1],
                        "final": seen == order,
                        "of": stage(network, self.experiment.seeds[0], method, seen),
                    }
                    for method, along in ways
                    for seen in along
                ]
        return [
            shown | {"of": place(shown["of"]), "files": self.plan.of_stage(shown["of"], "previews/{part}.npz")}
            for shown in found
        ]
