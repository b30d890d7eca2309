"""A folder of finished stages that results folders share: each entry is named by the key of its file
(derain.plan.artifacts).

An entry holds files by name, and `contents.json`: their sha256 and sizes, and where, when and on which machine they
were made. It appears whole, by the renaming of a folder; of two runs that finish the same stage the first one's stays.

Others write here. An entry is set aside for everybody only where its bytes are wrong as read twice. What cannot be
read, or does not descend from the files that are here, is left as it is and noted beside the output (`refused`), so
that the next run trains.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from derain.errors import UserError, note, tell
from derain.files.atomic import write_whole
from derain.files.digest import file_digest
from derain.files.metadata import recipe_digest, whole
from derain.files.origin import LARGEST, Made, json_of, made_here, tell_origin
from derain.files.regular import open_regular

CONTENTS = "contents.json"
THERE_ALREADY = {errno.EEXIST, errno.ENOTEMPTY}  # of a renaming

T = TypeVar("T")


class Contents(BaseModel):
    """What an entry tells of itself. files: sha256 by name; sizes: bytes by name."""

    files: dict[str, str]
    sizes: dict[str, int]
    made: Made


def share(entry: str, files: Iterable[str], log: str) -> None:
    """Tell beside θ where it was made, and put the files of a finished job into the store, if there is one."""
    named = {Path(file).name: file for file in files}
    made = made_here(named)
    tell_origin(named, made)
    if entry:
        put(Path(entry), named, made, log)


def put(entry: Path, files: Mapping[str, str], made: Mapping[str, str], log: str) -> None:
    """Copy files, by name, into an entry of the store, with how they were made, and tell what happened in the log, and
    on the terminal where they are not stored: a stage that is finished must not fail for a store that cannot take it.
    """
    fault = _put(entry, files, made)
    if fault:
        tell(f"{entry}: not stored ({fault})", log)
    else:
        note(f"stored as {entry}", log)


def _put(entry: Path, files: Mapping[str, str], made: Mapping[str, str]) -> str:
    """Why files are not stored; empty where they are, by this job or another."""
    partial = entry.with_name(f".{entry.name}.{uuid4().hex}")
    try:
        if there(entry):
            try:
                twice(lambda: examined(entry, files))
                return ""
            except ValueError as error:
                if not set_aside(entry):
                    return f"the entry that is there is damaged: {error}"
        partial.mkdir(parents=True)
        for name, file in files.items():
            with Path(file).open("rb") as source, (partial / name).open("wb") as copy:
                shutil.copyfileobj(source, copy)
                copy.flush()
                os.fsync(copy.fileno())
        digests = {name: file_digest(partial / name) for name in files}
        sizes = {name: (partial / name).stat().st_size for name in files}
        write_whole(partial / CONTENTS, json_of(Contents(files=digests, sizes=sizes, made=Made(**made))))
        partial.rename(entry)
    except OSError as error:
        if error.filename2 is None or error.errno not in THERE_ALREADY:
            return str(error)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return ""


def take(
    entry: Path,
    files: Mapping[str, str],
    planned: Mapping[str, Sequence[str]],
    parents: Iterable[str],
    sound: Callable[[bytes], None],
) -> dict[str, str]:
    """Copy the files of an entry, by name, to where they are wanted; returns how they were made.

    planned: as of `derain.files.metadata.check`; parents: the files from which the planned ones are to descend; sound:
    raises ValueError where their bytes are wrong. Raises UserError where the entry is not what it should be, and sees
    to it that the next run makes what it promised.
    """
    here = {file_digest(file) for file in parents}
    if not there(entry):
        raise UserError(f"{entry}: is gone; run again to train instead")
    try:
        contents, found = twice(lambda: _sound(entry, files))
        strange = False
        for file, recipes in planned.items():
            content = found[Path(file).name]
            sound(content)
            told = whole(content)
            if recipe_digest(told) not in recipes:
                raise ValueError("it was made by another recipe")
            strange |= not here.issuperset(told.get("parents", {}).values())
        fault = "descends from other files than those here" if strange else ""
    except ValueError as error:
        aside = set_aside(entry)
        fault = f"is damaged{f', and now called {aside}' if aside else ''} ({error})"
    except OSError as error:
        fault = f"cannot be read ({error.strerror})"
    if fault:
        for file in planned:
            write_whole(_refusal(file), _identity(entry).encode())
        raise UserError(f"{entry}: {fault}; run again to train instead")
    for name, content in found.items():
        write_whole(files[name], content)
    return contents.made.plain() | {"taken_from": str(entry)}


def examined(entry: Path, names: Collection[str]) -> Contents:
    """What an entry tells of itself, if its files are there and of the right sizes. Raises OSError where it cannot be
    read, ValueError where it is wrong.
    """
    try:
        with open_regular(entry / CONTENTS, links=False) as file:
            contents = Contents.model_validate_json(file.read(LARGEST))
    except ValidationError as error:
        raise ValueError(f"{CONTENTS} is not as it was written") from error
    for name in names:
        with open_regular(entry / name, links=False) as file:
            if name not in contents.files or os.fstat(file.fileno()).st_size != contents.sizes.get(name):
                raise ValueError(f"{name} has another size than was stored")
    return contents


def there(entry: Path) -> bool:
    """Whether there is an entry, of whatever kind. Raises OSError where that cannot be told."""
    try:
        entry.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def refused(entry: Path, file: str) -> bool:
    """Whether a job has tried to take the file from this entry, as it is now, and could not."""
    try:
        return _refusal(file).read_text(encoding="utf-8") == _identity(entry)
    except (OSError, ValueError):
        return False


def set_aside(entry: Path) -> str:
    """Give a damaged entry another name, which is returned; empty where that is not allowed."""
    aside = entry.with_name(f"{entry.name}.damaged-{uuid4().hex[:8]}")
    try:
        entry.rename(aside)
    except OSError:
        return ""
    return aside.name


def twice(look: Callable[[], T]) -> T:
    """look(), once more where it finds something wrong: the fault may be of the reading."""
    try:
        return look()
    except ValueError:
        return look()


def _sound(entry: Path, names: Collection[str]) -> tuple[Contents, dict[str, bytes]]:
    """An entry and the bytes of its files. Raises as `examined`."""
    contents, found = examined(entry, names), {}
    for name in names:
        with open_regular(entry / name, links=False) as file:
            found[name] = file.read()
        if hashlib.sha256(found[name]).hexdigest() != contents.files[name]:
            raise ValueError(f"{name} is not what was stored")
    return contents, found


def _identity(entry: Path) -> str:
    """What tells an entry from another one that takes its place."""
    try:
        with open_regular(entry / CONTENTS, links=False) as file:
            return hashlib.sha256(file.read(LARGEST)).hexdigest()
    except (OSError, ValueError):
        return "unreadable"


def _refusal(file: str) -> Path:
    return Path(f"{file}.not-taken")
