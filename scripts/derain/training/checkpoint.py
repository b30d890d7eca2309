"""Checkpoint files, from which another attempt at a job continues.

They are not Snakemake outputs, because Snakemake deletes the declared outputs of a job that failed or was killed, even
of a job that had finished, if Snakemake itself was killed before it recorded that. A checkpoint is beside the output of
its job. It goes with the directory, or is deleted when a later job uses the output (`discard`).

The first line is JSON: a digest of everything that decides the result, and the sha256 of the rest. The rest is the
state as `torch.save` writes it. It is read without unpickling code.
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
from pathlib import Path
from typing import Any

from derain.errors import UserError
from derain.files.atomic import write_whole
from derain.files.regular import open_regular

HEAD = 1000  # maximum length of the first line, bytes
PLAIN = re.compile(r"collections OrderedDict|torch._utils _rebuild_tensor_v2|torch \w+Storage")


def discard(outputs: Iterable[str]) -> None:
    """Delete the checkpoints of files that are inputs of a job: Snakemake has recorded that these are finished."""
    for output in outputs:
        for path in (_beside(output), _aside(output)):
            with suppress(OSError):  # there is none, or it stays, which does no harm
                path.unlink()


def _beside(output: str) -> Path:
    return Path(f"{output}.checkpoint")


def _aside(output: str) -> Path:
    return Path(f"{output}.checkpoint.set-aside")


def _is_plain(content: bytes) -> bool:
    """Whether a state as `torch.save` writes it needs no more memory than its bytes, and calls only functions that make
    tensors. torch.load with weights_only does not check the first: a file can make it allocate any size.
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


class ResumePoint:
    """Where a job continues: after `done` steps (0: from the start), with the `state` that an earlier attempt passed to
    `Checkpoint.write` (tensors on the CPU). For processes other than rank 0 and jobs without a checkpoint; it writes
    nothing.
    """

    def __init__(self, done: int = 0, state: Mapping[str, Any] | None = None) -> None:
        self.done = done
        self.state: Mapping[str, Any] = state or {}

    def due(self) -> bool:
        """False: this class writes nothing."""
        return False

    def write(self, done: int, state: Mapping[str, Any]) -> None:
        """Do nothing."""


class Checkpoint(ResumePoint):
    """The progress of a job, saved in its checkpoint file, with `history`, plain values that the job collects.

    output: the file that the job makes; decided_by: everything that decides the result, as JSON values: a checkpoint
    with another value is set aside, and so is a damaged one; every: seconds between two writes, 0 for every step;
    stop: returns why the job has to end early, or None; tell: prints a line for the user.
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
        """Whether to write now: the interval is over, or the job has to end."""
        self._reason = self._stop()
        return self._reason is not None or time.monotonic() - self._written >= self._every

    def write(self, done: int, state: Mapping[str, Any]) -> None:
        """Save the state after `done` steps: tensors, numbers and text, in dicts and lists.

        Raises UserError after saving, if the last call of `due` found that the job has to end.
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
        """The fault of the file, empty if there is none, and its content. The digests are compared before anything is
        loaded, so that a file of another program is not read into memory.
        """
        import torch

        try:
            opened = open_regular(self.path)
        except ValueError:
            raise UserError(f"{self.path}: is no regular file; delete it and run again") from None
        with opened as file:
            try:
                head = json.loads(file.readline(HEAD))
                start = file.tell()
                if head["sha256"] != hashlib.file_digest(file, "sha256").hexdigest():
                    return "damaged", {}
                if head["decided_by"] != self._decided_by:
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
