"""A throw-away Slurm cluster on one machine: real munged, slurmctld and three slurmd, all state in one folder.

It needs root and the Debian packages slurmctld, slurmd, slurm-client and munge, but no systemd, database, cgroups or
GPU: the two GPUs of node `gpu1` are plain device files that Slurm counts and hands out like real ones. A job of the
partition `urgent` takes the place of others, which are queued again. Several clusters can be up at a time.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "sinfo")
NODES = ("cpu1", "cpu2", "gpu1")
DAEMONS = (*(f"slurmd-{node}" for node in NODES), "slurmctld", "munged")
CLIENTS = ("srun", "squeue", "scontrol")

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/{gather}
JobAcctGatherFrequency=1
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
SchedulerParameters=sched_interval=1,sched_min_interval=10000,bf_interval=1,batch_sched_delay=0
MinJobAge=600
ReturnToService=2
KillWait=30
UnkillableStepTimeout=300
PropagateResourceLimits=NONE
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=cpu1 NodeHostname={host} NodeAddr=127.0.0.1 Port={cpu1} CPUs=16 RealMemory=64000
NodeName=cpu2 NodeHostname={host} NodeAddr=127.0.0.1 Port={cpu2} CPUs=16 RealMemory=64000
NodeName=gpu1 NodeHostname={host} NodeAddr=127.0.0.1 Port={gpu1} CPUs=16 RealMemory=64000 Gres=gpu:h200:2
PartitionName=cpu Nodes=cpu1,cpu2 LLN=YES Default=YES MaxTime=2-00:00:00 State=UP
PartitionName=urgent Nodes=cpu1,cpu2 PriorityTier=10 PreemptMode=OFF MaxTime=1:00:00 State=UP
PartitionName=gpu Nodes=gpu1 MaxTime=2-00:00:00 State=UP
"""

GPUS = "AutoDetect=off\nNodeName=gpu1 Name=gpu Type=h200 File=/dev/null,/dev/zero\n"


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin"


def missing() -> list[str]:
    """What this machine lacks to run the cluster; empty when it can."""
    lacks = [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]
    return lacks + ([] if os.geteuid() == 0 else ["root"])


NEEDED = pytest.mark.skipif(
    bool(missing()),
    reason=f"no Slurm cluster can be started here, missing: {', '.join(missing())} "
    "(Debian packages slurmctld, slurmd, slurm-client, munge; root)",
)
"""The mark of tests that need the cluster."""


@contextlib.contextmanager
def running(folder: Path, enforce_memory: bool = False) -> Iterator[Mapping[str, str]]:
    """Starts the cluster, yields the environment its clients need, and stops its daemons.

    Without cgroups Slurm enforces memory by looking at the processes of a job once a second; the state of a job that
    it kills is FAILED, not OUT_OF_MEMORY.
    """
    environment = _configure(folder, "linux\nJobAcctGatherParams=OverMemoryKill" if enforce_memory else "none")
    try:
        _start(folder, environment)
        yield environment
    finally:
        for name in DAEMONS:
            _stop(folder / f"{name}.pid")


def _configure(folder: Path, gather: str) -> dict[str, str]:
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    for name in ("state", "bin", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o600)
    port, *node_ports = _free_ports(1 + len(NODES))
    host = socket.gethostname().split(".")[0]
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder, host=host, port=port, gather=gather, **dict(zip(NODES, node_ports, strict=True))
        )
    )
    (folder / "gres.conf").write_text(GPUS)
    # Snakemake's job step removes every SLURM_* variable before its inner srun, SLURM_CONF included.
    for name in CLIENTS:
        client = folder / "bin" / name
        client.write_text(f'#!/bin/sh\nSLURM_CONF={configuration} exec {shutil.which(name, path=_path())} "$@"\n')
        client.chmod(0o755)
    return {**os.environ, "SLURM_CONF": str(configuration), "PATH": f"{folder / 'bin'}:{_path()}"}


def _start(folder: Path, environment: Mapping[str, str]) -> None:
    def call(*command: str) -> None:
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True)

    call(
        "munged",
        "--force",
        f"--key-file={folder}/munge.key",
        f"--seed-file={folder}/munge.seed",
        f"--socket={folder}/munge.socket",
        f"--pid-file={folder}/munged.pid",
        f"--log-file={folder}/munged.log",
    )
    call("slurmctld", "-c", "-f", f"{folder}/slurm.conf")
    for node in NODES:
        call("slurmd", "-N", node, "-f", f"{folder}/slurm.conf")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        states = subprocess.run(
            ["sinfo", "-h", "-N", "-o", "%T"], env=environment, capture_output=True, text=True, check=False
        ).stdout.split()
        if set(states) == {"idle"}:
            return
        time.sleep(0.2)
    logs = "\n".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.log")))
    raise RuntimeError(f"the Slurm cluster did not come up in 30 s:\n{logs}")


def _stop(pid_file: Path) -> None:
    """Ends one daemon; a process that ignores SIGTERM for five seconds is killed."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    for number, tries in ((signal.SIGTERM, 50), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        for _ in range(tries):
            if _gone(pid):
                return
            time.sleep(0.1)


def _gone(pid: int) -> bool:
    """A zombie counts as gone: the first process of some containers never reaps."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for item in sockets:
        item.bind(("127.0.0.1", 0))
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports
