"""Outputs that were changed after they were made, and jobs whose inputs have other content than when they ran, by
digests in the records of the jobs.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from derain.engine import FOLDER
from derain.engine.dag import wanted_jobs
from derain.engine.inputs import DIGEST_DECIDES
from derain.engine.records import unfinished
from derain.errors import UserError, exit_in_one_line, shown
from derain.files.digest import file_digest
from derain.files.stamp import stamp

# Keys that check_outputs adds to the input checksums in Snakemake's record of an output: the output itself, and the
# inputs of its job. A safetensors file that somebody puts there is used by jobs for which it is newer, because it holds
# its own digest, which they compare (derain.files.metadata).
OWN_DIGEST, USED_DIGESTS, TENSORS = "derain: output", "derain: inputs", ".safetensors"
PIXELS = ".bin"  # large, and compared pair by pair when they are read


def check_outputs() -> None:
    """Make Snakemake record digests of outputs and inputs, rerun jobs whose inputs have other content, and refuse
    outputs that were changed after they were made.

    When a job has ended, the digests of its outputs and inputs (except PIXELS) are recorded. When a DAG is built, they
    are compared, and the program ends with a line for each file that no job has made as it is. Snakemake itself
    compares modification times, which a copy loses, and digests only of small inputs that became newer.
    """
    from snakemake.dag import DAG
    from snakemake.persistence import PersistenceBase
    from snakemake.persistence.file import FilePersistence

    write_record, update_needrun = FilePersistence._write_record, DAG.update_needrun
    input_changed = PersistenceBase._input_changed

    def write(records: Any, key: str, record: Any) -> None:
        used = {file: _known(file) for file in record.input or () if _is_compared(file)}
        own = _known(key) if _is_compared(key) else None
        record.input_checksums = (record.input_checksums or {}) | {OWN_DIGEST: own, USED_DIGESTS: used}
        write_record(records, key, record)

    async def decide(dag: Any, *arguments: Any, **named: Any) -> None:
        _stamp.cache_clear()
        await update_needrun(dag, *arguments, **named)
        with exit_in_one_line():
            _refuse_changed(dag)

    def is_made_from_others(records: Any, job: Any, file: Any = None) -> bool:
        return input_changed(records, job, file) or _has_other_inputs(records, job, file)

    FilePersistence._write_record = write
    PersistenceBase._input_changed = is_made_from_others
    DAG.update_needrun = decide


def _has_other_inputs(records: Any, job: Any, output: Any) -> bool:
    """Whether an input of a job has other content than when the job made this output, and was not changed by hand."""
    from snakemake.io import is_flagged

    used = _digests(records, output).get(USED_DIGESTS, {})
    files = [file for file in job.input if not is_flagged(file, DIGEST_DECIDES)]
    return any(_other(str(file), used.get(str(file))) and _is_as_made(records, file) for file in files)


def _is_as_made(records: Any, file: Any) -> bool:
    """Whether a file is as the last job that made it left it. True for a file that no job makes; False for a file of an
    earlier version of the software, whose own digest was not recorded.
    """
    if not records.metadata(file):
        return True
    own = _digests(records, file).get(OWN_DIGEST)
    return bool(own) and not _other(str(file), own)


def _digests(records: Any, output: Any) -> dict[str, Any]:
    """The digests in the record of an output, by the keys of this module."""
    record = records.metadata(output)
    return (record.input_checksums if record else None) or {}


def _is_tensors(file: Any) -> bool:
    return str(file).endswith(TENSORS)


def _is_compared(file: str) -> bool:
    return not file.endswith(PIXELS) and Path(file).is_file()


def _refuse_changed(dag: Any) -> None:
    """Raise UserError if an output, or a safetensors file it was made from, differs from its record, or has none.

    Outputs of jobs that have to run are not compared, because they are made again anyway.
    """
    records = dag.workflow.persistence
    changed, unknown = {}, {}
    ready = [job for job in wanted_jobs(dag) if not dag.needrun(job)]
    for user, output in ((job, output) for job in ready for output in job.output):
        if not Path(str(output)).exists():  # temporary
            continue
        if not records.metadata(output):
            unknown[str(output)] = output
            continue
        digests = _digests(records, output)
        if not _is_tensors(output) and _other(str(output), digests.get(OWN_DIGEST)):
            changed[str(output)] = "was changed after it was made; delete it and run again"
        used = digests.get(USED_DIGESTS, {})
        for file in filter(_is_tensors, user.input):
            if _other(str(file), used.get(str(file))) and not _is_as_made(records, file):
                changed[str(file)] = (
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
    if not known or (now := _stamp(file)) is None:
        return False
    *then, digest = known
    return now != then and digest != _digest(file, tuple(now))


@cache  # several jobs may use one file; cleared before a DAG is built
def _stamp(file: str) -> list[int] | None:
    """Return the stamp of a regular file; None if there is none."""
    return stamp(file) if Path(file).is_file() else None


@cache  # several jobs may use one file
def _digest(file: str, now: tuple[int, ...]) -> str:
    """Return the sha256 of a file. now: its stamp, part of the cache key only."""
    del now
    return file_digest(file)
