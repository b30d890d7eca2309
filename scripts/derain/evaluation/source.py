"""What a table of several stages is made from."""

from collections.abc import Mapping, Sequence
from typing import Any

# A stage as plain values (network, seed, method, datasets; importance, of an Ω), and the files that a table has of it.
Source = tuple[Mapping[str, Any], Sequence[str]]
