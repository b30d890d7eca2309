"""A real Slurm on this machine, with everything that it writes in one folder.

Needs root and Debian's slurm-wlm, munge, slurmdbd, mariadb-server-core and mariadb-client-core (its installer); no
systemd, and none of the machine's own configuration.
"""

import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
from waiting import until

GPUS = 2  # of each node, pretended: devices that swallow everything
NODES = ("node1", "node2")
ACCOUNT = "rain"  # the only account in which jobs may run
QOS, QOS_JOBS = "few", 2  # a user may run so many jobs of this quality of service at once
LOW, HIGH = "low", "high"  # partitions: jobs of the second one preempt those of the first one
MINUTES = 240  # time limit of the partitions
KILL_WAIT = 10  # seconds from SIGTERM to SIGKILL
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A job that is put back into the queue waits this long, seconds.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
KillWait={kill_wait}
SlurmdTimeout=10
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
# Without cgroups, the memory of a job is looked at every few seconds, and a job above its request is killed.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
# More than there is: jobs that ask for much start on a small machine too.
SlurmdParameters=config_overrides
PartitionName={low} Nodes=ALL Default=YES State=UP PriorityTier=1 MaxTime={minutes}
PartitionName={high} Nodes=ALL State=UP PriorityTier=10 PreemptMode=OFF MaxTime={minutes}
"""
NODE = """\
NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=32 RealMemory=200000 Feature=fast \\
    Gres=gpu:pretended:{gpus}
