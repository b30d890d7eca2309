"""Restores the files of photographs: which of them are done, reading and writing beside the network, faults."""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from tqdm import tqdm

from derain.allocator import return_freed_memory
from derain.data.images import Pixels
from derain.errors import DISK_FULL, UserError, is_out_of_memory, reason_of, shown
from derain.evaluation.tiles import Field, field_of, restored
from derain.files.atomic import write_whole
from derain.files.regular import open_regular
from derain.restoration import pictures
from derain.restoration.memory import side_within
from derain.restoration.photographs import RECORD, Photograph
from derain.restoration.pictures import Picture
from derain.restoration.records import RecordError, append, check_replaceable, lines_of, stands


class Restoration(NamedTuple):
    """How photographs are restored. settings: digest of everything but the photograph that decides the output."""

    network: nn.Module
    field: Field
    side: int
    settings: str


def restoration(network: nn.Module, todo: Iterable[Photograph], memory: int, recipe: object = None) -> Restoration:
    """How to restore these photographs within `memory` bytes. recipe: JSON values that decide the outputs, too.

    Whole images and tiles of any side count as the same settings where the reach is finite. Otherwise the limit of
    memory counts, and not the side of the tiles, which differs a little from call to call.
    """
    field = field_of(network)
    side = side_within(network, field, memory, max(map(_pixels, todo), default=0))
    limit = memory if field.reach is None else 0
    decided = hashlib.sha256(json.dumps([torch.__version__, field, limit, recipe], sort_keys=True).encode())
    for name, tensor in network.state_dict().items():
        decided.update(name.encode() + tensor.cpu().numpy().tobytes())
    return Restoration(network, field, side, decided.hexdigest())


def _pixels(photograph: Photograph) -> int:
    try:
        return pictures.size_of(photograph.file) if photograph.file.is_file() else 0
    except (UserError, OSError):
        return 0  # reported when it is read


class Outcome(NamedTuple):
    """What a call has done: the number of photographs that it restored, the number whose outputs were there already,
    and a line for each that could not be restored.
    """

    restored: int
    there: int
    faults: list[str]


def restore_files(todo: Sequence[Photograph], out: Path, how: Restoration, overwrite: bool) -> Outcome:
    """Restore photographs into a folder. What is done is skipped: RECORD has the digests of photograph, settings and
    output. Reading and writing run beside the network.

    overwrite: replace files that no earlier call has written. Raises OSError if the disk is full, and RecordError if
    RECORD cannot be written: then no photograph can be restored.
    """
    done, waiting = recorded(out / RECORD), iter(todo)
    there = 0
    faults: list[str] = []
    with (
        ThreadPoolExecutor(1) as reader,
        ThreadPoolExecutor(1) as writer,
        tqdm(total=len(todo), desc="restoring", unit="photograph", disable=not sys.stderr.isatty()) as bar,
    ):

        def read_next() -> tuple[Photograph, "Future[Read | None]"] | None:
            each = next(waiting, None)
            return each and (each, reader.submit(_read, each, out, how.settings, done, overwrite))

        def finish(written: "Written | None") -> None:
            if written:
                with _faults(written.photograph, faults):
                    written.done.result()
                bar.update()

        coming, writing, shape = read_next(), None, None
        while coming:
            (photograph, reading), coming = coming, read_next()
            with _faults(photograph, faults):
                found = reading.result()
                if found is None:
                    there += 1
                    bar.update()
                    continue
                if found.picture.rgb.shape != shape:
                    return_freed_memory()  # else its free blocks stay beside those that another size needs
                    shape = found.picture.rgb.shape
                output = restored(how.network, found.picture.rgb, how.side, how.field)
                finish(writing)
                writing = Written(photograph, writer.submit(_write, photograph, out, how.settings, found, output))
                continue
            bar.update()
        finish(writing)
    return Outcome(len(todo) - there - len(faults), there, faults)


class Read(NamedTuple):
    """A decoded photograph and the sha256 of its file."""

    picture: Picture
    digest: str


class Written(NamedTuple):
    """A photograph whose output is being written."""

    photograph: Photograph
    done: "Future[None]"


def _read(
    photograph: Photograph, out: Path, settings: str, done: Mapping[str, tuple[str, str, str]], overwrite: bool
) -> Read | None:
    """Decode a photograph; None if its output is there."""
    try:
        with open_regular(photograph.file) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except ValueError as error:  # begins with the name, which the line of the fault begins with
        raise ValueError(str(error).removeprefix(photograph.file.name).lstrip(": ")) from error
    output = out / photograph.place
    *known, written = done.get(str(photograph.place), ("", "", ""))
    ours = stands(output, written)
    if ours and known == [digest, settings]:
        return None
    check_replaceable(output, ours, photograph.file, "restore", overwrite)
    return Read(pictures.read(photograph.file), digest)


def _write(photograph: Photograph, out: Path, settings: str, found: Read, output: Pixels) -> None:
    """Write the line of RECORD and then the output: after a kill between them, the output is made again."""
    content = pictures.encoded(found.picture, output)
    file = out / photograph.place
    file.parent.mkdir(parents=True, exist_ok=True)
    line = [str(photograph.place), found.digest, settings, hashlib.sha256(content).hexdigest()]
    append(out / RECORD, line)
    write_whole(file, content)


@contextmanager
def _faults(photograph: Photograph, faults: list[str]) -> Iterator[None]:
    """Turn an error about one photograph into a line; a full disk and an unwritable RECORD end the command."""
    name = shown(str(photograph.file))
    try:
        yield
    except RecordError:
        raise
    except UserError as error:
        faults.append(str(error))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        faults.append(f"{name}: does not fit into memory")
    except (OSError, ValueError) as error:
        file = getattr(error, "filename", None)
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        place = f" ({shown(str(file))})" if file and file != str(photograph.file) else ""  # not the photograph's
        faults.append(f"{name}: {reason_of(error)}{place}")


def recorded(record: Path) -> dict[str, tuple[str, str, str]]:
    """(digest of the photograph, settings, digest of the output) by output."""
    return {place: (photograph, settings, output) for place, photograph, settings, output in lines_of(record, 4)}
