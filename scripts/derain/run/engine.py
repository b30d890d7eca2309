"""The one adapter to Snakemake: all that the project uses of it beyond its documentation, and nothing else uses.

tests/run/test_engine.py has a test for each of these parts, which fails where another version of Snakemake changes it.
Snakemake is imported by the functions that need it: the Snakefile of every job reads this module.
"""

import os
import re
import signal
import sys
import time
from ast import literal_eval
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partialmethod
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

from derain.errors import UserError, exit_in_one_line, shown
from derain.files.digest import file_digest

VERSION = "9.27.0"  # whose parts these are
FOLDER = Path(".snakemake")
LOCKS, LOGS = "locks", "log"  # in FOLDER
# Options of its commands that show something and run nothing; --report is another.
SHOWS = (
    *("dag", "rulegraph", "filegraph", "d3dag", "summary", "detailed_summary", "archive", "containerize", "lint"),
    *("list_rules", "list_target_rules", "list_untracked", "list_changes", "list_input_changes", "list_params_changes"),
    *("list_conda_envs", "print_compilation"),
)
# Names of inputs that digests in the params stand for, and the flag of their files.
BY_DIGEST, DIGEST_DECIDES = {"tables", "pixels", "rainy"}, "digest_decides"
DEFAULT_START_LIMIT = (100, 1)  # jobs, seconds
# Keys in the record of an output, among the checksums of its job's inputs: for the output itself, and for the inputs
# that are files of tensors. Those hold a digest of their own, which jobs compare (derain.files.metadata): one that a
# person has put there is used, or refused, by the jobs that read it, as far as these run.
OWN_DIGEST, USED_DIGESTS, TENSORS = "derain: output", "derain: inputs", ".safetensors"
COMPARED_WHEN_READ = (TENSORS, ".bin")  # packed pixels are compared pair by pair


@dataclass(frozen=True)
class Job:
    """A job of the DAG.

    needed: whether it has to run; params, wildcards: by name; consumed_into: where its outputs are temporary, the
    outputs of the jobs that use them.
    """

    rule: str
    outputs: tuple[str, ...]
    log: str
    needed: bool
    params: Mapping[str, Any] = field(default_factory=dict)
    wildcards: Mapping[str, str] = field(default_factory=dict)
    consumed_into: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reason:
    """What makes Snakemake run a job, apart from other jobs that run before it.

    recorded: outputs of which a record of an earlier run exists; missing: outputs that do not exist and are not
    temporary; begun: whether a run has begun the job and not finished it; old_params: recorded values, which have no
    names, that are no present ones; new_params: present ones that are not recorded; newer_inputs: files younger than
    the outputs.
    """

    recorded: tuple[str, ...]
    missing: tuple[str, ...] = ()
    forced: bool = False
    begun: bool = False
    old_params: tuple[Any, ...] = ()
    new_params: Mapping[str, Any] = field(default_factory=dict)
    inputs_changed: bool = False
    environment_changed: bool = False
    newer_inputs: tuple[str, ...] = ()


class Dag:
    """A plan that Snakemake has made: its jobs with outputs, sorted by these."""

    def __init__(self, workflow: Any) -> None:
        self._dag, self._persistence = workflow.dag, workflow.persistence
        pairs = [(self._job(job), job) for job in self._dag.jobs if job.output]
        self._pairs = sorted(pairs, key=lambda pair: pair[0].outputs)

    @property
    def jobs(self) -> list[Job]:
        """All jobs."""
        return [job for job, _ in self._pairs]

    def reasons(self) -> list[tuple[Job, Reason]]:
        """The jobs that have to run, each with its own reason."""
        begun = self.begun(file for job in self.jobs for file in job.outputs)
        return [
            (job, self._reason(original, not begun.isdisjoint(job.outputs)))
            for job, original in self._pairs
            if job.needed
        ]

    def begun(self, files: Iterable[str]) -> set[str]:
        """Which of the files belong to jobs that have, by now, begun and not ended."""
        self._persistence.deactivate_cache()
        return set(self._persistence._filter_incomplete_keys(files))

    def _job(self, job: Any) -> Job:
        consumers = self._dag.depending[job] if job.temp_output else ()
        return Job(
            rule=job.rule.name,
            outputs=tuple(map(str, job.output)),
            log=str(job.log[0]) if job.log else "",
            needed=self._dag.needrun(job),
            params=dict(job.params.items()),
            wildcards=dict(job.wildcards.items()),
            consumed_into=tuple(str(file) for consumer in consumers for file in consumer.output),
        )

    def _reason(self, job: Any, begun: bool) -> Reason:
        reason, records = self._dag.reason(job), self._persistence
        params = records.params_changed(job)
        return Reason(
            recorded=tuple(str(file) for file in job.output if records.metadata(file)),
            missing=tuple(str(file) for file in job.output if not Path(file).exists() and file not in job.temp_output),
            forced=bool(reason.forced) and not begun,  # Snakemake forces such a job itself
            begun=begun,
            old_params=tuple(literal_eval(text) for text in sorted(params.only_old)),
            new_params={name: value for name, value in job.params.items() if repr(value) in params.only_new},
            inputs_changed=any(records.input_changed(job)),
            environment_changed=any(records.software_stack_changed(job)),
            newer_inputs=tuple(sorted(map(str, reason.updated_input - reason.updated_input_run))),
        )


