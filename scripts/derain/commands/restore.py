"""Restore photographs with a network.

PHOTO is a file, a folder (its subfolders stay) or a quoted pattern with * or **. Outputs have the format, quality,
colour profile and EXIF of their photographs, turned upright. The same command again restores what is missing.
"""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from derain.allocator import RESTORING_LIMIT
from derain.commands.network import add_network, loaded, output_folder
from derain.errors import EachFaultError, UserError, shown

if TYPE_CHECKING:
    from derain.restoration.files import Outcome

THREADS = 1024  # at most; a process cannot start any number of them


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the photographs, the network, and where the outputs go."""
    parser.add_argument("photo", nargs="+", metavar="PHOTO")
    parser.add_argument("-o", "--out", required=True, metavar="FOLDER", help="folder of the outputs")
    add_network(parser)
    parser.add_argument(
        "--memory",
        type=_bytes,
        default=RESTORING_LIMIT,
        metavar="BYTES",
        help=f"memory limit, such as 500M or 2Gi; {RESTORING_LIMIT / 10**9:g}G by default",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of torch; all cores by default")
    parser.add_argument(
        "--compare", action="store_true", help="also write a page with sliders: rainy beside restored, in small"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that no earlier call has written")


def run(options: argparse.Namespace) -> None:
    """Restore, and print what was done. Raises EachFaultError with a line for each photograph without an output."""
    import torch

    from derain.allocator import keep_freed_memory
    from derain.report.comparison import write_comparison
    from derain.restoration.folder import restore_into
    from derain.restoration.photographs import photographs

    if options.threads is not None:
        if not 1 <= options.threads <= THREADS:
            raise UserError(f"--threads {options.threads}: should be between 1 and {THREADS}")
        torch.set_num_threads(options.threads)
    device = device_of(options.device, torch.cuda.device_count())
    keep_freed_memory()
    found = loaded(options, device)
    out = output_folder(options.out)
    todo, unlisted = photographs(options.photo, out, options.compare)
    faults = [fault.text for fault in unlisted]
    if todo:
        compare = write_comparison if options.compare else None
        page, outcome = restore_into(
            out,
            todo,
            found.network,
            options.memory,
            overwrite=options.overwrite,
            compare=compare,
            recipe=found.recipe,
        )
        faults += outcome.faults
        print(_counted(out, outcome))
        if page:
            print(page)
    if faults:
        raise EachFaultError("\n".join(faults))


def device_of(asked: str, count: int) -> str:
    """The device as torch names it. asked: the option; count: of CUDA devices. Raises UserError if there is none."""
    if asked == "auto":
        return "cuda" if count else "cpu"
    if asked == "cpu":
        return asked
    if not re.fullmatch(r"cuda(:\d+)?", asked, re.ASCII):
        raise UserError(f"--device {shown(asked)}: should be auto, cpu, cuda or cuda:N")
    if int(asked.partition(":")[2] or 0) >= count:
        found = f"{count} CUDA device{'s' * (count != 1)}, numbered from 0" if count else "no CUDA device"
        raise UserError(f"--device {asked}: torch finds {found}; say cpu, or auto")
    return asked


def _counted(out: Path, outcome: "Outcome") -> str:
    count = sum((outcome.restored, outcome.there, len(outcome.faults)))
    parts = {"restored": outcome.restored, "there already": outcome.there, "not restored": len(outcome.faults)}
    counts = ", ".join(f"{number} {what}" for what, number in parts.items() if number)
    return f"{count} photograph{'s' * (count != 1)} → {shown(str(out))}: {counts}"


def _bytes(text: str) -> int:
    from derain.config.values import bytes_of

    try:
        return bytes_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
