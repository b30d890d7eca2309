"""Config sections of the training of stages and of joint networks.

Jobs read their recipes (derain.plan.recipes) with these classes. A class returns its values unchanged, so this module
is not part of any code digest, and a new key or default reruns no job by itself.
"""

from typing import Literal

from pydantic import Field

from derain.config.values import Count, LossName, Number, Positive, Section, Size


class Training(Section):
    """How every stage is trained: the keys that decide θ."""

    steps: Positive = Field(default=300, description="optimiser steps of each stage; `joint` has its own number")
    batch: Size = Field(default=8, description="patches in each batch")
    patch: Size = Field(default=32, description="side of a training patch, pixels")
    loss: LossName = Field(
        default="negative_ssim",
        description="training loss L between the output and the clean patch, one value a sample",
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        default="adam", description="optimiser of torch; each stage starts a fresh one"
    )
    learning_rate: Number = Field(default=5e-3, gt=0, description="highest learning rate of the schedule")
    schedule: Literal["constant", "cosine", "multistep"] = Field(
        default="cosine",
        description="learning rate over the steps: constant; cosine, down to 0; multistep, × 0.2 at 30, 50 and "
        "80 % of the steps",
    )
    warmup: Count = Field(default=20, description="steps of the linear rise of the learning rate at the start; 0: none")
    threads: Size = Field(
        default=1,
        description="CPU threads of torch in each job with a network; another number changes the last bits of θ",
    )
    parts: Size = Field(
        default=1,
        description="parts that a batch is computed in, at most `batch` and a multiple of `devices`; more parts "
        "need less memory, and another number changes the last bits of θ",
    )
    precision: Literal["float32", "tfloat32", "bfloat16"] = Field(
        default="float32",
        description="number format of the forward and backward passes of a training; losses, θ and Ω stay float32. "
        "tfloat32: CUDA devices multiply with 10 bits of the mantissa (on a CPU as float32)",
    )
    compile: Literal["default", "reduce-overhead"] | None = Field(
        default=None,
        description="mode of torch.compile for the forward and backward passes of a training; null: not compiled. "
        "It costs up to a minute at the start of a job, needs a C++ compiler, and changes the last bits of θ",
    )


class TrainingSection(Training):
    """The section `training`: the keys that decide θ, and keys for running and logging, which change no result."""

    devices: Size = Field(
        default=1,
        description="processes that share the parts of a batch and the patches of an Ω, each with its own CUDA "
        "device or its own CPU threads",
    )
    workers: Count = Field(
        default=0, le=10_000, description="processes that prepare batches; 0: the training process does"
    )
    log_every: Positive = Field(default=20, description="steps between two rows of `training.csv` and log lines")
    validate_every: Positive = Field(
        default=100, description="steps between two validations; the last step always has one"
    )
    checkpoint_every: Number = Field(
        default=120,
        ge=0,
        description="seconds between two checkpoints of a training or an Ω: the work that a kill may lose",
    )
    tensorboard: bool = Field(
        default=False, description="true: also write each training table as TensorBoard event files"
    )


class Joint(Section):
    """Joint training, the reference: one network trained on all datasets of an order at once."""

    steps_per_dataset: Positive = Field(le=10**12, description="optimiser steps for each dataset of a joint network")
    prefixes: bool = Field(
        default=False,
        description="true: also one joint network for every beginning of an order of two or more datasets",
    )
