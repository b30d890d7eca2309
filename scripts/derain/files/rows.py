"""Writing of CSV tables."""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from derain.files.atomic import replacing


def field_text(value: object, digits: str = "") -> str:
    """The text of a field of a table: a missing number, NaN or None, is empty. digits: format of floats."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:{digits}}"
    return "" if value is None else str(value)


def write_rows(path: Path, columns: list[str], rows: Iterable[Mapping[str, object]], digits: str = "") -> None:
    """Write a CSV file atomically, its fields as `field_text`. A file with the same content is left alone and keeps its
    modification time.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: field_text(value, digits) for name, value in row.items()} for row in rows)
    content = text.getvalue().encode()
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, others_write=True) as partial:  # a dry run beside a run may write the same table
        partial.write_bytes(content)
