"""What a run has planned, kept for its jobs. Each of them reads the Snakefile anew, and the config, the data and the
weights may be others by then: a job does what was planned, or says that it cannot.
"""

import json
from pathlib import Path
from typing import Any

from derain.errors import UserError
from derain.files.atomic import write_whole

FILE = Path(".snakemake/planned.json")  # below the working directory


def keep(config: dict[str, Any], digests: dict[str, dict[str, str]]) -> None:
    """Write the config of the run, as plain values, and the digests of its sources."""
    write_whole(FILE, json.dumps({"config": config, "digests": digests}).encode())


def kept() -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """What `keep` wrote: config and digests. Raises UserError where it cannot be read."""
    try:
        planned = json.loads(FILE.read_text(encoding="utf-8"))
        return planned["config"], planned["digests"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{FILE}: cannot be read ({error}); run again") from error
