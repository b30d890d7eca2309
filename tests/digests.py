"""Which code decides which job: `python tests/digests.py <options of snakemake>` prints, for each job of a plan as the
workflow itself makes it, the calls of `code_digest` whose result is in its parameters.
"""

import json
import sys

from places import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts"))

from derain.curriculum import Stage
from derain.plan import codedigest


def recorded(digest, calls):
    """`code_digest` that keeps what it was asked for."""

    def code_digest(*modules):
        found = digest(*modules)
        calls[json.dumps(found, sort_keys=True)] = modules
        return found

    return code_digest


def kind(job):
    """A job by what its code may depend on: its rule; of trainings after others the method, of tables and states which
    one.
    """
    stage, which = job.wildcards.get("stage"), job.wildcards.get("table") or job.wildcards.get("state")
    with_method = job.rule in ("next", "candidate")
    more = which or (Stage.of_path(stage).method if stage and with_method else None)
    return f"{job.rule} {more}" if more else job.rule


def parts(value):
    """A value and all that is in it."""
    yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield from parts(part)


if __name__ == "__main__":
    calls = {}
    # What stands for the pixels of rendered pairs, in their digest.
    rendered, layers = ("derain.data.rendered",), ("derain.data.layers",)
    # Before anything imports it by its name.
    codedigest.code_digest = recorded(codedigest.code_digest, calls)
    from derain.data.sources import Sources
    from derain.engine.dag import with_dag

    of_rendered = {}
    digest_pairs = Sources.pairs

    def recorded_pairs(sources, dataset, use):
        found = digest_pairs(sources, dataset, use)
        if rain := sources.sections[dataset].get("rain"):
            of_rendered[found] = layers if "layers_of" in rain else rendered
        return found

    Sources.pairs = recorded_pairs

    def show(dag):
        jobs = {}
        for job in dag.jobs:
            of_kind = jobs.setdefault(kind(job), set())
            for part in parts(dict(job.params)):
                text = json.dumps(part, sort_keys=True) if isinstance(part, dict) else ""
                of_kind |= {calls[text]} if text in calls else set()
                of_kind |= {of_rendered[part]} if isinstance(part, str) and part in of_rendered else set()
        print(json.dumps({name: sorted(found) for name, found in jobs.items()}))

    with_dag(show, sys.argv[1:])
