"""Restores files: which photographs there are, where they go, and which of them are done."""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from tqdm import tqdm

from derain.errors import DISK_FULL, UserError, is_out_of_memory, reason_of, shown
from derain.evaluation.tiles import Field, field_of, restored
from derain.files.atomic import PARTIAL, write_whole
from derain.files.digest import file_digest
from derain.files.regular import open_regular
from derain.restoration import pictures
from derain.restoration.memory import side_within
from derain.restoration.pictures import Picture, Pixels

RECORD = "restored.jsonl"  # a line for each photograph that is done


class Photograph(NamedTuple):
    """A file to restore. place: of the output, below the output folder."""

    file: Path
    place: Path


def photographs(given: Iterable[str], out: Path) -> tuple[list[Photograph], list[str]]:
    """The photographs of files, folders and glob patterns, and a line for each fault.

    The files of a folder, by the suffixes of images, stay in its subfolders. A file that is named twice is restored
    once. Of folders and patterns, what is below the output folder is left out: the outputs of an earlier call.
    """
    found: dict[Path, Photograph] = {}
    faults: list[str] = []
    files = set()
    for photograph in (each for name in given for each in _named(name, out, faults)):
        if photograph.file in files:
            continue
        files.add(photograph.file)
        place = photograph.place
        if str(place) == RECORD or place.suffix == PARTIAL:
            faults.append(f"{shown(str(photograph.file))}: has the name of a file of this program; rename it")
        elif (other := found.setdefault(place, photograph)) is not photograph:
            faults.append(
                f"{shown(str(photograph.file))}: its output {shown(str(place))} is that of {shown(str(other.file))}, "
                "too; restore them into different folders"
            )
    return list(found.values()), faults


def _named(name: str, out: Path, faults: list[str]) -> Iterator[Photograph]:
    """The photographs of a file, a folder or a pattern. What names none adds a fault."""
    pattern = has_magic(name) and not os.path.lexists(name)
    paths = sorted(glob(name, recursive=True)) if pattern else [name]  # noqa: PTH207 (also absolute patterns)
    if not any(paths):
        faults.append(f"{shown(name) or repr(name)}: no file has such a name")
        return
    for path in map(Path, paths):
        if not os.path.isdir(path):  # noqa: PTH112 (does not raise, whatever the name is)
            if not pattern or not _within(path, out):
                yield Photograph(path, Path(path.name))
            continue
        files = _files(path, faults)
        if not files and not pattern:
            faults.append(f"{shown(name)}: has no file with the suffix of an image")
        for file in files:
            if not _within(file, out):
                yield Photograph(file, file.relative_to(path))


def _files(folder: Path, faults: list[str]) -> list[Path]:
    """What has the suffix of an image below a folder, also if it is none, such as a broken link: it is named when it is
    read. A subfolder that cannot be listed adds a fault.
    """

    def unlisted(error: OSError) -> None:
        faults.append(f"{shown(str(error.filename))}: {reason_of(error)}")

    files = [Path(parent) / name for parent, _, names in os.walk(folder, onerror=unlisted) for name in names]
    return sorted(file for file in files if file.suffix.lower() in pictures.SUFFIXES)


def _within(file: Path, folder: Path) -> bool:
    """Whether a file is below a folder, links followed. Unlike Path.resolve it bears loops of links."""
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))


class Restoration(NamedTuple):
    """How photographs are restored. settings: digest of everything but the photograph that decides the output."""

    network: nn.Module
    field: Field
    side: int
    settings: str


def restoration(network: nn.Module, todo: Iterable[Photograph], memory: int) -> Restoration:
    """How to restore these photographs within `memory` bytes. Whole images and tiles of any side count as the same
    settings where the reach is finite.
    """
    field = field_of(network)
    side = side_within(network, field, memory, max(map(_pixels, todo), default=0))
    decided = hashlib.sha256(repr((torch.__version__, field, side if field.reach is None else 0)).encode())
    for name, tensor in network.state_dict().items():
        decided.update(name.encode() + tensor.cpu().numpy().tobytes())
    return Restoration(network, field, side, decided.hexdigest())


def _pixels(photograph: Photograph) -> int:
    try:
        return pictures.size_of(photograph.file) if photograph.file.is_file() else 0
    except (UserError, OSError):
        return 0  # reported when it is read


def restore_files(todo: Sequence[Photograph], out: Path, how: Restoration, overwrite: bool) -> list[str]:
    """Restore photographs into a folder; return a line for each that could not be restored. What is done is skipped:
    RECORD has the digests of photograph, settings and output. Reading and writing run beside the network.

    overwrite: replace files that no earlier call has written. Raises OSError if the disk is full, and RecordError if
    RECORD cannot be written: then no photograph can be restored.
    """
    done, waiting = _done(out / RECORD), iter(todo)
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

        coming, writing = read_next(), None
        while coming:
            (photograph, reading), coming = coming, read_next()
            with _faults(photograph, faults):
                found = reading.result()
                if found is None:
                    bar.update()
                    continue
                output = restored(how.network, found.picture.rgb, how.side, how.field)
                finish(writing)
                writing = Written(photograph, writer.submit(_write, photograph, out, how.settings, found, output))
                continue
            bar.update()
        finish(writing)
    return faults


class RecordError(UserError):
    """RECORD cannot be written, or is no file."""


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
    if output.is_file():
        *known, written = done.get(str(photograph.place), ("", "", ""))
        ours = file_digest(output) == written
        if ours and known == [digest, settings]:
            return None
        if not overwrite and (not ours or output.samefile(photograph.file)):
            raise UserError(f"{shown(str(output))}: is there already, and --overwrite is not given")
    elif os.path.lexists(output):
        raise UserError(f"{shown(str(output))}: is there already and is no regular file")
    return Read(pictures.read(photograph.file), digest)


def _write(photograph: Photograph, out: Path, settings: str, found: Read, output: Pixels) -> None:
    """Write the line of RECORD and then the output: after a kill between them, the output is made again."""
    content = pictures.encoded(found.picture, output)
    file = out / photograph.place
    file.parent.mkdir(parents=True, exist_ok=True)
    line = [str(photograph.place), found.digest, settings, hashlib.sha256(content).hexdigest()]
    record = out / RECORD
    try:
        with record.open("a", encoding="utf-8") as lines:
            lines.write(f"\n{json.dumps(line)}")  # on a line of its own, even if a kill has cut the last one
    except OSError as error:
        error.filename = error.filename or str(record)  # write() does not say where
        if error.errno in DISK_FULL:
            raise
        raise RecordError(f"{shown(str(record))}: {reason_of(error)}") from error
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


def _done(record: Path) -> dict[str, tuple[str, str, str]]:
    """(digest of the photograph, settings, digest of the output) by output. A line that a kill has cut is left out."""
    found = {}
    if os.path.lexists(record) and not record.is_file():  # writing into a FIFO would wait for ever
        raise RecordError(f"{shown(str(record))}: is there already and is no regular file")
    if record.is_file():
        for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                place, *digests = json.loads(line)
                if len(digests) == 3:
                    found[place] = tuple(digests)
            except (ValueError, TypeError):
                continue
    return found
