"""Types of the values in config files: bounds, paths, numbers of bytes; and the base of all sections."""

import os
import re
import reprlib
from collections import Counter
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

NAME_MAX, PATH_MAX = 255, 4096  # bytes, of Linux


def twice(items: Iterable[Hashable]) -> list[Any]:
    """The items that occur more than once."""
    return [item for item, k in Counter(items).items() if k > 1]


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"should be a number, not {str(value).lower()}")
    return value


def _in_order(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("needs the lower number first")
    return pair


def _once(items: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    if found := twice(items):
        raise ValueError(f"{found[0]!r} stands twice")
    return items


def _a_path(value: Any) -> Any:
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("is empty")
        try:
            parts = os.fsencode(value).split(b"/")
        except UnicodeEncodeError:
            parts = [b"\0"]
        if b"\0" in b"".join(parts):
            raise ValueError(f"{value!r} is no path")
        if max(map(len, parts)) > NAME_MAX or sum(map(len, parts)) + len(parts) > PATH_MAX:
            raise ValueError(f"{value[:40]!r}... is too long for a path")
    return value


def at_home(path: Path) -> Path:
    """The path with its `~` or `~user` expanded. Raises ValueError."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{str(path)!r}: there is no home of such a user") from None


def bytes_of(text: str) -> int:
    """The number of bytes of a text such as 2G, 500M or 2Gi. Raises ValueError."""
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*((?:[kmg]i?)?)b?", text.strip().lower(), re.ASCII)
    if not found or not (count := int(float(found[1]) * UNITS[found[2]])):
        raise ValueError(f"{reprlib.repr(text)} is no number of bytes, such as 2G or 500M")
    return count


def _bytes(value: Any) -> Any:
    return bytes_of(value) if isinstance(value, str) else _no_boolean(value)


UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}  # bytes
LossName = Literal["negative_ssim", "l1", "mse", "charbonnier", "negative_psnr"]
LARGEST = 2**63 - 1  # NumPy and torch count with 64 bits
Positive = Annotated[int, BeforeValidator(_no_boolean), Field(ge=1, le=LARGEST)]
Count = Annotated[int, BeforeValidator(_no_boolean), Field(ge=0, le=LARGEST)]
BytesGiven = int | Annotated[str, Field(pattern=r"^[0-9.]+ *([kKmMgG]i?)?[bB]?$")]
Bytes = Annotated[int, BeforeValidator(_bytes, json_schema_input_type=BytesGiven), Field(ge=1, le=LARGEST)]
# Memory, or the number of jobs, grows with it.
Size = Annotated[int, BeforeValidator(_no_boolean), Field(ge=1, le=10_000)]
Number = Annotated[float, BeforeValidator(_no_boolean), Field(allow_inf_nan=False)]
Strength = Annotated[Number, Field(ge=0)]
Factor = Annotated[Number, Field(gt=0)]
Alpha = Annotated[Number, Field(gt=0, lt=1)]
InOrder = AfterValidator(_in_order)
Range = Annotated[tuple[Number, Number], InOrder]
Once = AfterValidator(_once)
Names = Annotated[tuple[str, ...], Once]
IsPath = BeforeValidator(_a_path)
SomePath = Annotated[Path, IsPath]
PathOrHome = Annotated[SomePath, AfterValidator(at_home)]
Pattern = Annotated[str, IsPath, AfterValidator(lambda text: str(at_home(Path(text))))]


class Section(BaseModel):
    """A part of the config. Unknown keys are errors; instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)
