"""Results of an earlier format are neither read nor overwritten."""

import os
from collections.abc import Iterable

from derain.errors import UserError
from derain.files.metadata import metadata
from derain.plan.recipes import FORMAT


def refuse_earlier(thetas: Iterable[str]) -> None:
    """Raises UserError where one of the files is there and tells of another format than FORMAT, or of none."""
    for theta in filter(os.path.isfile, thetas):
        try:
            told = metadata(theta)
        except UserError:  # whoever reads the arrays tells it
            continue
        if told and told.get("format") != FORMAT:
            raise UserError(
                f"{theta}: was made by another version of this project, whose results this one cannot go on with; move "
                "results/stages and results/search away, or delete them, and run again"
            )
