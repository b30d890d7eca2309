"""Inputs that never cause a rerun, because digests of them are among the params of the job."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

# Names of inputs whose digests are among the params, and the flag that by_digest sets on their files.
BY_DIGEST, DIGEST_DECIDES = {"tables", "pixels", "rainy"}, "digest_decides"


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
