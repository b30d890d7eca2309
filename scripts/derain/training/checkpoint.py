"""What a job has reached, in a file that no rule declares, so that another attempt goes on there.

Snakemake deletes the declared outputs of a job that failed or was killed, even those of one that was finished when
the engine had no time left to note it. It does not know this file, which stands beside the output that it leads to,
and goes when the directory is deleted or when a later job has taken the output (`discard`).

The first line is JSON: a digest of everything that decides the result, and the sha256 of the rest, which is the state
as `torch.save` writes it. It is read without unpickling code.
"""

import hashlib
import io
import json
import pickletools
import re
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

from derain.errors import UserError
from derain.files.atomic import write_whole
from derain.files.regular import open_regular

HEAD = 1000  # bytes that the first line may have
PLAIN = re.compile(r"collections OrderedDict|torch._utils _rebuild_tensor_v2|torch \w+Storage")


def discard(outputs: Iterable[str]) -> None:
    """Delete the checkpoints of outputs that a job has as its inputs: the engine has noted that they are finished."""
    for output in outputs:
        for path in (_beside(output), _aside(output)):
            with suppress(OSError):  # none, or one that stays: it harms nothing
                path.unlink()


def _beside(output: str) -> Path:
    return Path(f"{output}.checkpoint")


def _aside(output: str) -> Path:
    return Path(f"{output}.checkpoint.set-aside")


def _is_plain(content: bytes) -> bool:
    """Whether a state as `torch.save` writes it takes no more memory than its bytes, and calls nothing but what makes
    tensors: what torch.load admits (weights_only) can ask for any size.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = archive.infolist()
        if not content.startswith(b"PK") or sum(part.file_size for part in parts) > len(content):
            return False
        pickles = [archive.read(part) for part in parts if part.filename.endswith(".pkl")]
    names = [
        (opcode.name, str(name))
        for pickled in pickles
        for opcode, name, _ in pickletools.genops(pickled)
        if "GLOBAL" in opcode.name or opcode.name.startswith("EXT")
    ]
    return all(opcode == "GLOBAL" and PLAIN.fullmatch(name) for opcode, name in names)


class Reached:
    """Where a job stands, as a process of it that writes nothing knows it: `done` steps (0 at the start), and the
    `state` after them as the job gave it, tensors on the CPU.
    """

    def __init__(self, done: int = 0, state: Mapping[str, Any] | None = None) -> None:
        self.done = done
        self.state: Mapping[str, Any] = state or {}

    def due(self) -> bool:
        """Never: writing is another process's."""
        return False

    def write(self, done: int, state: Mapping[str, Any]) -> None:
        """Keep nothing."""


class Checkpoint(Reached):
    """Where a job stands, in its file; beside the state `history`, plain values that the job collects and finds again.

    output: the file that the job makes; decided_by: everything that decides the result, as JSON values: a file made
    by anything else is set aside, and so is a damaged one; every: seconds between two writes, 0 for every step;
    stop: tells why the job has to end early, or None; tell: takes a line for the person who reads the log.
    """

    def __init__(
        self,
        output: str,
        decided_by: Mapping[str, Any],
        every: float,
        stop: Callable[[], str | None],
        tell: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.output, self.path = output, _beside(output)
        self.history: list[Any] = []
        self._decided_by = hashlib.sha256(json.dumps(decided_by, sort_keys=True).encode()).hexdigest()
        self._every, self._stop, self._tell = every, stop, tell
        self._reason: str | None = None
        if self.path.exists():
            self._read()
        self._written = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to write: by the interval, or because the job has to end."""
        self._reason = self._stop()
        return self._reason is not None or time.monotonic() - self._written >= self._every

    def write(self, done: int, state: Mapping[str, Any]) -> None:
        """Keep the state after `done` steps: tensors, numbers and text, in dicts and lists.

        Raises UserError, with the state on the disk, where the job has to end.
        """
        import torch

        content = io.BytesIO()
        torch.save({"done": done, "state": dict(state), "history": self.history}, content)
        head = {"decided_by": self._decided_by, "sha256": hashlib.sha256(content.getbuffer()).hexdigest()}
        write_whole(self.path, json.dumps(head).encode() + b"\n", content.getbuffer())
        self._written = time.monotonic()
        if self._reason is not None:
            raise UserError(
                f"{self.output}: stopped after step {done} ({self._reason}); the next attempt goes on there"
            )

    def _read(self) -> None:
        fault, kept = self._kept()
        if fault:
            aside = _aside(self.output)
            self.path.replace(aside)
            self._tell(f"{self.path}: is {fault}; set aside as {aside.name}, starting over")
            return
        self.done, self.state, self.history = kept["done"], kept["state"], kept["history"]
        self._tell(f"{self.path}: going on after step {self.done}")

    def _kept(self) -> tuple[str, dict[str, Any]]:
        """What is the matter with the file, or nothing, and its content. The digests are compared before anything is
        loaded, so that what another program left there takes no memory.
        """
        import torch

        try:
            opened = open_regular(self.path)
        except ValueError:
            raise UserError(f"{self.path}: is no regular file; delete it and run again") from None
        with opened as file:
            try:
                told = json.loads(file.readline(HEAD))
                start = file.tell()
                if told["sha256"] != hashlib.file_digest(cast("BufferedReader", file), "sha256").hexdigest():
                    return "damaged", {}
                if told["decided_by"] != self._decided_by:
                    return "of another configuration, data or version", {}
                file.seek(start)
                content = file.read()
                if not _is_plain(content):
                    return "damaged", {}
                kept = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
                if [type(kept[name]) for name in ("done", "state", "history")] != [int, dict, list]:
                    return "damaged", {}
            except Exception:  # JSON, keys, zip and pickle errors alike
                return "damaged", {}
        return "", kept
