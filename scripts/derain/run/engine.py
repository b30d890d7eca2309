"""Adapter to Snakemake: one file, because all uses of undocumented parts of Snakemake are to be seen together.

tests/run/test_engine.py has a test for each of these parts, which fails if another version of Snakemake changes it.
Each function imports what it needs of Snakemake itself, because every job imports this module through the Snakefile.
"""

import os
import re
import shutil
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

from derain.errors import UserError, exit_in_one_line, reason_of, shown
from derain.files.digest import file_digest
from derain.files.stamp import stamp

VERSION = "9.27.0"  # of Snakemake, which this module was written for
FOLDER = Path(".snakemake")
LOCKS, LOGS = "locks", "log"  # folders in FOLDER
RUN = "run"  # file in FOLDER: the lock of a run
OWN_FILES = ("metadata", "incomplete", "iocache")  # folders of Snakemake's records, marks and file times
LONG_NAMES = "@"  # first letter of folders in these
# Command line options of Snakemake that only show something; --report is another one.
SHOWS = (
    *("dag", "rulegraph", "filegraph", "d3dag", "summary", "detailed_summary", "archive", "containerize", "lint"),
    *("list_rules", "list_target_rules", "list_untracked", "list_changes", "list_input_changes", "list_params_changes"),
    *("list_conda_envs", "print_compilation"),
)
# Names of inputs whose digests are among the params, and the flag that by_digest sets on their files.
BY_DIGEST, DIGEST_DECIDES = {"tables", "pixels", "rainy"}, "digest_decides"
DEFAULT_START_LIMIT = (100, 1)  # jobs, seconds
# Keys that check_outputs adds to the input checksums in Snakemake's record of an output: the output itself, and the
# safetensors files among the inputs. As an output a safetensors file has no record: it holds its own digest, which the
# jobs that read it compare (derain.files.metadata). The record of the input serves the jobs that do not run.
OWN_DIGEST, USED_DIGESTS, TENSORS = "derain: output", "derain: inputs", ".safetensors"
COMPARED_WHEN_READ = (TENSORS, ".bin")  # packed pixels are compared pair by pair


@dataclass(frozen=True)
class Job:
    """A job of the DAG.

    needed: whether it has to run; params, wildcards: by name; consumed_into: if its outputs are temporary, the outputs
    of the jobs that use them.
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
    """Snakemake's own reasons to run a job, without those that come from upstream jobs.

    recorded: outputs with a record of an earlier run; missing: outputs that do not exist and are not temporary; begun:
    whether a run has begun the job and not finished it; old_params: recorded values (without names) that are not among
    the present ones; new_params: present values, by name, that are not recorded; newer_inputs: inputs younger than the
    outputs.
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
    """A DAG that Snakemake has built: its jobs that have outputs, sorted by their outputs. config: of the workflow."""

    def __init__(self, workflow: Any) -> None:
        self._dag, self._persistence = workflow.dag, workflow.persistence
        self.config: Mapping[str, Any] = workflow.config
        pairs = [(self._job(job), job) for job in self._dag.jobs if job.output]
        self._pairs = sorted(pairs, key=lambda pair: pair[0].outputs)

    @property
    def jobs(self) -> list[Job]:
        """All jobs with outputs."""
        return [job for job, _ in self._pairs]

    def reasons(self) -> list[tuple[Job, Reason]]:
        """Return the jobs that have to run, each with its own reason."""
        begun = self.begun(file for job in self.jobs for file in job.outputs)
        return [
            (job, self._reason(original, not begun.isdisjoint(job.outputs)))
            for job, original in self._pairs
            if job.needed
        ]

    def begun(self, files: Iterable[str]) -> set[str]:
        """Return those of the files whose jobs have, by now, begun and not ended."""
        return _begun(self._persistence, files)

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
            forced=bool(reason.forced) and not begun,  # Snakemake itself forces a job that has begun
            begun=begun,
            old_params=tuple(literal_eval(text) for text in sorted(params.only_old)),
            new_params={name: value for name, value in job.params.items() if repr(value) in params.only_new},
            inputs_changed=any(records.input_changed(job)),
            environment_changed=any(records.software_stack_changed(job)),
            newer_inputs=tuple(sorted(map(str, reason.updated_input - reason.updated_input_run))),
        )


