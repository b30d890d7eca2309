"""Layouts: the folder structures of published datasets below their root, in the known releases and repackagings.

A layout gives each split a list of places; the first place that contains an image is used. A place is
    {"rainy": pattern, "clean": pattern}              two files per pair (without "clean": real rain)
    {"side_by_side": pattern, "clean": half}          one file per pair; half: left, right, or ASK if releases differ
    {"list": file}                                    a list of pairs, text or CSV; "split": default split of CSV rows
                                                      without one (otherwise the split that the place belongs to)
Patterns are those of derain.data.matching. docs/reference/datasets.md shows the folder trees.
"""

Place = dict[str, str]
Layout = dict[str, list[Place]]

OWN = "folders"  # a layout without places: the config gives them
ASK = "ask"  # the config must say which half is clean


def _pairs(*patterns: tuple[str, str]) -> list[Place]:
    return [{"rainy": rainy, "clean": clean} for rainy, clean in patterns]


def _real(*patterns: str) -> list[Place]:
    return [{"rainy": pattern} for pattern in patterns]


def _side_by_side(clean: str, *patterns: str) -> list[Place]:
    return [{"side_by_side": pattern, "clean": clean} for pattern in patterns]


def _sides(rainy: str, clean: str, *folders: str) -> list[Place]:
    """Places with a rainy and a clean folder, which hold the same file names."""
    within = [f"{folder}/" if folder else "" for folder in folders]
    return _pairs(*((f"{f}{rainy}/{{scene}}.*", f"{f}{clean}/{{scene}}.*") for f in within))


def _generic(rainy: str, clean: str) -> Layout:
    return {
        "train": _sides(rainy, clean, "train", "training"),
        "validation": _sides(rainy, clean, "validation", "val", "valid"),
        "test": _sides(rainy, clean, "test", "testing", ""),  # "": the root itself is a test set
    }


def _rain100_old(kind: str) -> Layout:
    """The copies of PReNet; of JORDER-E, RCDNet and others; of CLGID."""
    return {
        "train": [
            *_pairs(
                (f"RainTrain{kind}/rain-{{scene}}.*", f"RainTrain{kind}/norain-{{scene}}.*"),
                ("rain-{scene}.*", "norain-{scene}.*"),
                ("train/small/rain/norain-{scene}.*", "train/small/norain/norain-{scene}.*"),
            ),
            *_sides("rain", "norain", f"rain100{kind}/train", f"Rain100{kind}_train"),
        ],
        "test": [
            *_pairs(
                (f"Rain100{kind}/rainy/rain-{{scene}}.*", f"Rain100{kind}/norain-{{scene}}.*"),
                ("rainy/rain-{scene}.*", "norain-{scene}.*"),
                ("test/small/rain/norain-{scene}.*", "test/small/norain/norain-{scene}.*"),
            ),
            *_sides("rain", "norain", f"rain100{kind}/test", f"Rain100{kind}_test", "test", ""),
        ],
    }


def _rain100_new(kind: str) -> Layout:
    """The authors' archives (also called Rain200L and Rain200H), and the copy of DRSformer."""

    def places(split: str) -> list[Place]:
        top = (f"{split}/", f"rain_data_{split}_{'Light' if kind == 'L' else 'Heavy'}/")
        named = [("rain/norain-{scene}x2.*", "norain"), ("rain/X2/norain-{scene}x2.*", "norain")]
        return [
            *_pairs(*((f"{t}{rainy}", f"{t}{clean}/norain-{{scene}}.*") for t in top for rainy, clean in named)),
            *_sides("input", "target", f"{split}/Rain200{kind}", f"Rain200{kind}/{split}"),
        ]

    return {"train": places("train"), "test": places("test")}


def _rain1400(split: str, short: str) -> list[Place]:
    folders = [f"{top}{name}/" for top in ("", "rainy_image_dataset/", "DDN_SIRR/") for name in (split, short)]
    spellings = [("rainy_image", "ground_truth"), ("rainy image", "ground truth"), ("rain", "norain")]
    return _pairs(
        *(
            (f"{f}{rainy}/{{scene}}_{{rain}}.*", f"{f}{clean}/{{scene}}.*")
            for f in folders
            for rainy, clean in spellings
        )
    )


def _raincityscapes(split: str) -> list[Place]:
    return _pairs(
        *(
            (
                f"leftImg8bit{rainy}/{split}/*/{{scene}}_leftImg8bit_rain_{{rain}}.*",
                f"leftImg8bit/{split}/*/{{scene}}_leftImg8bit.*",
            )
            for rainy in ("_rain", "")
        ),
        (f"{split}/rain/{{scene}}_rain_{{rain}}.*", f"{split}/norain/{{scene}}.*"),
    )


