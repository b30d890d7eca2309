"""What the scripts of this folder share. Its import lets them find the library of this clone."""

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "scripts"))


def print_in_any_locale() -> None:
    """From now on, letters that the locale of the output lacks are printed as escapes."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # it is a TextIOWrapper
