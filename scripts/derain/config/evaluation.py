"""Config sections of what is made with trained networks: scores, the page, restored photographs."""

from typing import Annotated, Literal

from pydantic import Field

from derain.allocator import RESTORING_LIMIT
from derain.config.values import Alpha, Bytes, Count, Names, Once, Pattern, Section, Size


class Evaluation(Section):
    """How outputs are scored, and what the page shows of them."""

    datasets: Names = Field(default=(), description="names of datasets that are scored but never trained on")
    rounding: Annotated[tuple[Literal["nearest", "truncate", "none"], ...], Once] = Field(
        default=("nearest",),
        min_length=1,
        description="how outputs in [0, 1] are rounded to 8 bits before they are scored, one row of the score "
        "tables each: nearest; truncate, uint8(255·x); none, floats. The page shows the first",
    )
    ssim: Literal["wang2009", "full_size"] = Field(
        default="wang2009",
        description="SSIM of images whose shorter side has 384 pixels or more: wang2009, after shrinking as "
        "`ssim.m` of 2009 does; full_size, as they are. The SSIM of rainy inputs and dataset "
        "summaries follows",
    )
    tile: Size = Field(
        default=1024,
        description="side of the tiles, pixels, in which images of more than tile² pixels are restored. With a finite "
        "reach of the network (docs/explanation/tiles.md) their outputs are those of the whole image; otherwise they "
        "are blended",
    )
    split: bool = Field(
        default=False, description="true: one scoring job for each stage and dataset; false: one for each stage"
    )
    theory_patches: Count = Field(
        default=0,
        description="training patches of each earlier dataset in the diagnostic of Eqs. 5–8; 0: no diagnostic",
    )
    chord: Annotated[tuple[Alpha, ...], Once] = Field(
        default=(),
        description="shares α of θⁿ⁺¹ in the blends (1 − α)·θⁿ + α·θⁿ⁺¹ of each stage that are scored on the datasets "
        "learned so far, a job each: the trade-off that fine-tuning and one number reach; empty: none",
    )
    chord_of: Literal["finetuning", "all"] = Field(
        default="finetuning",
        description="with `chord`: methods whose stages are blended: finetuning, the first method without a strength "
        "or memory, whose blends are the chord; all, every method",
    )
    chord_importance: str | None = Field(
        default=None,
        description="with `chord`: name of a kind of Ω in `importances`; the stages are also blended weight by weight "
        "with this Ω (docs/explanation/method.md)",
    )
    previews: Count = Field(
        default=3,
        description="test images of each dataset on the page, from the worst to the best PSNR of the rainy input",
    )


class Photographs(Section):
    """Photographs of your own, restored with networks of the experiment (docs/reference/restore.md)."""

    files: Annotated[tuple[Pattern, ...], Once] = Field(
        min_length=1,
        description="files, folders (with their subfolders) and patterns with * or **, relative to the folder of the "
        "experiment; of folders and patterns, what is below `results` is left out",
    )
    methods: Names = Field(
        default=(),
        description="names of the methods whose last stages, one of each order, restore them with the first seed; "
        "empty: all methods. Networks with `evaluate_only` restore them, too",
    )
    memory: Bytes = Field(
        default=RESTORING_LIMIT,
        description="limit of the memory of each job, bytes, or text such as 500M or 2Gi; larger photographs are "
        "restored in tiles. It decides the outputs of networks without a finite reach (docs/explanation/tiles.md)",
    )
