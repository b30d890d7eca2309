"""Export a network: as safetensors and ONNX, with a model card.

Both files are checked against the network on images of five sizes before they appear. The model card has the front
matter of Hugging Face; nothing is uploaded. ONNX needs the packages of requirements-export.txt.
"""

import argparse
from collections.abc import Sequence

from derain.commands.network import add_network, backbone_options, loaded, output_folder


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the network, and where the files go."""
    add_network(parser)
    parser.add_argument("-o", "--out", required=True, metavar="FOLDER", help="folder of the files")
    parser.add_argument("--name", metavar="NAME", help="of the model in its card; by default that of the folder")


def run(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Export; raises UserError."""
    del arguments
    from derain.evaluation.tiles import field_of
    from derain.files.atomic import write_whole
    from derain.restoration.card import CARD, card, stage_of
    from derain.restoration.exporting import export
    from derain.restoration.loading import metadata_of, theta_of

    network, out, theta = loaded(options), output_folder(options.out), theta_of(options.network)
    metadata = metadata_of(options.network, options.backbone, backbone_options(options))
    digests = export(network, out, metadata)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    name = options.name or out.resolve().name
    text = card(name, metadata, parameters, field_of(network), digests, stage_of(theta))
    write_whole(out / CARD, text.encode())
    for file in (*digests, CARD):
        print(out / file)
