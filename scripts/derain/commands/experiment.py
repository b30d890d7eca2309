"""The options that name an experiment, with the same meaning in all commands as in snakemake."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derain import LIBRARY, check_library
from derain.errors import UserError, shown

if TYPE_CHECKING:
    from derain.config.experiment import Experiment

CLONE = LIBRARY.parents[1]
SNAKEFILE, CONFIG = "Snakefile", "config.yaml"
CONFIG_SUFFIXES = (".yaml", ".yml", ".json")


def add_experiment_options(parser: argparse.ArgumentParser) -> None:
    """Add --snakefile, --configfile, --config and --directory."""
    parser.add_argument("-s", "--snakefile", metavar="FILE", help="./Snakefile by default, else that of the clone")
    parser.add_argument("--configfile", nargs="+", metavar="FILE", help="config.yaml beside the Snakefile by default")
    parser.add_argument("--config", nargs="+", metavar="KEY=VALUE", default=[], help="keys in place of the file's")
    where = "folder of the experiment, which holds results/; the present one by default"
    parser.add_argument("-d", "--directory", metavar="FOLDER", default=".", help=where)


def add_snakemake_options(parser: argparse.ArgumentParser) -> None:
    """Let a command take all targets and options of snakemake; `snakemake_arguments` are then for its parser."""
    parser.usage = f"{parser.prog} [option ...] [target ...]"
    parser.epilog = "All other options of snakemake are taken, too."
    parser.add_argument("target", nargs="*", help="file or rule; the whole experiment by default")
    add_experiment_options(parser)
    parser.set_defaults(snakemake=True)


def snakemake_arguments(arguments: Sequence[str], options: argparse.Namespace) -> list[str]:
    """Return the arguments with the default Snakefile before them; the last --snakefile counts.

    options: the same, parsed. Raises UserError if --configfile has taken a target, which the engine would read as YAML.
    """
    for file in (options.configfile or [])[1:]:
        if Path(file).suffix.lower() not in CONFIG_SUFFIXES:
            raise UserError(
                f"--configfile takes all names that follow it as config files, also {shown(file)}; a target stands "
                "before it"
            )
    default = _default_snakefile()
    return ["--snakefile", str(default), *arguments] if default else list(arguments)


def read_experiment(options: argparse.Namespace) -> "Experiment":
    """Read the config that a run with the same options would read, and change to the folder of the experiment.

    The config file `-` is the standard input. Raises UserError with a line for each fault.
    """
    from derain.config import experiment

    given = _read_config(options)
    try:
        os.chdir(options.directory)
    except FileNotFoundError:
        raise UserError(f"{shown(options.directory)}: there is no such folder") from None
    return experiment.read_experiment(given)


def _default_snakefile() -> Path | None:
    found = (path for path in (Path(SNAKEFILE), CLONE / SNAKEFILE) if path.is_file())
    return next(found, None)


def _read_config(options: argparse.Namespace) -> Any:
    """The values of the config files and of `--config key=value …`, later ones in place of earlier ones."""
    from derain.config.reading import check_files, load, load_file
    from derain.engine.command import merge_configs

    snakefile = Path(options.snakefile) if options.snakefile else _default_snakefile()
    if snakefile is not None:
        _check_library(snakefile)
    elif not options.configfile:
        raise UserError("there is no Snakefile here, and derain was not installed from a clone; use --configfile")
    if options.configfile == ["-"]:
        return load(sys.stdin.read(), "standard input")
    files = options.configfile or [Path(snakefile or "").with_name(CONFIG)]
    check_files(files, options.config)
    configs = [load_file(file) for file in files]
    if len(configs) == 1 and not options.config:
        return configs[0]
    if not all(isinstance(config, Mapping) for config in configs):
        raise UserError("config: should be keys with values")
    return merge_configs(configs, options.config)


def _check_library(snakefile: Path) -> None:
    """Exit with an error line if a Snakefile is of another clone than this library; runs refuse it, too."""
    library = snakefile.resolve().parent / "scripts/derain"
    if library.is_dir():
        check_library(library)
