"""The type of the inputs of tables over several stages."""

from collections.abc import Mapping, Sequence
from typing import Any

# A stage as plain values (network, seed, method, datasets; for an Ω also importance), and its files for the table.
Source = tuple[Mapping[str, Any], Sequence[str]]

PLAIN = "-"  # stands for no Ω, where a source names the kind of Ω that weights a blend
