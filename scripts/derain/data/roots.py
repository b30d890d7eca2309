"""The root folder of a dataset, from its section of the config."""

from pathlib import Path
from typing import Any

from derain.data.rendered import RENDERED
from derain.data.rendered import root_of as root_of_others


def root_of(section: dict[str, Any]) -> Path:
    """The root folder of a dataset's files, for every layout."""
    return Path(section["root"]) if section.get("root") else root_of_others(section)


def has_photographs(section: dict[str, Any]) -> bool:
    """Whether rain is rendered on the images below the root of this dataset."""
    return bool(section["layout"] == RENDERED and section["root"])
