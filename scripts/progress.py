"""How far a run is: what is done, running, waiting or failed, the step of each training and the time left.

python scripts/progress.py [--watch] [targets and options of snakemake]

With --watch until all is done or Ctrl-C. What is to be done is what it was when the command began.
"""

import shutil
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dag import with_plan
from derain.plan.stagestore import THETA
from derain.run.lock import running
from derain.run.status import Planned, Watch, told

WATCH, EVERY = "--watch", 2  # seconds
ENGINE = Path(".snakemake")


def tell(workflow: Any) -> None:
    """Print the states of all jobs, once or until they are done."""

    def under_way(files: Iterable[str]) -> set[str]:
        workflow.persistence.deactivate_cache()
        return workflow.persistence._filter_incomplete_keys(files)

    jobs = [planned(job, workflow.dag) for job in workflow.dag.jobs if job.output]
    watch = Watch(
        sorted(jobs, key=lambda job: job.outputs), under_way, lambda: running(ENGINE) is not None, ENGINE / "log"
    )
    if WATCH not in sys.argv:
        print("\n".join(told(watch.look(), running(ENGINE))))
        return
    with suppress(KeyboardInterrupt):
        while True:
            seen = watch.look()
            lines, height = told(seen, running(ENGINE)), shutil.get_terminal_size().lines - 1
            more = [f"… and {len(lines) - height + 1} more"] if len(lines) > height else []
            print("\033[H\033[J" + "\n".join(lines[: height - len(more)] + more), flush=True)
            if all(found.state == "done" for _, found in seen):
                return
            time.sleep(EVERY)


def planned(job: Any, dag: Any) -> Planned:
    """A job as the library knows it."""
    is_stage = Path(job.output[0]).name == THETA
    spec = job.params.get("spec", {}) if is_stage and job.rule.name != "take" else {}
    following = dag.depending[job] if job.temp_output else ()
    return Planned(
        rule=job.rule.name,
        outputs=tuple(map(str, job.output)),
        log=str(job.log[0]),
        needed=dag.needrun(job),
        steps=spec.get("training", {}).get("steps", 0) if is_stage else None,
        into=tuple(str(file) for next_job in following for file in next_job.output),
    )


if __name__ == "__main__":
    with_plan(tell, [argument for argument in sys.argv[1:] if argument != WATCH])
