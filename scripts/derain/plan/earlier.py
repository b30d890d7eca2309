"""Refuses results of an earlier format, so that they are neither read nor overwritten."""

import os
from collections.abc import Iterable

from derain.errors import UserError
from derain.files.metadata import metadata
from derain.plan.recipes import FORMAT


def refuse_earlier(thetas: Iterable[str]) -> None:
    """Raise UserError if the metadata of an existing file name another format than FORMAT, or none."""
    for theta in filter(os.path.isfile, thetas):
        try:
            recorded = metadata(theta)
        except UserError:  # the job that reads the arrays reports it
            continue
        if recorded and recorded.get("format") != FORMAT:
            raise UserError(
                f"{theta}: was made by another version of this project, whose results this one cannot go on with; move "
                "results/stages and results/search away, or delete them, and run again"
            )
