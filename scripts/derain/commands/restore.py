"""Restore photographs with a network.

PHOTO is a file, a folder (its subfolders stay) or a quoted pattern with * or **. Outputs have the format, quality,
colour profile and EXIF of their photographs, turned upright. The same command again restores what is missing.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from derain.commands.network import add_network, loaded
from derain.errors import EachFault, UserError, shown

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the photographs, the network, and where the outputs go."""
    parser.add_argument("photo", nargs="+", metavar="PHOTO")
    parser.add_argument("-o", "--out", required=True, metavar="FOLDER", help="folder of the outputs")
    add_network(parser)
    parser.add_argument("--memory", type=_bytes, default="2G", metavar="BYTES", help="memory limit; 2G by default")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of torch; all cores by default")
    parser.add_argument("--overwrite", action="store_true", help="replace files that no earlier call has written")


def run(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Restore; raises EachFault with a line for each photograph that could not be restored."""
    del arguments
    import torch

    from derain.allocator import keep_freed_memory
    from derain.restoration.files import photographs, restoration, restore_files

    if options.threads:
        torch.set_num_threads(options.threads)
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    keep_freed_memory()
    network = loaded(options, device)
    out = Path(options.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{shown(str(out))}: is there already and is no folder") from None
    todo, faults = photographs(options.photo, out)
    if todo:
        faults += restore_files(todo, out, restoration(network, todo, options.memory), options.overwrite)
    if faults:
        raise EachFault("\n".join(faults))


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)i?B?", text.strip(), re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes, such as 2G or 500M")
    return int(float(found[1]) * UNITS[found[2].upper()])
