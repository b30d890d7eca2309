"""Restores files: which photographs there are, where they go, and which of them are done."""

import hashlib
import json
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

from derain.errors import DISK_FULL, UserError, shown
from derain.evaluation.tiles import Field, field_of, restored
from derain.files.atomic import write_whole
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

    The files of a folder, by the suffixes of images, stay in its subfolders. Outputs of an earlier call are left out.
    """
    found: dict[Path, Photograph] = {}
    faults = []
    for name in given:
        pattern = has_magic(name) and not Path(name).exists()
        paths = sorted(glob(name, recursive=True)) if pattern else [name]  # noqa: PTH207 (also absolute patterns)
        if not paths:
            faults.append(f"{shown(name)}: no file has such a name")
        for path in map(Path, paths):
            for photograph in _below(path, out):
                other = found.setdefault(photograph.place, photograph)
                if other.file != photograph.file:
                    faults.append(
                        f"{shown(str(photograph.file))}: its output {shown(str(photograph.place))} is that of "
                        f"{shown(str(other.file))}, too; restore them into different folders"
                    )
    return list(found.values()), faults


def _below(path: Path, out: Path) -> Iterator[Photograph]:
    if not path.is_dir():
        yield Photograph(path, Path(path.name))
        return
    for file in sorted(path.rglob("*")):
        if (
            file.suffix.lower() in pictures.SUFFIXES
            and file.is_file()
            and not file.resolve().is_relative_to(out.resolve())
        ):
            yield Photograph(file, file.relative_to(path))


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

    overwrite: replace files that no earlier call has written. Raises OSError if the disk is full.
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
    with open_regular(photograph.file) as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    output = out / photograph.place
    if output.is_file():
        *known, written = done.get(str(photograph.place), ("", "", ""))
        ours = file_digest(output) == written
        if ours and known == [digest, settings]:
            return None
        if not overwrite and (not ours or output.samefile(photograph.file)):
            raise UserError(f"{shown(str(output))}: is there already, and --overwrite is not given")
    return Read(pictures.read(photograph.file), digest)


def _write(photograph: Photograph, out: Path, settings: str, found: Read, output: Pixels) -> None:
    """Write the line of RECORD and then the output: after a kill between them, the output is made again."""
    content = pictures.encoded(found.picture, output)
    file = out / photograph.place
    file.parent.mkdir(parents=True, exist_ok=True)
    line = [str(photograph.place), found.digest, settings, hashlib.sha256(content).hexdigest()]
    with (out / RECORD).open("a", encoding="utf-8") as record:
        record.write(f"\n{json.dumps(line)}")  # on a line of its own, even if a kill has cut the last one
    write_whole(file, content)


@contextmanager
def _faults(photograph: Photograph, faults: list[str]) -> Iterator[None]:
    """Turn an error about one photograph into a line; a full disk ends the command."""
    try:
        yield
    except UserError as error:
        faults.append(str(error))
    except MemoryError:
        faults.append(f"{shown(str(photograph.file))}: does not fit into memory")
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        faults.append(f"{shown(str(photograph.file))}: {reason}")


def _done(record: Path) -> dict[str, tuple[str, str, str]]:
    """(digest of the photograph, settings, digest of the output) by output. A line that a kill has cut is left out."""
    found = {}
    if record.is_file():
        for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                place, *digests = json.loads(line)
                if len(digests) == 3:
                    found[place] = tuple(digests)
            except (ValueError, TypeError):
                continue
    return found
