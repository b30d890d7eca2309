"""Outputs that were changed after they were made, by digests in the records of their jobs."""

from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from derain.engine import FOLDER
from derain.engine.records import unfinished
from derain.errors import UserError, exit_in_one_line, shown
from derain.files.digest import file_digest
from derain.files.stamp import stamp

# Keys that check_outputs adds to the input checksums in Snakemake's record of an output: the output itself, and the
# safetensors files among the inputs. As an output a safetensors file has no record: it holds its own digest, which the
# jobs that read it compare (derain.files.metadata). The record of the input serves the jobs that do not run.
OWN_DIGEST, USED_DIGESTS, TENSORS = "derain: output", "derain: inputs", ".safetensors"
COMPARED_WHEN_READ = (TENSORS, ".bin")  # packed pixels are compared pair by pair


def check_outputs() -> None:
    """Make Snakemake record digests of outputs and refuse outputs that were changed afterwards.

    When a job has ended, the digest of each output (except COMPARED_WHEN_READ) and those of the safetensors files among
    its inputs are recorded. When a DAG has been built, they are compared, and the program ends with a line for each
    changed file. Snakemake itself compares modification times, and digests only of small inputs that became newer.
    """
    from snakemake.dag import DAG
    from snakemake.persistence.file import FilePersistence

    write_record, update_needrun = FilePersistence._write_record, DAG.update_needrun

    def write(records: Any, key: str, record: Any) -> None:
        used = {file: _known(file) for file in record.input or () if file.endswith(TENSORS) and Path(file).is_file()}
        own = _known(key) if not key.endswith(COMPARED_WHEN_READ) and Path(key).is_file() else None
        record.input_checksums = (record.input_checksums or {}) | {OWN_DIGEST: own, USED_DIGESTS: used}
        write_record(records, key, record)

    async def decide(dag: Any, *arguments: Any, **named: Any) -> None:
        await update_needrun(dag, *arguments, **named)
        with exit_in_one_line():
            _refuse_changed(dag)

    FilePersistence._write_record = write
    DAG.update_needrun = decide


def _refuse_changed(dag: Any) -> None:
    """Raise UserError if an output, or a safetensors file it was made from, differs from its record, or has none.

    Outputs of jobs that have to run are not compared, because they are made again anyway.
    """
    records = dag.workflow.persistence
    changed, unknown = {}, {}
    for output in chain.from_iterable(job.output for job in dag.jobs if not dag.needrun(job)):
        if not Path(str(output)).exists():  # temporary
            continue
        record = records.metadata(output)
        if not record:
            unknown[str(output)] = output
            continue
        digests = record.input_checksums or {}
        if _other(str(output), digests.get(OWN_DIGEST)):
            changed[str(output)] = "was changed after it was made; delete it and run again"
        for file, known in digests.get(USED_DIGESTS, {}).items():
            if _other(file, known):
                changed[file] = (
                    f"was changed after {shown(str(output))} was made from it; to undo the change, delete it and run "
                    "again; to keep it, touch it and run again"
                )
    begun = unfinished(records, [*changed, *unknown]) if changed or unknown else set()  # by another run
    lines = [f"{shown(file)}: {what}" for file, what in sorted(changed.items()) if file not in begun]
    # Read again: another run may have ended a job since.
    without = [file for file, output in unknown.items() if file not in begun and not records.metadata(output)]
    if without:
        more = f" and {len(without) - 1} more" if len(without) > 1 else ""
        lines.append(
            f"{shown(min(without))}{more}: without a record in {FOLDER} of the config and data that made it; copy "
            f"{FOLDER} from where it was made, or delete it and run again; if this config and data have made it, run "
            "once with -F --touch, which records that"
        )
    if lines:
        raise UserError("\n".join(lines))


def _known(file: str) -> list[Any]:
    """Return what identifies a file: its stamp, then its digest."""
    now = stamp(file)
    return [*now, _digest(file, tuple(now))]


def _other(file: str, known: Sequence[Any] | None) -> bool:
    """Whether a file exists and differs from the recorded stamp and digest (`_known`)."""
    if not known or not Path(file).is_file():
        return False
    *then, digest = known
    now = stamp(file)
    return now != then and digest != _digest(file, tuple(now))


@cache  # several jobs may use one file
def _digest(file: str, now: tuple[int, ...]) -> str:
    """Return the sha256 of a file. now: its stamp, part of the cache key only."""
    del now
    return file_digest(file)
