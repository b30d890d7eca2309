"""The network and the output folder of the commands that use a finished network."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derain.errors import DISK_FULL, UserError, reason_of, shown

if TYPE_CHECKING:
    from derain.restoration.loading import Opened


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add the path of the network, and what published weights do not say."""
    parser.add_argument(
        "-n", "--network", required=True, metavar="PATH", help="a stage's folder, its θ, or published weights"
    )
    parser.add_argument(
        "--backbone",
        metavar="NAME",
        help="of published weights, which do not name it: prenet, …; or the place of a class, FILE.py:CLASS",
    )
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="option of the backbone, as in the config"
    )


def loaded(options: argparse.Namespace, device: str = "cpu") -> "Opened":
    """The network, and what it was made of. Raises UserError."""
    from derain.restoration.loading import opened

    return opened(options.network, options.backbone, _backbone_options(options), device)


def _backbone_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options of the backbone, their values read as YAML. Raises UserError."""
    import yaml

    found = {}
    for text in options.option:
        key, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--option {shown(text)}: should be KEY=VALUE, such as --option channels=16")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f"--option {shown(text)}: its value is no YAML ({reason_of(error)})") from None
    return found


def output_folder(name: str) -> Path:
    """The folder, made where it is missing. Raises UserError if it cannot be made, OSError if the disk is full."""
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{shown(name)}: is there already and is no folder") from None
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        raise UserError(f"{shown(name)}: cannot be made ({reason_of(error)})") from error
    return folder