def _begun(records: Any, files: Iterable[str]) -> set[str]:
    """Return those of the files whose jobs have, by now, begun and not ended."""
    records.deactivate_cache()
    return set(records._filter_incomplete_keys(files))


def with_dag(look: Callable[[Dag], None], arguments: Sequence[str]) -> None:
    """Build the DAG that `snakemake <arguments>` would execute, call look(DAG), and exit.

    Config files and overrides are checked before Snakemake reads them, because it runs the code of a template, and ends
    in a traceback where it cannot read one. Raises UserError about these and about options.

    Where no run has ever begun and no config file is given, as in a folder that was entered by mistake, nothing is left
    behind. With a config file, the results of the check of its datasets stay, for the run.
    """
    from snakemake.api import DAGApi
    from snakemake.cli import args_to_api, parse_args
    from snakemake.exceptions import CliException

    from derain.config.reading import check_files

    def clean_up() -> None:
        if foreign and not (folder / FOLDER / RUN).exists():
            for each in own:
                shutil.rmtree(each, ignore_errors=True)

    def end(*_: Any) -> None:  # where the reader has gone (`| head`); `prepare` has set the default action
        clean_up()
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)

    def plan(api: Any, detailed: bool = False) -> None:
        workflow = api.workflow_api._workflow
        signal.signal(signal.SIGPIPE, end)
        settings = workflow.dag_settings
        workflow._prepare_dag(
            forceall=settings.forceall, ignore_incomplete=not settings.force_incomplete, lock_warn_only=True
        )
        workflow._build_dag()
        with exit_in_one_line():
            look(Dag(workflow))

    DAGApi.summary = plan  # instead of the table of `--summary`
    try:
        parser, args = parse_args(["--quiet", "all", "--summary", "--dry-run", *arguments])
    except (CliException, ValueError) as error:
        raise UserError(reason_of(error)) from None
    check_files(args.configfile, args.config or ())
    merge_configs((), args.config or ())
    folder = Path(args.directory or ".").absolute()
    own = [folder / FOLDER, folder / "results"]
    foreign = not args.configfile and not any(map(os.path.lexists, own))
    try:
        done = args_to_api(args, parser)
    finally:
        clean_up()
    sys.exit(not done)


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
    """Whether the command changes nothing: a dry run (-n), or an option that only shows something.

    Snakemake reads the Snakefile before it evaluates these options. Its parsed command line, including the profile, is
    a local variable of its function args_to_api, which is on the call stack.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != "args_to_api":
        frame = frame.f_back
    asked = vars(frame.f_locals["args"]) if frame else {}
    shows = any(asked.get(option) for option in SHOWS) or (asked.get("reporter") and not asked.get("report_after_run"))
    return bool(workflow.output_settings.dryrun or shows)


def planned_outputs(workflow: Any) -> set[str]:
    """Return the outputs of all jobs of the DAG, whether they had to run or not."""
    return {str(file) for job in workflow.dag.jobs for file in job.output}


def by_digest(inputs: Callable[[Any], Mapping[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """Return the same input function, with inputs named in BY_DIGEST that never cause a rerun.

    Neither a newer input nor one that is made again (missing or not) reruns the job: the digests in its params decide.
    """
    from snakemake.io import ancient, flag

    _cut_off()

    def flagged(wildcards: Any) -> dict[str, Any]:
        found = dict(inputs(wildcards))
        return found | {name: flag(ancient(found[name]), DIGEST_DECIDES) for name in BY_DIGEST & found.keys()}

    return flagged


@cache
def _cut_off() -> None:
    """Hide the users of DIGEST_DECIDES files from Snakemake while it decides which jobs to run.

    A job that makes a file again makes Snakemake rerun every job that uses it, unless the file is ancient and exists.
    Snakemake finds these users in `dag.depending`, so they are left out there. It finds the jobs that a job needs in
    another attribute, which stays complete.
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
    begun = _begun(records, [*changed, *unknown]) if changed or unknown else set()  # by another run
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


