"""Restore photographs with a network.

PHOTO is a file, a folder (its subfolders stay) or a quoted pattern with * or **. Outputs have the format, quality,
colour profile and EXIF of their photographs, turned upright. The same command again restores what is missing.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from derain.commands.network import add_network, loaded
from derain.errors import UserError

if TYPE_CHECKING:
    from derain.restoration.files import Photograph

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the photographs, the network, and where the outputs go."""
    parser.add_argument("photo", nargs="+", metavar="PHOTO")
    parser.add_argument("-o", "--out", required=True, metavar="FOLDER", help="folder of the outputs")
    add_network(parser)
    parser.add_argument(
        "--memory", type=_bytes, default="2G", metavar="BYTES", help="memory limit, such as 500M or 2Gi; 2G by default"
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of torch; all cores by default")
    parser.add_argument(
        "--compare", action="store_true", help="also write a page with sliders: rainy beside restored, in small"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that no earlier call has written")


def run(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Restore; raises UserError with a line for each photograph that could not be restored."""
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
    out.mkdir(parents=True, exist_ok=True)
    todo, faults = photographs(options.photo, out)
    if todo:
        faults += restore_files(todo, out, restoration(network, todo, options.memory), options.overwrite)
    if options.compare:
        print(_compare(todo, out))
    if faults:
        raise UserError("\n".join(faults))


def _compare(todo: "Sequence[Photograph]", out: Path) -> Path:
    """Write the page of the photographs that are restored; return its path."""
    from derain.report.comparison import write_comparison

    pairs = ((each.place.as_posix(), each.file, out / each.place) for each in todo)
    return write_comparison([(name, file, output) for name, file, output in pairs if output.is_file()], out)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*((?:[kmg]i?)?)b?", text.strip().lower())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes, such as 2G or 500M")
    return int(float(found[1]) * UNITS[found[2]])
