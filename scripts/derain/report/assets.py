"""What all pages share: templates, styles, scripts, and what a page may load."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent


def text_of(name: str) -> str:
    """The text of a style or script."""
    return (HERE / name).read_text("utf-8")


def templates() -> Environment:
    """The templates of this folder. What they insert is escaped."""
    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def policy(scripts: Sequence[str], images: str = "data:") -> str:
    """Return the content security policy: nothing is fetched but images from these sources, and only these scripts run.

    unsafe-eval is needed because Vega compiles its expressions.
    """
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; img-src {images}; style-src 'unsafe-inline'; script-src 'unsafe-eval' {allowed}"