"""
WITHOUT_ACCOUNTING = "AccountingStorageType=accounting_storage/none\n"
WITH_ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations,limits,qos
AccountingStorageTRES=gres/gpu
"""
DATABASE_SERVICE = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={accounting}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser=root
StorageLoc=accounting
"""


class Cluster:
    """Slurm from `start` to `stop`. accounting: whether it has slurmdbd; environment: of processes that use it."""

    def __init__(self, folder: Path, accounting: bool) -> None:
        self.folder, self.accounting = folder, accounting
        self._services: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "bin").mkdir(parents=True)
        # The executor's jobs forget SLURM_CONF before they call srun.
        srun = folder / "bin/srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec /usr/bin/srun "$@"\n', encoding="utf-8")
        srun.chmod(0o755)
        own = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
        path = f"{folder}/bin:{os.environ['PATH']}:/usr/sbin"
        impatient = str(Path(__file__).with_name("impatient"))
        self.environment = own | {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": path, "PYTHONPATH": impatient}

    def start(self) -> None:
        """Raises AssertionError, with what the services said, where a service or node does not become ready."""
        host = socket.gethostname().partition(".")[0]
        names = ("controller", "accounting", "database", *NODES)
        ports = dict(zip(names, _free_ports(len(names)), strict=True))
        values = ports | {"folder": self.folder, "host": host, "kill_wait": KILL_WAIT}
        values |= {"low": LOW, "high": HIGH, "minutes": MINUTES}
        nodes = [NODE.format(name=name, host=host, port=ports[name], gpus=GPUS) for name in NODES]
        text = "".join([*nodes, CONFIGURATION, WITH_ACCOUNTING if self.accounting else WITHOUT_ACCOUNTING])
        (self.folder / "slurm.conf").write_text(text.format(**values), encoding="utf-8")
        for number in range(GPUS):
            os.mknod(self.folder / f"gpu{number}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        devices = f"NodeName={','.join(NODES)} Name=gpu Type=pretended File={self.folder}/gpu[0-{GPUS - 1}]\n"
        (self.folder / "gres.conf").write_text(devices, encoding="utf-8")
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n", encoding="utf-8")
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir()
        self._start_munge()
        if self.accounting:
            configuration = self.folder / "slurmdbd.conf"
            configuration.write_text(DATABASE_SERVICE.format(**values), encoding="utf-8")
            configuration.chmod(0o600)
            self._start_database(ports["database"])
            self.start_accounting()
        self.start_controller()
        if self.accounting:
            self._add_accounts()
        for node in NODES:
            self.start_node(node)
        for node in NODES:
            _wait(node, lambda node=node: self.state_of(node) == "idle", self.said)

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
        self._serve("slurmctld", "slurmctld", "-D")
        _wait("slurmctld", lambda: " is UP" in self.run("scontrol", "ping"), self.said)

    def stop_controller(self) -> None:
        """Jobs go on, and nobody can ask for them."""
        self._end("slurmctld")

    def start_accounting(self) -> None:
        """At first, or again after `stop_accounting`."""
        self._serve("slurmdbd", "slurmdbd", "-D")
        _wait("slurmdbd", lambda: self.run("sacctmgr", "--noheader", "show", "qos"), self.said)

    def stop_accounting(self) -> None:
        """Jobs go on, and sacct fails."""
        self._end("slurmdbd")

    def start_node(self, node: str) -> None:
        """For good, until `lose_node`."""
        self._serve(node, "slurmd", "-D", "-N", node)

    def preempt(self, job: str) -> None:
        """Let a job of the other partition ask for the whole node of a job."""
        options = ["--account", ACCOUNT, "--exclusive", f"--nodelist={self.node_of(job)}", "--output=/dev/null"]
        assert self.run("sbatch", "--partition", HIGH, *options, "--wrap", "sleep 1")

    def lose_node(self, node: str) -> None:
        """Kill slurmd and all processes of the jobs of a node, as if its power had gone. The other node stays."""
        service = self._services.pop(node)
        service.kill()
        service.wait()
        own = [
            process
            for process in psutil.process_iter(["environ"])
            if (process.info["environ"] or {}).get("SLURMD_NODENAME") == node
        ]
        steps = {parent for process in own if (parent := process.parent()) and parent.name().startswith("slurmstepd")}
        for process in (*steps, *own):  # first the services of the job steps, which would tell of the end
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def run(self, *command: str) -> str:
        """What a command of Slurm's prints; nothing where it fails."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False, cwd=self.folder
        )
        return done.stdout if done.returncode == 0 else ""

    def state_of(self, node: str) -> str:
        """The state of a node, by Slurm's name; * means that it does not answer."""
        return self.run("sinfo", "--noheader", "--format=%T", f"--nodes={node}", "--partition", LOW).strip()

    def jobs(self) -> dict[str, str]:
        """Slurm's number of each job that waits or runs, by the executor's comment: rule and wildcards."""
        lines = self.run("squeue", "--noheader", "--format=%k %i").splitlines()
        return dict(line.rsplit(maxsplit=1) for line in lines)

    def node_of(self, job: str) -> str:
        """The node of a job, as soon as it runs."""
        return until(lambda: self.run("squeue", "--noheader", "--format=%N", "--jobs", job).strip(), f"{job} runs")

    def states(self, job: str) -> list[str]:
        """How the attempts at a job ended, by the accounting."""
        command = [
            "sacct",
            "--allocations",
            "--duplicates",
            "--parsable2",
            "--noheader",
            "--format=State",
            "--jobs",
            job,
        ]
        return self.run(*command).splitlines()

    def facts(self, job: str) -> str:
        """What Slurm knows of a job, also for some minutes after its end."""
        return self.run("scontrol", "show", "job", job)

    def said(self) -> str:
        """What the services said."""
        return "\n".join(
            f"{path.name}:\n{path.read_text(encoding='utf-8', errors='replace')[-3000:]}"
            for path in sorted(self.folder.glob("*.out"))
        )

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={self.folder}/munge.{end}" for option, end in files.items()]
        self._serve("munged", "munged", "--foreground", "--force", f"--key-file={key}", *options)
        _wait("munged", (self.folder / "munge.socket").exists, self.said)

    def _start_database(self, port: int) -> None:
        data = self.folder / "database"
        install = ["mariadb-install-db", "--no-defaults", "--user=root", "--skip-test-db", f"--datadir={data}"]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        options = ["--no-defaults", "--user=root", f"--datadir={data}", "--bind-address=127.0.0.1", f"--port={port}"]
        options += [f"--socket={self.folder}/database.socket", f"--pid-file={self.folder}/database.pid"]
        # Nobody is asked for a password, and a power cut may cost what it likes.
        options += ["--skip-grant-tables", "--innodb-flush-log-at-trx-commit=0", "--innodb-lock-wait-timeout=900"]
        self._serve("mariadbd", "mariadbd", *options)
        _wait("mariadbd", (self.folder / "database.socket").exists, self.said)

    def _add_accounts(self) -> None:
        """The account and the QOS. The account that Slurm gives to root takes no jobs."""
        for command in (
            f"add qos {QOS} MaxJobsPerUser={QOS_JOBS}",
            f"add account {ACCOUNT}",
            f"add user root account={ACCOUNT} qos=normal,{QOS}",
            "modify user root where account=root set MaxSubmitJobs=0",
        ):
            assert self.run("sacctmgr", "--immediate", *command.split()), command

    def _serve(self, name: str, *command: str) -> None:
        assert shutil.which(command[0], path=self.environment["PATH"]), f"{command[0]} is not installed"
        with (self.folder / f"{name}.out").open("ab") as output:
            self._services[name] = subprocess.Popen(
                command,
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
        until(done, f"Slurm: {what}", seconds=120)
    except AssertionError as late:
        raise AssertionError(f"{late}\n{said()}") from None


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
