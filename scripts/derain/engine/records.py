"""Snakemake's records of jobs: unfinished ones, damaged ones, and who may read them."""

import os
import sys
from collections.abc import Iterable
from functools import partialmethod
from itertools import chain
from pathlib import Path
from typing import Any

from derain.engine import FOLDER
from derain.errors import UserError

OWN_FILES = ("metadata", "incomplete", "iocache")  # folders of Snakemake's records, marks and file times
LONG_NAMES = "@"  # first letter of folders in these


def unfinished(records: Any, files: Iterable[str]) -> set[str]:
    """Return those of the files whose jobs have, by now, begun and not ended."""
    records.deactivate_cache()
    return set(records._filter_incomplete_keys(files))


def check_records() -> None:
    """Raise UserError about files of Snakemake's own that are not regular, and make it ignore damaged records of jobs.

    Snakemake itself ignores a record that is no JSON, with a warning; its job then has no record. With one that is not
    UTF-8 or not of its form it ends in a traceback, and it would wait at a pipe forever.
    """
    from snakemake.persistence import MetadataRecord
    from snakemake.persistence.file import FilePersistence

    wrong = []
    for at, inner, files in chain.from_iterable(os.walk(FOLDER / name) for name in OWN_FILES):
        wrong += [Path(at, name) for name in inner if not name.startswith(LONG_NAMES)]
        wrong += [path for path in (Path(at, name) for name in files) if not path.is_file() and os.path.lexists(path)]
    if wrong:
        raise UserError("\n".join(f"{path}: is no regular file; delete it and run again" for path in sorted(wrong)))
    read = FilePersistence._io_read

    def read_or_ignore(records: Any, folder: str, key: str) -> Any:
        try:
            found = read(records, folder, key)
            if found:
                MetadataRecord.model_validate(found)
        except ValueError:
            print(f"{records._record_path(folder, key)}: is damaged, and ignored", file=sys.stderr)
            return {}
        return found

    FilePersistence._io_read = read_or_ignore


def read_records_only() -> None:
    """Let a command that only plans or shows something read the records of another user's runs.

    It does not save the cache of file times if it may not write it. Raises UserError if it may not read a record.
    """
    from snakemake.persistence import PersistenceBase

    if not os.access(FOLDER / "iocache", os.W_OK):
        PersistenceBase.save_iocache = lambda records: None
    hidden = [file for file in (FOLDER / "metadata").rglob("*") if not os.access(file, os.R_OK)]
    if hidden:
        raise UserError(f"{hidden[0]}: may not be read by this user; its owner can run chmod -R a+rX {FOLDER}")


def write_readable_records() -> None:
    """Let a run write records of jobs that are as readable as the umask allows, so that other users can plan here.

    Snakemake's own mode is 0660, without access for other users.
    """
    from snakemake.persistence.file import FilePersistence

    mask = os.umask(0)
    os.umask(mask)
    FilePersistence._io_write = partialmethod(FilePersistence._io_write, mode=0o660 | (0o666 & ~mask))
