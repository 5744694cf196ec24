"""A real Slurm on this machine: one node, two cores, two made-up GPUs; as root, without systemd."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={controller}
SlurmdPort={daemon}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
GresTypes=gpu
KillWait=10
SchedulerParameters=batch_sched_delay=0,sched_interval=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 Sockets=1 CoresPerSocket=2 ThreadsPerCore=1 Gres=gpu:2
PartitionName=main Nodes={host} Default=YES MaxTime=60 State=UP
"""
GRES = "AutoDetect=off\nName=gpu File=/dev/null\nName=gpu File=/dev/zero\n"


@contextmanager
def cluster(folder: Path, *mounting: str) -> Iterator[None]:
    """Run a cluster as long as the block; programs of Slurm find it by SLURM_CONF.

    With the words of a `mount` command the node sees other folders than this machine does.
    """
    if lacking := [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]:
        raise RuntimeError(f"no {lacking[0]}; on Debian: apt-get install slurm-wlm munge")
    folder.mkdir(mode=0o700)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    ports = {"controller": _free_port(), "daemon": _free_port()}
    (folder / "slurm.conf").write_text(CONF.format(host=host, folder=folder, **ports))
    (folder / "gres.conf").write_text(GRES)
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    try:
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log",
                 "seed-file": "seed"}  # fmt: skip
        _start("munged", "--force", *(f"--{k}={folder}/munge.{v}" for k, v in files.items()))
        _start("slurmctld", "-f", str(folder / "slurm.conf"))
        elsewhere = ("unshare", "--mount", "sh", "-c", f'{" ".join(mounting)} && exec "$@"', "sh")
        _start(
            *(elsewhere if mounting else ()), "slurmd", "-f", str(folder / "slurm.conf"), "-N", host
        )
        _wait_for_idle()
        yield
    finally:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["scancel", "--user=root"], check=False, timeout=30)
        for name in ("slurmd", "slurmctld", "munge"):
            _stop(folder / f"{name}.pid")
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before


def _start(*words: str) -> None:
    subprocess.run(words, check=True, timeout=60, env={**os.environ, "PATH": _path()})


def _path() -> str:
    return os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])


def _wait_for_idle() -> None:
    for _ in range(600):
        said = subprocess.run(
            ["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, check=False
        )
        if said.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    raise RuntimeError(f"the cluster is not idle: {said.stdout or said.stderr}")


def _stop(pid_file: Path) -> None:
    with suppress(OSError, ValueError):
        number = int(pid_file.read_text())
        os.kill(number, signal.SIGTERM)
        for _ in range(100):
            os.kill(number, 0)
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
