"""A real Slurm on this machine, of one node, with everything it writes in one folder.

Needs root, and Debian's slurm-wlm and munge; no systemd, and nothing of the machine's own configuration.
"""

import os
import secrets
import signal
import socket
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

from waiting import until

GPUS = 2  # pretended: devices that swallow everything
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A job that is put back into the queue waits this long, seconds.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
KillWait=5
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
# More than there is: jobs that ask for much start on a small machine too.
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=32 RealMemory=400000 Gres=gpu:pretended:{gpus}
PartitionName=main Nodes=ALL Default=YES State=UP
"""


class Cluster:
    """Slurm from `start` to `stop`. environment: of processes that use it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host = folder, socket.gethostname().partition(".")[0]
        self._services: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "bin").mkdir(parents=True)
        # The executor's jobs forget SLURM_CONF before they call srun.
        srun = folder / "bin/srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec /usr/bin/srun "$@"\n', encoding="utf-8")
        srun.chmod(0o755)
        own = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
        path = f"{folder}/bin:{os.environ['PATH']}:/usr/sbin"
        self.environment = own | {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": path}

    def start(self) -> None:
        """Raises AssertionError, with what the services said, where the node does not become idle."""
        ports = dict(zip(("controller_port", "node_port"), _free_ports(2), strict=True))
        text = CONFIGURATION.format(folder=self.folder, host=self.host, gpus=GPUS, **ports)
        (self.folder / "slurm.conf").write_text(text, encoding="utf-8")
        for number in range(GPUS):
            os.mknod(self.folder / f"gpu{number}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        devices = f"NodeName={self.host} Name=gpu Type=pretended File={self.folder}/gpu[0-{GPUS - 1}]\n"
        (self.folder / "gres.conf").write_text(devices, encoding="utf-8")
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n", encoding="utf-8")
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={self.folder}/munge.{end}" for option, end in files.items()]
        self._serve("munged", "--foreground", "--force", f"--key-file={key}", *options)
        _wait("munged", (self.folder / "munge.socket").exists, self.said)
        self.start_controller()
        self._serve("slurmd", "-D")
        _wait("the node", lambda: self.node_is("idle"), self.said)

    def stop(self) -> None:
        """End all jobs and services."""
        self.run("scancel", "--user=root")
        _wait("end of all jobs", lambda: not self.jobs(), self.said)
        for name in reversed(list(self._services)):
            self._end(name)
        # A job whose node was set down may leave a process behind that Slurm no longer knows.
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if f"SLURM_CONF={self.folder}/".encode() in environment.read_bytes():
                    os.kill(int(environment.parent.name), signal.SIGKILL)

    def start_controller(self) -> None:
        """At first, or again after `stop_controller`."""
        self._serve("slurmctld", "-D")

    def stop_controller(self) -> None:
        """Jobs go on, and nobody can ask for them."""
        self._end("slurmctld")

    def run(self, *command: str) -> str:
        """What a command of Slurm's prints; nothing where it fails."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False, cwd=self.folder
        )
        return done.stdout if done.returncode == 0 else ""

    def node_is(self, state: str) -> bool:
        """Whether the node is in a state, by Slurm's name."""
        return self.run("sinfo", "--noheader", "--format=%T").strip() == state

    def jobs(self) -> dict[str, str]:
        """Slurm's number of each job that waits or runs, by the executor's comment: rule and wildcards."""
        lines = self.run("squeue", "--noheader", "--format=%k %i").splitlines()
        return dict(line.rsplit(maxsplit=1) for line in lines)

    def facts(self, job: str) -> str:
        """What Slurm knows of a job, also for some minutes after its end."""
        return self.run("scontrol", "show", "job", job)

    def said(self) -> str:
        """What the services said."""
        return "\n".join(
            f"{path.name}:\n{path.read_text(encoding='utf-8', errors='replace')[-3000:]}"
            for path in sorted(self.folder.glob("*.out"))
        )

    def _serve(self, name: str, *options: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            self._services[name] = subprocess.Popen(
                [name, *options],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _end(self, name: str) -> None:
        process = self._services.pop(name)
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(what, done, said) -> None:
    try:
        until(done, f"Slurm: {what}")
    except AssertionError as late:
        raise AssertionError(f"{late}\n{said()}") from None


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
