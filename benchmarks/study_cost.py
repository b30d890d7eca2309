"""What a study of published size would cost on GPUs, calculated: python benchmarks/study_cost.py [--steps N]

The experiment of benchmarks/planning.py with 4 datasets and 4 orders: 8 methods and joint training, 3 seeds. Each
stage is trained by PReNet's recipe: T = 6, batches of 18 patches of 100², --steps steps (16,700: 100 epochs of
Rain100L). A step is counted in forward and backward passes; a forward pass alone is a third of one. The time is that of
the operations at --share of the peak (--tflops: of one device in float32, an H100 SXM by default). Ω, scores and
start-up are left out. With several devices, the stages of a sequence wait for each other.
"""

import argparse
from collections.abc import Mapping
from typing import Any

import torch
from common import print_in_any_locale
from derain.config.experiment import Experiment, read_experiment
from derain.curriculum import FIRST, JOINT, Stage, predecessor
from derain.plan.plan import Plan
from planning import EXPERIMENT
from roofline import Step, flops

ORDERS = ("abcd", "dcba", "bdac", "cadb")
BATCH, PATCH = 18, 100
FORWARD = 1 / 3  # of a forward and backward pass


def experiment() -> Experiment:
    """4 datasets, 4 orders; NR distils on rain of other strengths, as in config.yaml."""
    config: dict[str, Any] = {**EXPERIMENT, "orders": [list(order) for order in ORDERS]}
    config["datasets"] = {name: section for name, section in EXPERIMENT["datasets"].items() if name in ORDERS[0]}
    nr = EXPERIMENT["methods"]["nr"]
    config["methods"] = {**EXPERIMENT["methods"], "nr": {**nr, "distillation": {"strength": 0.5, "rain": [0.2, 5]}}}
    return read_experiment(config)


def passes(stage: Stage, asked: Experiment) -> float:
    """Forward and backward passes of a step: the batch; with distillation the old network's forward pass, and for rain
    of other strengths one more pass.
    """
    method = asked.methods.get(stage.method)
    distillation = method.distillation if method else None
    if distillation is None:
        return 1.0
    return 1 + FORWARD + (distillation.rain != (1, 1))


def hours(stages: Mapping[Stage, float], devices: int) -> float:
    """Until all stages are trained, the longest waiting first. stages: hours of each."""
    ready, free, ends = dict.fromkeys(stages, 0.0), [0.0] * devices, 0.0
    for stage in sorted(stages, key=lambda each: len(each.datasets) if each.method not in (FIRST, JOINT) else 1):
        before = predecessor(stage)
        start = max(min(free), ready.get(before, 0.0) if before else 0.0)
        free[free.index(min(free))] = ready[stage] = start + stages[stage]
        ends = max(ends, ready[stage])
    return ends


def main() -> None:
    """Count, calculate, print."""
    print_in_any_locale()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=16_700, help="of a stage (default: %(default)s)")
    parser.add_argument("--tflops", type=float, default=67, help="peak of a device (default: %(default)s)")
    parser.add_argument("--share", type=float, default=0.4, help="of the peak that is reached (default: %(default)s)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    plan = Plan(experiment())
    one = flops(Step("prenet", 1, PATCH, "cpu")) * BATCH
    seconds = one * asked.steps / (asked.tflops * 1e12 * asked.share)
    stages = {
        stage: passes(stage, plan.experiment) * (len(stage.own) if stage.method == JOINT else 1) * seconds / 3600
        for stage in plan.stages
    }
    print(
        f"{one / 1e12:.2f} TFLOP a step of {BATCH} patches of {PATCH}², {len(stages)} trainings of {asked.steps:,} ",
        end="",
    )
    print(f"steps (joint: of each dataset), {seconds / 60:.0f} minutes each with one pass a step")
    print("calculated, not measured:")
    for devices in (1, 16):
        print(f"  {devices:>2} devices: {hours(stages, devices):.0f} hours")


if __name__ == "__main__":
    main()
