"""One command in several processes, as torchrun starts them: the first leads, the others follow.

The first runs the command whole. Whenever it trains, it sends the others job and state, and all
train it; it alone evaluates the end, writes and prints.
"""

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed
from torch.distributed.rendezvous import rendezvous

from ltbench.api.ranks import ProcessLostError, together
from ltbench.engine.fit import Training
from ltbench.engine.precision import device_of
from ltbench.errors import LtbenchError, UsageError

PATIENCE = timedelta(days=7)  # of the others while the first plans, reads data or evaluates
GRACE = timedelta(seconds=20)  # in which all have met an error that one has met


@dataclass
class _Team:
    """This process among the others."""

    store: Any  # of torch.distributed
    rank: int
    size: int
    trained: int = 0  # trainings begun
    in_step: bool = True  # whether the others still take part

    def broadcast(self, message: Any = None) -> Any:
        """Send a message from the first process to all; return it in each."""
        messages = [message]
        distributed.broadcast_object_list(messages, 0, device=torch.device("cpu"))
        self.trained += 1
        return messages[0]

    def all_failed(self, error: BaseException) -> bool:
        """Return whether every process has met an error in the training, so that all go on."""
        if isinstance(error, ProcessLostError) or not isinstance(error, Exception):
            return False
        names = [f"failed/{self.trained}/{rank}" for rank in range(self.size)]
        self.store.set(names[self.rank], "")
        try:
            self.store.wait(names, GRACE)
        except RuntimeError:
            return False
        return True


_team: _Team | None = None


def processes() -> int:
    """Return how many processes are at each training of this command."""
    return _team.size if _team else 1


def lead_or_follow(command: Callable[[], object], train: Callable[..., None]) -> None:
    """Run a command in the first of torchrun's processes; in the others `train` what it sends."""
    global _team  # noqa: PLW0603  (a process is in one team)
    local = int(os.environ["LOCAL_RANK"])
    if local < torch.cuda.device_count():
        torch.cuda.set_device(local)
    store, rank, size = next(iter(rendezvous("env://")))
    backends = {"cpu": "gloo", "cuda": "nccl"} if torch.cuda.is_available() else {"cpu": "gloo"}
    distributed.init_process_group(
        ",".join(":".join(each) for each in backends.items()),
        store=store, rank=rank, world_size=size, timeout=PATIENCE,
    )  # fmt: skip
    _team = _Team(store, rank, size)
    try:
        if rank:
            _follow(_team, train)
        else:
            command()
    finally:
        if rank == 0 and _team.in_step:
            with suppress(RuntimeError):  # a process is gone already
                _team.broadcast(None)
        distributed.destroy_process_group()


def _follow(team: _Team, train: Callable[..., None]) -> None:
    warnings.simplefilter("ignore")  # the first process says them
    with suppress(RuntimeError):  # the first process is gone
        while (order := team.broadcast()) is not None:
            try:
                with together():
                    train(*order)
            except KeyboardInterrupt:
                sys.exit(130)
            except Exception as error:
                if isinstance(error, ProcessLostError):
                    sys.exit(1)
                if not team.all_failed(error):
                    raise LtbenchError(f"process {team.rank}: {error}") from error


@contextmanager
def joined(training: Training, *order: Any) -> Iterator[None]:
    """Let all processes train in a block; the others get `order` and its state."""
    if _team is None:
        yield
        return
    if not _team.in_step:
        raise LtbenchError(
            "a process of torchrun's met an error of its own before; give the same command again."
        )
    content = io.BytesIO()
    torch.save(training.snapshot(), content)
    _team.broadcast((*order, content.getvalue()))
    try:
        with together():
            yield
    except BaseException as error:
        _team.in_step = _team.all_failed(error)
        raise


def check_joint(executor: str, places: Sequence[str], foreign: bool) -> None:
    """Raise UsageError for what several processes at one training cannot do."""
    if processes() == 1:
        return
    if executor != "local" or len(places) > 1 or places[0] not in ("auto", "cpu", "cuda"):
        raise UsageError(
            "torchrun's processes are all at one training, each on the GPU of its number: leave "
            "out --executor, --jobs, --gpus and numbers of devices, or run without torchrun."
        )
    if foreign:
        raise UsageError(
            "a method that is not ltbench's own trains in a process of its own, and not in "
            "torchrun's; run it without torchrun."
        )
    here, found = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    if device_of(places[0]).type == "cuda" and here > found:
        raise UsageError(
            f"torchrun started {here} processes and there are GPUs for {found}; give it "
            f"--nproc-per-node {found}, or the command --device cpu."
        )
