"""Write the generated documents, or compare them with the code: python -m derain.reference [--check]

Run in scripts/, or with scripts/ in PYTHONPATH. --check changes nothing, and ends with 1 if a document is out of date.
"""

import argparse
import json
import sys
from pathlib import Path

from derain.reference.columns import tables_page
from derain.reference.decides import decided
from derain.reference.keys import config_page
from derain.reference.schema import config_schema

DOCS = Path(__file__).resolve().parents[3] / "docs/reference"


def documents() -> dict[str, str]:
    """The text of each document, by the name of its file in docs/reference."""
    return {
        "config.schema.json": json.dumps(config_schema(), indent=1, ensure_ascii=False) + "\n",
        "config.md": config_page(*decided()),
        "tables.md": tables_page(),
    }


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if a document is out of date")
    check = parser.parse_args().check
    stale = [
        (DOCS / name, text)
        for name, text in documents().items()
        if not (DOCS / name).is_file() or (DOCS / name).read_text(encoding="utf-8") != text
    ]
    for file, text in stale:
        if check:
            print(f"error: {file}: is not what the code generates; run: python -m derain.reference", file=sys.stderr)
        else:
            file.write_text(text, encoding="utf-8")
            print(f"{file}: written")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
