"""Checks the network classes of the user's own, and given weights, before any job runs. Each is tried in a process of
its own (derain.plan.trial, derain.plan.fit), so that this process imports no torch, and no code of the user can disturb
it.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Any

from derain.config.experiment import Experiment
from derain.data.sources import Sources
from derain.errors import UserError
from derain.files.cache import read_cache, write_cache
from derain.files.source import read_source
from derain.plan.codedigest import SCRIPTS, code_digest
from derain.plan.given import given_faults

TRIAL, FIT = "derain.plan.trial", "derain.plan.fit"
PATIENCE = 300.0  # seconds for one class


def digests_of_classes(experiment: Experiment) -> dict[str, str]:
    """Digests of the sources of the network classes, by place. Raises UserError with a line for each fault."""
    found, faults = {}, []
    for name, network in experiment.networks.items():
        if network.source is not None:
            try:
                found[network.source] = read_source(network.source).digest
            except UserError as error:
                faults.append(f"config: networks.{name}.backbone: {error}")
    if faults:
        raise UserError("\n".join(faults))
    return found


def check_networks(
    experiment: Experiment, sources: Sources, folder: Path, keep: Callable[[Callable[[], object]], None]
) -> None:
    """Compare the metadata of given files with the config. Then try each network class of the user's own, and each file
    of initial weights, once for each source, options and weights. Raises UserError with a line for each fault.

    folder: for the caches; keep: gets functions that write caches, and calls them unless the command must not write.
    """
    faults = [*given_faults(experiment, sources)]
    if faults:
        raise UserError("\n".join(faults))
    if find_spec("torch") is None:  # with conda, only the environments of jobs may have it
        return
    for name, network in experiment.networks.items():
        weights, source = network.initial_weights, network.source
        digests = [source and sources.source(source), weights and sources.weights(weights)]
        if source:
            asked: dict[str, Any] = {
                "options": network.architecture()["options"],
                "patch": experiment.training.patch,
                "bfloat16": not network.evaluate_only and experiment.training.precision == "bfloat16",
                "float64": not network.evaluate_only and experiment.evaluation.theory_patches > 0,
            }
            module, places = TRIAL, {"place": source, "weights": weights and str(weights)}
        elif weights:
            module, asked, places = FIT, {"network": network.architecture()}, {"file": str(weights)}
        else:
            continue
        decided_by = [asked, digests, network.architecture(), code_digest(module), version("torch")]
        key = hashlib.sha256(json.dumps(decided_by, sort_keys=True).encode()).hexdigest()
        cache = folder / f"{name}.json"
        if read_cache(cache, key) is None:
            found = tried({**asked, **places}, module)
            faults += [f"config: networks.{name}{fault}" for fault in found]
            if not found:
                keep(partial(write_cache, cache, key, "sound"))
    if faults:
        raise UserError("\n".join(faults))


def tried(asked: dict[str, Any], module: str) -> list[str]:
    """The faults that TRIAL or FIT finds, each ": fault" or ".key: fault". asked: arguments of its `faults`.

    What the process prints is discarded. It is killed after PATIENCE seconds.
    """
    command = [sys.executable, "-P", "-m", module, json.dumps(asked)]
    library = {"PYTHONPATH": os.pathsep.join(filter(None, [str(SCRIPTS), os.environ.get("PYTHONPATH")]))}
    with tempfile.TemporaryFile() as answer:  # no pipe: a process that the class leaves behind would hold it open
        started = subprocess.Popen(  # noqa: S603 (this Python)
            command,
            env=os.environ | library,
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            status = started.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return [f": was not checked within {PATIENCE:g} s; does its module wait or compute at import?"]
        finally:
            _end(started)
        answer.seek(0)
        try:
            found: list[str] = json.loads(answer.read())
            return found
        except ValueError:
            how = f"was ended by {Signals(-status).name}" if status < 0 else f"ended with status {status}"
            return [f": the process that checks it {how}"]


def _end(started: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a process and of those that it started."""
    with suppress(ProcessLookupError):
        os.killpg(started.pid, SIGKILL)
    started.wait()