def check_records() -> None:
    """Raise UserError about files of Snakemake's own that are not regular, and make it ignore damaged records of jobs.

    Snakemake itself ignores a record that is no JSON, with a warning; its job then has no record. With one that is not
    UTF-8 or not of its form it ends in a traceback, and it would wait at a pipe forever.
    """
    from snakemake.persistence import MetadataRecord
    from snakemake.persistence.file import FilePersistence

    wrong = []
    for at, inner, files in chain.from_iterable(os.walk(FOLDER / name) for name in OWN_FILES):
        wrong += [Path(at, name) for name in inner if not name.startswith(LONG_NAMES)]
        wrong += [path for path in (Path(at, name) for name in files) if not path.is_file() and os.path.lexists(path)]
    if wrong:
        raise UserError("\n".join(f"{path}: is no regular file; delete it and run again" for path in sorted(wrong)))
    read = FilePersistence._io_read

    def read_or_ignore(records: Any, folder: str, key: str) -> Any:
        try:
            found = read(records, folder, key)
            if found:
                MetadataRecord.model_validate(found)
        except ValueError:
            print(f"{records._record_path(folder, key)}: is damaged, and ignored", file=sys.stderr)
            return {}
        return found

    FilePersistence._io_read = read_or_ignore


def prepare(looks: bool) -> None:
    """Let users plan in each other's folders. looks: the command only plans or shows something.

    A run makes the records of jobs as readable as the umask allows; Snakemake's own mode is 0660, without access for
    other users. A command that only looks does not save the cache of file times if it may not write it, and ends
    silently on SIGPIPE (`| head`). Raises UserError if it may not read a record.
    """
    from snakemake.persistence import PersistenceBase
    from snakemake.persistence.file import FilePersistence

    if looks:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if not os.access(FOLDER / "iocache", os.W_OK):
            PersistenceBase.save_iocache = lambda records: None
        hidden = [file for file in (FOLDER / "metadata").rglob("*") if not os.access(file, os.R_OK)]
        if hidden:
            raise UserError(f"{hidden[0]}: may not be read by this user; its owner can run chmod -R a+rX {FOLDER}")
        return
    mask = os.umask(0)
    os.umask(mask)
    FilePersistence._io_write = partialmethod(FilePersistence._io_write, mode=0o660 | (0o666 & ~mask))


def failed_outputs(logs: Path) -> set[str]:
    """Return the outputs of jobs that failed in the latest run, by its log; some may have been retried since."""
    try:
        latest = max(logs.glob("*.log"), default=None)
        text = latest.read_text(encoding="utf-8", errors="replace") if latest and latest.is_file() else ""
    except OSError:  # owned by another user
        text = ""
    errors = re.findall(r"^Error in rule \S+:\n(?:    .*\n)*?    output: (.+)$", text, re.MULTILINE)
    return {file for outputs in errors for file in outputs.split(", ")}


def slurm_run_ids(logs: Path) -> list[str]:
    """Return the ids of the runs that submitted jobs to Slurm, by their logs. Such an id is the name of the jobs."""
    found = []
    for log in sorted(logs.glob("*.log")):
        with suppress(OSError), log.open(encoding="utf-8", errors="replace") as file:
            found += re.findall(r"^SLURM run ID: ([\w-]+)$", file.read(100_000), re.MULTILINE)
    return found


