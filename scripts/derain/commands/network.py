"""Options that name a finished network, for the commands that use one."""

import argparse
from typing import TYPE_CHECKING, Any

from derain.errors import UserError

if TYPE_CHECKING:
    from torch import nn


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add the path of the network, and what published weights do not say."""
    parser.add_argument(
        "-n", "--network", required=True, metavar="PATH", help="a stage's folder, its θ, or published weights"
    )
    parser.add_argument("--backbone", metavar="NAME", help="of published weights, which do not name it: prenet, …")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="option of the backbone, as in the config"
    )


def loaded(options: argparse.Namespace, device: str = "cpu") -> "nn.Module":
    """The network. Raises UserError."""
    from derain.restoration.loading import load

    return load(options.network, options.backbone, backbone_options(options), device)


def backbone_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options of the backbone, their values read as YAML. Raises UserError."""
    import yaml

    found = {}
    for text in options.option:
        key, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--option {text}: should be KEY=VALUE")
        found[key] = yaml.safe_load(value)
    return found
