"""The workflow as its users run it: the command line, in a directory of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import forked
import yaml
from places import REPOSITORY

TIMEOUT = 1200  # seconds


def environment(directory, library=None):
    """Of a process that shares nothing with this one's runs of Snakemake. library: the clone whose library it finds
    before an installed one.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE")}
    own |= {"PYTHONPATH": str(library / "scripts")} if library else {}
    return own | {"XDG_CACHE_HOME": str(directory / "cache")}


def arguments(directory, config, repository=REPOSITORY, profile=None, cores=2):
    """What makes Snakemake run the experiment of a config in a directory."""
    directory.mkdir(exist_ok=True)
    (directory / "experiment.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    options = ["-s", repository / "Snakefile", "--directory", directory, "--configfile", directory / "experiment.yaml"]
    options += ["--workflow-profile", profile or repository / "profiles/default", "--cores", cores]
    return list(map(str, options))


def snakemake(directory, config, *more, **how):
    """A finished run, of this clone's library by a fork where that is like a start; how: of `arguments`."""
    given = [*arguments(directory, config, **how), *more]
    library = how.get("repository")
    if library is None and forked.is_like_a_start(environment(directory)):
        return forked.run(given, directory, environment(directory), TIMEOUT)
    return finish([sys.executable, *forked.PROGRAM, *given], directory, library=library)


def derain(command, directory, config, *more, repository=REPOSITORY):
    """A finished command of the program for people, with the options of `snakemake`."""
    program = [sys.executable, "-m", "derain", command, *arguments(directory, config, repository), *more]
    return finish(program, directory, library=repository)


def progress(directory, config, *more):
    """The lines of `derain progress` for a run."""
    done = derain("progress", directory, config, *more)
    assert done.returncode == 0, done.stderr
    plan, *lines = done.stdout.splitlines()
    assert plan == "Building DAG of jobs..."  # of the engine
    return lines


def finish(command, directory, timeout=TIMEOUT, library=None, **variables):
    """Any command, run in a directory to its end. library: of `environment`; variables: of its environment, too."""
    return subprocess.run(
        command,
        cwd=directory,
        env=environment(directory, library) | variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        check=False,
    )


def planned(dry_run):
    """The jobs of a dry run as "rule place", the place of the first output below results/, without what all share.

    Jobs of a group are indented.
    """
    assert dry_run.returncode == 0, dry_run.stderr
    jobs = re.findall(
        r"^ *(?:local)?rule (\w+):\n(?: +(?!output|\s).*\n)* +output: ([^\s,]+)",
        dry_run.stdout + dry_run.stderr,
        re.M,
    )
    return sorted(f"{rule} {Path(output.removeprefix('results/'))}" for rule, output in jobs)