def correct_slurm_executor(capped: Callable[[int], int]) -> None:
    """Correct faults of the executor plugin for Slurm (2.8.0), if it is installed.

    capped: returns the time limit that a job may request, minutes; that of a group is the sum of its parts'.

    sacct prints "CANCELLED by <user id>". The plugin does not know this state, so Snakemake would wait forever for a
    job that was cancelled; here the states are cut to their first word. After a node has failed, sacct prints "None
    assigned" as the node of the job that waits again. The plugin would exclude this "node", and sbatch would refuse
    every later job. Snakemake does not print why a group failed, such as an error of sbatch.
    """
    plugin: Any = sys.modules.get("snakemake_executor_plugin_slurm")
    if plugin is None:  # otherwise Snakemake has imported it to read its options
        return
    query, submit_command = plugin.query_job_status, plugin.get_submit_command

    async def query_job_status(*arguments: Any) -> tuple[dict[str, str] | None, float | None]:
        states, seconds = await query(*arguments)
        return states and {job: state.partition(" ")[0] for job, state in states.items()}, seconds

    def get_submit_command(job: Any, *arguments: Any, failed_nodes: set[str], **named: Any) -> str:
        nodes = {node for node in failed_nodes if " " not in node}
        command = submit_command(job, *arguments, failed_nodes=nodes, **named)
        minutes = job.resources.get("runtime") or 0
        limit = capped(minutes)
        return command if limit == minutes else f"{command} -t {limit}"  # sbatch takes the last -t

    report = plugin.Executor.report_job_error

    def report_job_error(executor: Any, info: Any, msg: str | None = None, **named: Any) -> None:
        if msg and info.job.is_group():
            executor.logger.error(msg)
        report(executor, info, msg=msg, **named)

    plugin.query_job_status, plugin.get_submit_command = query_job_status, get_submit_command
    plugin.Executor.report_job_error = report_job_error


def check_container(workflow: Any, image: str | None) -> None:
    """Raise UserError if jobs are to run in a container (--sdm apptainer) and there is no image.

    image: a file or an address, None for none.
    """
    if not any(method.name == "APPTAINER" for method in workflow.deployment_settings.deployment_method):
        return
    if image is None:
        raise UserError("config: container: is missing; --sdm apptainer needs an image (docs/how-to/containers.md)")
    if "://" not in image and not Path(image).exists():
        raise UserError(f"config: container: there is no file {image!r}")


def resource_value(resource: Any) -> Any:
    """Return a default resource as given in the profile or on the command line: a number, or an expression as text."""
    return getattr(resource, "raw", resource)


def remove_default_start_limit(workflow: Any) -> None:
    """Remove Snakemake's default limit of job starts per second; a limit that the user has set stays.

    With the default limit, each job that has ended makes Snakemake look at all ready jobs one more time per second
    (#2967): after 300 jobs that takes half a core.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == DEFAULT_START_LIMIT:
        workflow.scheduler.job_rate_limiter = None


def set_clocks_right(workflow: Any) -> None:
    """Set inputs with a time in the future, and the outputs made from them, to the present time when their job ends.

    Otherwise an input from a machine whose clock is ahead would be newer than the outputs, and Snakemake would remove
    them, perhaps after hours of training.
    """
    dag = workflow.dag
    check = dag.check_output_mtime

    async def check_output_mtime(job: Any, outputs: Sequence[Any]) -> None:
        now = time.time()
        ahead = [file for file in map(Path, map(str, job.input)) if file.is_file() and file.stat().st_mtime > now]
        written = [file for file in map(Path, map(str, outputs)) if ahead and file.is_file()]
        for file in (*ahead, *written):
            with suppress(OSError):  # owned by another user
                os.utime(file)
        await check(job, outputs)

    dag.check_output_mtime = check_output_mtime


def escape_environments(workflow: Any) -> None:
    """Escape braces in the paths of conda files, because Snakemake takes them for wildcards (in these paths only)."""
    folder = Path(workflow.basedir)
    if "{" in str(folder) or "}" in str(folder):
        for rule in workflow.rules:
            if rule.conda_env:
                file = str(folder / "envs" / Path(rule.conda_env).name)
                rule.conda_env = file.replace("{", "{{").replace("}", "}}")