def with_dag(look: Callable[[Dag], None], arguments: Sequence[str]) -> None:
    """Make the plan that `snakemake <arguments>` would carry out, hand it to `look`, and end the program."""
    from snakemake.api import DAGApi
    from snakemake.cli import args_to_api, parse_args

    def plan(api: Any, detailed: bool = False) -> None:
        workflow = api.workflow_api._workflow
        settings = workflow.dag_settings
        workflow._prepare_dag(
            forceall=settings.forceall, ignore_incomplete=not settings.force_incomplete, lock_warn_only=True
        )
        workflow._build_dag()
        with exit_in_one_line():
            look(Dag(workflow))

    DAGApi.summary = plan  # instead of the table of `--summary`
    parser, args = parse_args(["--quiet", "all", "--summary", "--dry-run", *arguments])
    sys.exit(not args_to_api(args, parser))


def merge_configs(configs: Iterable[Mapping[str, Any]], overrides: Iterable[str]) -> dict[str, Any]:
    """Merge configs and `--config key=value …` as Snakemake does: section by section, later values in place of earlier
    ones.
    """
    from snakemake.cli import parse_config
    from snakemake.utils import update_config

    merged: dict[str, Any] = {}
    try:
        for config in (*configs, parse_config(overrides)):
            update_config(merged, config)
    except ValueError as error:
        raise UserError(f"--config: {error}") from None
    return merged


def only_looks(workflow: Any) -> bool:
    """Whether the command changes nothing: it plans (-n), or shows what there is. The Snakefile is read before the
    engine knows; its command line, with the profile, is a local variable of the function that reads it.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != "args_to_api":
        frame = frame.f_back
    asked = vars(frame.f_locals["args"]) if frame else {}
    shows = any(asked.get(option) for option in SHOWS) or (asked.get("reporter") and not asked.get("report_after_run"))
    return bool(workflow.output_settings.dryrun or shows)


def by_digest(inputs: Callable[[Any], Mapping[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """The same input function, of whose inputs BY_DIGEST rerun no job: not where they are newer than its outputs, and
    not where they are made again, missing or not. Digests in its params tell when it has to run.
    """
    from snakemake.io import ancient, flag

    _cut_off()

    def flagged(wildcards: Any) -> dict[str, Any]:
        found = dict(inputs(wildcards))
        return found | {name: flag(ancient(found[name]), DIGEST_DECIDES) for name in BY_DIGEST & found.keys()}

    return flagged


@cache
def _cut_off() -> None:
    """A job that makes a file again reruns those that use it, unless the file is ancient and exists, and without asking
    them for reasons of their own. Let the engine, while it decides what to run, not know that they use the file; what
    they need is asked the other way round.
    """
    from snakemake.dag import DAG
    from snakemake.io import is_flagged

    update_needrun = DAG.update_needrun

    async def decide(dag: Any, *arguments: Any, **named: Any) -> None:
        known = dag.depending
        dag.depending = defaultdict(dict)
        for job, users in known.items():
            dag.depending[job] = {
                user: files
                for user, files in users.items()
                if not all(is_flagged(file._file, DIGEST_DECIDES) for file in files)
            }
        try:
            await update_needrun(dag, *arguments, **named)
        finally:
            dag.depending = known

    DAG.update_needrun = decide


def check_outputs() -> None:
    """Record a digest of every output, and of the tensors that it was made from, when its job has ended; compare them
    when a DAG has been made, and end the program with a line for each file that was changed since. Snakemake itself
    knows files by their times, and small inputs that have become newer by their digests.
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
    """Raise UserError where an output, or the tensors it was made from, are not as its record says. The outputs of jobs
    that have to run are made again anyway.
    """
    records = dag.workflow.persistence
    changed = {}
    for output in chain.from_iterable(job.output for job in dag.jobs if not dag.needrun(job)):
        if not Path(str(output)).exists():  # temporary
            continue
        record = records.metadata(output)
        digests = (record.input_checksums if record else None) or {}
        if _other(str(output), digests.get(OWN_DIGEST)):
            changed[str(output)] = "was changed after it was made; delete it to have it made again"
        for file, known in digests.get(USED_DIGESTS, {}).items():
            if _other(file, known):
                changed[file] = (
                    f"was changed after {shown(str(output))} was made from it; delete it to have it made again, or "
                    "touch it to have what follows from it made again"
                )
    if changed:
        records.deactivate_cache()  # a run beside this one may have begun to make them again
        for file in records._filter_incomplete_keys(changed):
            del changed[file]
    if changed:
        raise UserError("\n".join(f"{shown(file)}: {what}" for file, what in sorted(changed.items())))


