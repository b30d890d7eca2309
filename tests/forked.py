"""Runs of Snakemake that share one import of it, which takes longer than most plans of the tests.

`run` asks a process that has imported Snakemake and forks for each run; this file is also the program of that process.
"""

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
from functools import cache

PROGRAM = ["-m", "snakemake"]
READ_AT_START = ("PYTHON", "LC_", "LANG")  # variables that only an interpreter's start obeys begin so
STARTED = dict(os.environ)
IMPORTED = ["snakemake.cli", "smart_open", "numpy", "pydantic", "PIL.Image"]


@cache
def _server(python):
    """The process that forks. It ends with this one, at the end of its input if this one is killed."""
    server = subprocess.Popen([python, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.kill)  # forks of this process may hold its input open
    return server


def is_like_a_start(environment):
    """Whether a fork can stand for a program that starts in this environment."""
    own, asked = (
        {name: value for name, value in variables.items() if name.startswith(READ_AT_START)}
        for variables in (STARTED, environment)
    )
    return own == asked


def run(arguments, directory, environment, timeout):
    """What `subprocess.run([sys.executable, *PROGRAM, *arguments], cwd=directory, env=environment)` gives."""
    arguments = list(map(str, arguments))
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, name) for name in ("stdout", "stderr")]
        server = _server(sys.executable)
        asked = {"arguments": arguments, "directory": str(directory), "environment": environment}
        print(json.dumps(asked | {"files": files, "timeout": timeout}), file=server.stdin, flush=True)
        status = int(server.stdout.readline())
        output = []
        for file in files:
            with open(file, encoding="utf-8", errors="replace") as opened:
                output.append(opened.read())
    return subprocess.CompletedProcess([sys.executable, *PROGRAM, *arguments], status, *output)


def _asked():
    """In a fork, what it has to run; the process itself ends here."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            return json.loads(line)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    sys.exit()


def _become(asked):
    """Make this process look as if it had been started for a run."""
    ways = {os.devnull: os.O_RDONLY} | dict.fromkeys(asked["files"], os.O_WRONLY | os.O_CREAT)
    for number, (file, way) in enumerate(ways.items()):  # stdin, stdout, stderr
        opened = os.open(file, way, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    signal.alarm(asked["timeout"])
    os.chdir(asked["directory"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.path[0] = asked["directory"]
    sys.argv = [sys.modules["snakemake"].__path__[0] + "/__main__.py", *asked["arguments"]]


if __name__ == "__main__":
    from importlib import import_module

    for module in IMPORTED:
        import_module(module)
    sys.modules["snakemake.cli"].get_argument_parser()  # imports the plugins
    gc.freeze()  # a collection would copy pages that forks share
    _become(_asked())
    sys.modules["snakemake.cli"].main()
