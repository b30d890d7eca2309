"""Export a network: as safetensors and ONNX, with a model card.

Both files are checked against the network on images of five sizes before they appear. The model card has the front
matter of Hugging Face; nothing is uploaded. ONNX needs the packages of requirements-export.txt, a file of
the clone.
"""

import argparse
from pathlib import Path

from derain.commands.network import add_network, loaded, output_folder


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the network, and where the files go."""
    add_network(parser)
    parser.add_argument("-o", "--out", required=True, metavar="FOLDER", help="folder of the files")
    parser.add_argument("--name", metavar="NAME", help="of the model in its card; by default that of the folder")
    parser.add_argument("--overwrite", action="store_true", help="replace files that no earlier export has written")


def run(options: argparse.Namespace) -> None:
    """Export. Raises UserError, before any work if a file would be replaced unasked."""
    from derain.evaluation.tiles import field_of
    from derain.restoration.card import CARD, card, stage_of
    from derain.restoration.exporting import check_files, export, write
    from derain.restoration.loading import theta_of

    theta = theta_of(options.network)
    check_files(Path(options.out), theta, options.overwrite)
    (network, _, metadata), out = loaded(options), output_folder(options.out)
    digests = export(network, out, metadata, options.backbone)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    name = options.name or out.resolve().name
    text = card(name, metadata, parameters, field_of(network), digests, stage_of(theta), options.backbone)
    write(out, CARD, text.encode())
    for file in (*digests, CARD):
        print(out / file)
