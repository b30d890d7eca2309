"""Options of the Snakemake command, with those of its profile."""

import difflib
import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from types import FrameType
from typing import Any

from derain.errors import UserError, reason_of, shown

# Command line options of Snakemake that only show something; --report is another one.
SHOWS = (
    *("dag", "rulegraph", "filegraph", "d3dag", "summary", "detailed_summary", "archive", "containerize", "lint"),
    *("list_rules", "list_target_rules", "list_untracked", "list_changes", "list_input_changes", "list_params_changes"),
    *("list_conda_envs", "print_compilation"),
)


def merge_configs(configs: Iterable[Mapping[str, Any]], overrides: Iterable[str]) -> dict[str, Any]:
    """Merge configs and `--config key=value …` as Snakemake does: section by section, later values in place of earlier
    ones.
    """
    from snakemake.cli import parse_config
    from snakemake.utils import update_config

    merged: dict[str, Any] = {}
    try:
        for config in (*configs, parse_config(overrides)):
            update_config(merged, config)
    except ValueError as error:
        raise UserError(f"--config: {error}") from None
    return merged


def parse_options(arguments: Sequence[str], own: Iterable[str] = ()) -> tuple[Any, Any]:
    """Return Snakemake's parser, and the options that it reads from arguments and profiles.

    own: options of the command itself, which are taken out of the arguments. Raises UserError with one line, which for
    an unknown option has the nearest known one; Snakemake would print its whole usage.
    """
    from snakemake.cli import get_argument_parser, parse_args
    from snakemake.exceptions import CliException

    said = io.StringIO()
    try:
        with redirect_stderr(said):
            parser, options = parse_args(arguments)
    except (CliException, ValueError) as error:
        raise UserError(reason_of(error)) from None
    except SystemExit as ended:
        if not ended.code:  # --version
            raise
        fault = " ".join(said.getvalue().rpartition(": error: ")[2].split())
        known = [*get_argument_parser()._option_string_actions, *own]
        given = [each.partition("=")[0] for each in arguments if each.startswith("--") and each != "--"]
        unknown = [each for each in given if each in fault and each not in known]
        close = difflib.get_close_matches(unknown[0], known, n=1) if unknown else []
        raise UserError(shown(fault) + (f"; did you mean {close[0]!r}?" if close else "")) from None
    sys.stderr.write(said.getvalue())  # the profile in use
    return parser, options


def only_looks(workflow: Any) -> bool:
    """Whether the command changes nothing: a dry run (-n), or an option that only shows something.

    Snakemake reads the Snakefile before it evaluates these options. Its parsed command line, including the profile, is
    a local variable of its function args_to_api, which is on the call stack.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != "args_to_api":
        frame = frame.f_back
    asked = vars(frame.f_locals["args"]) if frame else {}
    shows = any(asked.get(option) for option in SHOWS) or (asked.get("reporter") and not asked.get("report_after_run"))
    return bool(workflow.output_settings.dryrun or shows)


def check_container(workflow: Any, image: str | None) -> None:
    """Raise UserError if jobs are to run in a container (--sdm apptainer) and there is no image.

    image: a file or an address, None for none.
    """
    if not any(method.name == "APPTAINER" for method in workflow.deployment_settings.deployment_method):
        return
    if image is None:
        raise UserError("config: container: is missing; --sdm apptainer needs an image (docs/how-to/containers.md)")
    if "://" not in image and not Path(image).exists():
        raise UserError(f"config: container: there is no file {image!r}")


def resource_value(resource: Any) -> Any:
    """Return a default resource as given in the profile or on the command line: a number, or an expression as text."""
    return getattr(resource, "raw", resource)