def _rainds(split: str) -> list[Place]:
    folders = [f"{top}{split}" for top in ("", "RainDS_syn/", "RainDS_real/")]
    return _pairs(
        *((f"{f}/rainstreak/rain-{{scene}}.*", f"{f}/gt/norain-{{scene}}.*") for f in folders),
        *((f"{f}/rain/rain-{{scene}}.*", f"{f}/norain/norain-{{scene}}.*") for f in folders),
        *((f"{f}/{{scene}}_rain.*", f"{f}/{{scene}}_norain.*") for f in folders),
    )


LAYOUTS: dict[str, Layout] = {
    "rain100l-old": _rain100_old("L"),
    "rain100h-old": _rain100_old("H"),
    "rain100l-new": _rain100_new("L"),
    "rain100h-new": _rain100_new("H"),
    "rain12": {
        "test": _pairs(
            ("rainy/{scene}.*", "groundtruth/{scene}.*"),
            ("rain/{scene}.*", "groundtruth/{scene}.*"),
            ("input/{scene}.*", "groundtruth/{scene}.*"),
            ("{scene}_in.*", "{scene}_GT.*"),
            ("rain/{scene}_in.*", "norain/{scene}_GT.*"),
        )
        + _sides("input", "target", "", "test")
        + _sides("rain", "norain", "", "test"),
    },
    "rain800": {
        "train": _side_by_side("left", "training/{scene}.*", "train/{scene}.*", "rain800_train/{scene}.*")
        + _sides("input", "target", "train", "training")
        + _sides("rain", "norain", "train", "training"),
        "test": _side_by_side("left", "test_syn/{scene}.*", "testing/{scene}.*", "test/{scene}.*", "Test100/{scene}.*")
        + _sides("input", "target", "test", "Test100", "test/Test100")
        + _sides("rain", "norain", "test", "Test100"),
    },
    "rain1200": {
        "train": _side_by_side(
            ASK,
            *(f"{top}Rain_{{rain}}/train2018new/{{scene}}.*" for top in ("", "DID-MDN-training/")),
        )
        + _sides("input", "target", "train")
        + _sides("rain", "norain", "train", "rain1200_medium/train"),
        "test": _side_by_side(ASK, "DID-MDN-test/{scene}.*", "testing/{scene}.*", "test/{scene}.*")
        + _sides("input", "target", "test", "Test1200", "test/Test1200")
        + _sides("rain", "norain", "test", "rain1200_medium/test"),
    },
    "rain1400": {"train": _rain1400("training", "train"), "test": _rain1400("testing", "test")},
    "spa-data": {
        "train": [{"list": name} for name in ("real_world.txt", "train/real_world.txt")],
        "test": [{"list": name} for name in ("real_test_1000.txt", "test/real_test_1000.txt")],
    },
    "rainds": {"train": _rainds("train"), "test": _rainds("test")},
    "raincityscapes": {"train": _raincityscapes("train"), "test": _raincityscapes("test") + _raincityscapes("val")},
    "outdoor-rain": {
        split: _pairs(
            *(
                (f"{split}/{rainy}/{{scene}}_s{{rain}}.*", f"{split}/{clean}/{{scene}}.*")
                for rainy, clean in (("in", "gt"), ("input", "target"), ("rain", "norain"))
            )
        )
        for split in ("train", "test")
    },
    "rain13k": {
        "train": _sides("input", "target", "train", "train/Rain13K"),
        "validation": _sides("input", "target", "val", "validation"),
        "test": _pairs(("test/{rain}/input/{scene}.*", "test/{rain}/target/{scene}.*")),
    },
    "input-target": _generic("input", "target"),
    "rain-norain": _generic("rain", "norain"),
    "csv": {split: [{"list": "pairs.csv", "split": "train"}] for split in ("train", "validation", "test")},
    "side-by-side": {
        "train": _side_by_side(ASK, "train/{scene}.*", "training/{scene}.*"),
        "validation": _side_by_side(ASK, "validation/{scene}.*", "val/{scene}.*"),
        "test": _side_by_side(ASK, "test/{scene}.*", "testing/{scene}.*"),
    },
    "real": {"test": _real("rain/{scene}.*", "rainy/{scene}.*", "input/{scene}.*", "test/{scene}.*", "{scene}.*")},
}
