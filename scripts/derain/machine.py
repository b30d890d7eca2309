"""The properties of a machine that decide the last bits of a result: its kind (docs/explanation/same-bytes.md)."""

import os
import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def processor() -> str:
    """The model name of the processor, as the system reports it."""
    text = CPUINFO.read_text(encoding="utf-8", errors="replace") if CPUINFO.is_file() else ""
    named = re.search(r"^model name\s*:\s*(.*\S)", text, re.M)  # missing on ARM
    return named[1] if named else platform.processor() or platform.machine()


def instruction_set() -> str:
    """The vector instructions that torch uses in this process ("AVX512", "AVX2", "DEFAULT") and the limit that
    ONEDNN_MAX_CPU_ISA sets for oneDNN, if any. Empty without torch.
    """
    try:
        import torch
    except ImportError:  # a machine that only draws figures
        return ""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return torch.backends.cpu.get_cpu_capability() + (f", oneDNN at most {limit}" if limit else "")
