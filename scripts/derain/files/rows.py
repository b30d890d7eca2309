"""CSV files as jobs write them."""

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_rows(path: Path, columns: list[str], rows: Iterable[Mapping[str, object]]) -> None:
    """A CSV file, whole or not at all; it keeps its time where its content is the same."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode()
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)
