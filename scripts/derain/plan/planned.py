"""Config and digests of a run, saved for its jobs. Every job parses the Snakefile again, and by then the config, the
data and the weights may have changed. The job uses the saved values, and fails if its files no longer match them.
"""

import json
from pathlib import Path
from typing import Any

from derain.errors import UserError
from derain.files.atomic import write_whole

FILE = Path(".snakemake/planned.json")  # relative to the working directory


def save_planned(config: dict[str, Any], digests: dict[str, dict[str, str]]) -> None:
    """Save the config of the run, as plain values, and the digests of its sources."""
    write_whole(FILE, json.dumps({"config": config, "digests": digests}).encode())


def read_planned() -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Read the config and the digests that `save_planned` saved. Raises UserError if they cannot be read."""
    try:
        planned = json.loads(FILE.read_text(encoding="utf-8"))
        return planned["config"], planned["digests"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{FILE}: cannot be read ({error}); run again") from error


def last_run() -> tuple[dict[str, Any], dict[str, dict[str, str]]] | None:
    """Return what `read_planned` reads of the last run; None if there was none, or it cannot be read."""
    try:
        return read_planned()
    except UserError:
        return None


def last_config() -> dict[str, Any] | None:
    """Return the config of the last run in the working directory; None if there was none, or it cannot be read."""
    last = last_run()
    return last and last[0]
