"""The DAG of a workflow: its jobs and the reasons to run them."""

import os
import shutil
import signal
import sys
from ast import literal_eval
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from derain.engine import FOLDER, RUN
from derain.engine.command import merge_configs, parse_options
from derain.engine.records import unfinished
from derain.errors import exit_in_one_line


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
    """A DAG that Snakemake has built: its `wanted_jobs` that have outputs, sorted by these. config: of the workflow."""

    def __init__(self, workflow: Any) -> None:
        self._dag, self._persistence = workflow.dag, workflow.persistence
        self.config: Mapping[str, Any] = workflow.config
        pairs = [(self._job(job), job) for job in wanted_jobs(self._dag) if job.output]
        self._pairs = sorted(pairs, key=lambda pair: pair[0].outputs)

    @property
    def jobs(self) -> list[Job]:
        """All wanted jobs with outputs."""
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
        return unfinished(self._persistence, files)

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


def with_dag(look: Callable[[Dag], None], arguments: Sequence[str], own_options: Iterable[str] = ()) -> None:
    """Build the DAG that `snakemake <arguments>` would execute, call look(DAG), and exit. own_options: as `own` of
    `parse_options`.

    Config files and overrides are checked before Snakemake reads them, because it runs the code of a template, and ends
    in a traceback where it cannot read one. Raises UserError about these and about options.

    Where no run has ever begun and no config file is given, as in a folder that was entered by mistake, nothing is left
    behind. With a config file, the results of the check of its datasets stay, for the run.
    """
    from snakemake.api import DAGApi
    from snakemake.cli import args_to_api

    from derain.config.reading import check_files

    def clean_up() -> None:
        if foreign and not (folder / FOLDER / RUN).exists():
            for each in own:
                shutil.rmtree(each, ignore_errors=True)

    def end(*_: Any) -> None:  # where the reader has gone (`| head`); the Snakefile has set the default action
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
    parser, args = parse_options(["--quiet", "all", "--summary", "--dry-run", *arguments], own_options)
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


def planned_outputs(workflow: Any) -> set[str]:
    """Return the outputs of the `wanted_jobs` of the DAG, whether they had to run or not."""
    return {str(file) for job in wanted_jobs(workflow.dag) for file in job.output}


def wanted_jobs(dag: Any) -> set[Any]:
    """Return the jobs that make the targets, without those that `--until` and `--omit-from` leave out.

    Snakemake's own `dag.jobs` still has those beyond `--until`. It applies both options after `update_needrun`; the
    result here is the same before and after that.
    """
    ends = dag.until_jobs() if dag.untilrules or dag.untilfiles else dag.targetjobs
    omitted = set(dag.downstream_of_omitfrom()) if dag.omitrules or dag.omitfiles else set()
    return set(dag.bfs(dag.dependencies, *ends)) - omitted