def _known(file: str) -> list[Any]:
    """By what a file is known again: its stamp and its digest."""
    stamp = _stamp(file)
    return [*stamp, _digest(file, stamp)]


def _other(file: str, known: Sequence[Any] | None) -> bool:
    """Whether a file is there, and is not the known one."""
    if not known or not Path(file).is_file():
        return False
    *then, digest = known
    stamp = _stamp(file)
    return stamp != tuple(then) and digest != _digest(file, stamp)


def _stamp(file: str) -> tuple[int, ...]:
    """What changes whenever a file does, and where it is copied."""
    found = Path(file).stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


@cache  # several jobs use one file
def _digest(file: str, stamp: tuple[int, ...]) -> str:
    """sha256 of a file of that stamp."""
    del stamp
    return file_digest(file)


def prepare(looks: bool) -> None:
    """Let others plan in a folder of this user's, and this one in a folder of others': records of jobs are as readable
    as other files (the engine's own are their group's alone), and a plan that may not keep its cache of file times does
    without. What looks ends without a word where nobody reads on (`| head`). Raises UserError where records may not be
    read.
    """
    from snakemake.persistence import PersistenceBase
    from snakemake.persistence.file import FilePersistence

    if looks:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if not os.access(FOLDER / "iocache", os.W_OK):
            PersistenceBase.save_iocache = lambda records: None
        hidden = [file for file in (FOLDER / "metadata").rglob("*") if not os.access(file, os.R_OK)]
        if hidden:
            raise UserError(f"{hidden[0]}: may not be read by this user; its owner can say chmod -R a+rX {FOLDER}")
        return
    mask = os.umask(0)
    os.umask(mask)
    FilePersistence._io_write = partialmethod(FilePersistence._io_write, mode=0o660 | (0o666 & ~mask))


def failed_outputs(logs: Path) -> set[str]:
    """Outputs of the jobs that failed in the latest run, by its log; some may have been tried again since."""
    try:
        latest = max(logs.glob("*.log"), default=None)
        text = latest.read_text(encoding="utf-8", errors="replace") if latest and latest.is_file() else ""
    except OSError:  # of another user
        text = ""
    errors = re.findall(r"^Error in rule \S+:\n(?:    .*\n)*?    output: (.+)$", text, re.MULTILINE)
    return {file for outputs in errors for file in outputs.split(", ")}


def resource_value(resource: Any) -> Any:
    """A default resource as the profile or the command line states it: a number, or the text of an expression."""
    return getattr(resource, "raw", resource)


def remove_default_start_limit(workflow: Any) -> None:
    """Start jobs without a limit of starts a second, unless somebody has set one.

    With its default limit Snakemake looks at all ready jobs once a second more for every job that has ended (#2967):
    after 300 jobs that takes half a core.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == DEFAULT_START_LIMIT:
        workflow.scheduler.job_rate_limiter = None


def set_clocks_right(workflow: Any) -> None:
    """Let a job's inputs be at most as new as its outputs: one from a machine whose clock was ahead would have its
    outputs removed after hours.
    """
    dag = workflow.dag
    check = dag.check_output_mtime

    async def check_output_mtime(job: Any, outputs: Sequence[Any]) -> None:
        now = time.time()
        ahead = [file for file in map(Path, map(str, job.input)) if file.is_file() and file.stat().st_mtime > now]
        written = [file for file in map(Path, map(str, outputs)) if ahead and file.is_file()]
        for file in (*ahead, *written):
            with suppress(OSError):  # of another user
                os.utime(file)
        await check(job, outputs)

    dag.check_output_mtime = check_output_mtime


def escape_environments(workflow: Any) -> None:
    """The engine takes braces in the path of the workflow for wildcards, in the paths of environments only."""
    folder = Path(workflow.basedir)
    if "{" in str(folder) or "}" in str(folder):
        for rule in workflow.rules:
            if rule.conda_env:
                file = str(folder / "envs" / Path(rule.conda_env).name)
                rule.conda_env = file.replace("{", "{{").replace("}", "}}")
