"""Restore photographs with a network.

PHOTO is a file, a folder (its subfolders stay) or a quoted pattern with * or **. Outputs have the format, quality,
colour profile and EXIF of their photographs, turned upright. The same command again restores what is missing.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from derain.commands.network import add_network, loaded, output_folder
from derain.errors import EachFaultError, UserError

if TYPE_CHECKING:
    from derain.restoration.files import Photograph
    from derain.restoration.pictures import Pixels

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
    """Restore; raises EachFaultError with a line for each photograph that could not be restored."""
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
    out = output_folder(options.out)
    todo, faults = photographs(options.photo, out)
    if todo:
        with _only_lines_of_python():
            faults += restore_files(todo, out, restoration(network, todo, options.memory), options.overwrite)
            page = _compare(todo, out) if options.compare else None
        if page:
            print(page)
    if faults:
        raise EachFaultError("\n".join(faults))


@contextmanager
def _only_lines_of_python() -> Iterator[None]:
    """Drop what C libraries write to stderr: those of TIFF and JPEG tell about damage without the name of the file,
    beside the line with the name. The stderr of Python stays what it is.
    """
    python, terminal = sys.stderr, os.dup(2)
    with open(terminal, "w", encoding=python.encoding, errors="backslashreplace", buffering=1) as own:  # noqa: PTH123
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            python.flush()
            os.dup2(nowhere.fileno(), 2)
        try:
            if python is sys.__stderr__:
                sys.stderr = own
            yield
        finally:
            sys.stderr = python
            os.dup2(terminal, 2)


def _compare(todo: Sequence["Photograph"], out: Path) -> Path:
    """Write the page of the photographs that are restored; return its path."""
    from derain.report.comparison import write_comparison
    from derain.restoration.pictures import read

    def pairs() -> "Iterator[tuple[str, Pixels, Pixels]]":
        for each in todo:
            with suppress(UserError, OSError):  # a fault of this call, or an earlier output of what is damaged now
                yield each.place.as_posix(), read(each.file).rgb, read(out / each.place).rgb

    return write_comparison(pairs(), out)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*((?:[kmg]i?)?)b?", text.strip().lower())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes, such as 2G or 500M")
    return int(float(found[1]) * UNITS[found[2]])
