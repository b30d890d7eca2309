"""The stage store: a folder of finished stages, shared by several results folders. An entry is a folder named after
the cache key of its artifact (derain.plan.artifacts).

An entry holds files and `contents.json`: their sha256 and sizes, and where, when and on which machine they were made.
A job writes an entry under a temporary name and renames it, so it appears whole. If two runs finish the same stage, the
first entry stays.

Other users may share the store. A job renames an entry (sets it aside) only if its content is wrong: two reads in a row
found wrong bytes, or the entry is of another recipe. An entry that cannot be read, or that descends from other parents
than the local files, is left as it is. In both cases a file beside the output records the refusal (`refused`), and the
next run trains the stage.
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

from derain.errors import UserError, note, print_and_log
from derain.files.atomic import write_whole
from derain.files.digest import file_digest
from derain.files.metadata import recipe_digest, whole
from derain.files.origin import LARGEST, Made, json_of, made_here, write_origin
from derain.files.regular import open_regular

CONTENTS = "contents.json"
THERE_ALREADY = {errno.EEXIST, errno.ENOTEMPTY}  # errors of a rename

T = TypeVar("T")


class Contents(BaseModel):
    """`contents.json` of an entry. files: sha256 by file name; sizes: bytes by file name."""

    files: dict[str, str]
    sizes: dict[str, int]
    made: Made


def record_finished(files: Iterable[str]) -> dict[str, str]:
    """Write `origin.json` beside θ, and remove the records of entries that an earlier job refused. files: what this job
    has made. Returns where, when and on which machine.
    """
    named = {Path(file).name: file for file in files}
    made = made_here(named)
    write_origin(named, made)
    for file in named.values():
        _refusal(file).unlink(missing_ok=True)
    return made


def store_finished(entry: str, files: Iterable[str], made: Mapping[str, str], log: str) -> None:
    """Put what a job has made into the store, if there is one.

    entry: path of the entry; "" without a store; made: from `record_finished`.
    """
    if entry:
        put(Path(entry), {Path(file).name: file for file in files}, made, log)


def put(entry: Path, files: Mapping[str, str], made: Mapping[str, str], log: str) -> None:
    """Copy files (paths by name) and their origin into an entry of the store. The result is logged; a failure is also
    printed, but not raised: a store that cannot be written must not fail a finished stage.
    """
    fault = _put(entry, files, made)
    if fault:
        print_and_log(f"{entry}: not stored ({fault})", log)
    else:
        note(f"stored as {entry}", log)


def _put(entry: Path, files: Mapping[str, str], made: Mapping[str, str]) -> str:
    """Store the files. Returns why they are not stored; "" if they are, by this job or another one."""
    partial = entry.with_name(f".{entry.name}.{uuid4().hex}")
    try:
        if there(entry):
            try:
                twice(lambda: examined(entry, files))
                return ""
            except ValueError as error:
                if not set_aside(entry):
                    return f"the existing entry is damaged: {error}"
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
    """Copy the files of an entry to their outputs; returns their origin and the entry's path ("taken_from").

    files: output paths by name; planned: see `derain.files.metadata.check`; parents: local files that the planned ones
    must descend from; sound: raises ValueError if the bytes of a planned file are wrong. Raises UserError if the entry
    cannot be used; the next run then makes the files itself.
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
            recorded = whole(content)
            if recipe_digest(recorded) not in recipes:
                raise ValueError("it was made by another recipe")
            strange |= not here.issuperset(recorded.get("parents", {}).values())
        fault = "descends from other files than those here" if strange else ""
    except ValueError as error:
        aside = set_aside(entry)
        fault = f"is damaged{f' and was renamed to {aside}' if aside else ''} ({error})"
    except OSError as error:
        fault = f"cannot be read ({error.strerror})"
    if fault:
        for file in planned:
            write_whole(_refusal(file), _identity(entry).encode())
        raise UserError(f"{entry}: {fault}; run again to train instead")
    for name, content in found.items():
        write_whole(files[name], content)
        _refusal(files[name]).unlink(missing_ok=True)
    return contents.made.plain() | {"taken_from": str(entry)}


def examined(entry: Path, names: Collection[str]) -> Contents:
    """Read `contents.json` of an entry and check that the named files exist with the right sizes. Raises OSError if the
    entry cannot be read, ValueError if it is wrong.
    """
    try:
        with open_regular(entry / CONTENTS, links=False) as file:
            contents = Contents.model_validate_json(file.read(LARGEST))
    except ValidationError as error:
        raise ValueError(f"{CONTENTS} is not as it was written") from error
    for name in names:
        with open_regular(entry / name, links=False) as file:
            if name not in contents.files or os.fstat(file.fileno()).st_size != contents.sizes.get(name):
                raise ValueError(f"{name} has not the size in contents.json")
    return contents


def there(entry: Path) -> bool:
    """Whether the path of the entry exists, as a folder or anything else. Raises OSError if the check fails."""
    try:
        entry.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def refused(entry: Path, file: str) -> bool:
    """Whether an earlier job could not take the file from this entry, and the entry is unchanged since."""
    try:
        return _refusal(file).read_text(encoding="utf-8") == _identity(entry)
    except (OSError, ValueError):
        return False


def set_aside(entry: Path) -> str:
    """Rename a damaged entry. Returns its new name, or "" if the rename failed."""
    aside = entry.with_name(f"{entry.name}.damaged-{uuid4().hex[:8]}")
    try:
        entry.rename(aside)
    except OSError:
        return ""
    return aside.name


def twice(look: Callable[[], T]) -> T:
    """Call look(), and once more after a ValueError: the read itself may have failed."""
    try:
        return look()
    except ValueError:
        return look()


def _sound(entry: Path, names: Collection[str]) -> tuple[Contents, dict[str, bytes]]:
    """`contents.json` of an entry and the bytes of its files, checked by sha256. Raises the errors of `examined`."""
    contents, found = examined(entry, names), {}
    for name in names:
        with open_regular(entry / name, links=False) as file:
            found[name] = file.read()
        if hashlib.sha256(found[name]).hexdigest() != contents.files[name]:
            raise ValueError(f"{name} is not what was stored")
    return contents, found


def _identity(entry: Path) -> str:
    """Digest that identifies this version of an entry: sha256 of its `contents.json`, or "unreadable"."""
    try:
        with open_regular(entry / CONTENTS, links=False) as file:
            return hashlib.sha256(file.read(LARGEST)).hexdigest()
    except (OSError, ValueError):
        return "unreadable"


def _refusal(file: str) -> Path:
    return Path(f"{file}.not-taken")
