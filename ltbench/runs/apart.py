"""Foreign methods in processes of their own: what their code changes there ends with the process.

The asking process never runs their code. It scores their logits, and it writes their records.
"""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltbench.api.task import Task
from ltbench.data.readers import Split
from ltbench.data.stream import evaluated_feeds
from ltbench.engine.precision import threads_for
from ltbench.engine.train import DivergedError
from ltbench.errors import LtbenchError, UsageError, place_of
from ltbench.evaluation.metrics import Scorer
from ltbench.registry.signatures import is_foreign, load_file
from ltbench.runs.execute import ends_the_program
from ltbench.runs.plan import Job
from ltbench.runs.record import Record
from ltbench.runs.recording import Evaluated
from ltbench.runs.signals import interrupt_on_signals
from ltbench.runs.store import Cell
from ltbench.runs.training import Callbacks, evaluated, split_of, throttled, train_first_stage
from ltbench.runs.workspace import Workspace

Ask = Callable[..., Any]
"""Calls one of the asking process's functions, by name, with arguments; returns what it returns."""
SECONDS_TO_END = 10  # of a process that has given its answer


class LostError(LtbenchError):
    """A process that ran a foreign method has died."""


def evaluated_apart(
    job: Job,
    cells: Sequence[Cell],
    workspace: Workspace,
    callbacks: Callbacks,
    files: Sequence[Path],
) -> list[Evaluated]:
    """Train a job of a foreign method in a process of its own; score its logits in this one.

    Returns the results of cells, as `evaluated` yields them. `files` are those that `--load` names.
    """
    score = _scorer_of(job, split_of(job, workspace))
    answers: dict[str, Callable[..., Any]] = {
        "observe": callbacks.observe,
        "wait": callbacks.wait,
        "begun": callbacks.begun,
        "first_stage": partial(_first_stage, job, workspace, callbacks),
        "score": lambda logits, *where: score(torch.from_numpy(logits), *where),
    }
    found = call_apart(_evaluated_here, (job, tuple(cells), workspace), files, job.trained, answers)
    return [_scored(each, score) for each in found]


def call_apart(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    files: Sequence[Path],
    method: str,
    answers: Mapping[str, Callable[..., Any]],
) -> Any:
    """Return what `function(ask, *arguments)` returns in a new process, which finds `files`.

    `ask` calls one of `answers` in this process, by name. Raises what the function raised, with
    its name and words; LostError where the process died, or `method` would have ended it. On
    KeyboardInterrupt the process is asked to save, and waited for.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    given = {"threads": torch.get_num_threads(), "files": tuple(files), "method": method}
    # No daemon, which might not start the processes that decode a streamed set's images.
    process = context.Process(target=_serve, args=(theirs, function, arguments), kwargs=given)
    start_alone(process)
    theirs.close()
    try:
        kind, content = _conversation(ours, process, answers)
    except BaseException:
        process.terminate()
        raise
    else:
        process.join(SECONDS_TO_END)
        process.kill()
    finally:
        ours.close()
        process.join()
    if kind == "returned":
        return content
    raise _error_of(kind, content)


def start_alone(process: BaseProcess) -> None:
    """Start a process that does not run this program's script again, as a spawned one would."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        process.start()
    finally:
        sys.modules["__main__"] = main


def death(code: int | None, remedy: str = "") -> str:
    """Return in words how a process ended, with a remedy where it may have lacked memory."""
    if code == -9:  # SIGKILL, which is how Linux frees memory; Windows has no such name
        return f"its process was killed by signal 9, perhaps for memory{remedy}."
    if code is not None and code < 0:
        return f"its process was killed by signal {-code}."
    return f"its process ended with exit code {code}."


def _conversation(
    ours: Connection, process: BaseProcess, answers: Mapping[str, Callable[..., Any]]
) -> tuple[str, Any]:
    """Answer what a process asks; return the kind and the content of its last message."""
    while True:
        try:
            kind, content = ours.recv()
        except (EOFError, OSError):
            process.join()
            raise LostError(death(process.exitcode)) from None
        if kind not in answers:
            return kind, content
        ours.send(answers[kind](*content))


def _error_of(kind: str, content: tuple[Any, ...]) -> BaseException:
    if kind == "interrupted":
        return KeyboardInterrupt()
    if kind == "diverged":
        return DivergedError(*content)
    if kind == "refused":
        is_usage, words = content
        return UsageError(words) if is_usage else LtbenchError(words)
    name, words, place = content
    # Its class is code of the method's.
    error: Exception = type(name, (Exception,), {"place": place})(words)
    return error


def _serve(
    connection: Any,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    *,
    threads: int,
    files: tuple[Path, ...],
    method: str,
) -> None:
    """Call a function for the asking process, and send it the result."""
    interrupt_on_signals(signal.SIGINT)  # a Ctrl-C reaches whoever asks, who decides
    torch.set_num_threads(threads)

    def ask(kind: str, *content: Any) -> Any:
        try:
            connection.send((kind, content))
            return connection.recv()
        except (EOFError, OSError):  # whoever asked has gone
            raise KeyboardInterrupt from None

    try:
        for file in files:
            load_file(file)
        result: tuple[str, Any] = ("returned", function(ask, *arguments))
    except KeyboardInterrupt:
        result = ("interrupted", ())
    except DivergedError as error:
        result = ("diverged", (error.epoch, error.step))
    except LtbenchError as error:
        result = ("refused", (isinstance(error, UsageError), str(error)))
    except Exception as error:
        result = ("broke", (type(error).__name__, str(error), place_of(error)))
    except BaseException as error:
        result = ("refused", (False, str(ends_the_program(method, error))))
    with suppress(OSError):
        connection.send(result)


def _evaluated_here(
    ask: Ask, job: Job, cells: tuple[Cell, ...], workspace: Workspace
) -> list[tuple[Any, ...]]:
    """Evaluate cells in this process; return plain texts, bytes and arrays, no object of theirs."""
    callbacks = Callbacks(
        observe=throttled(partial(ask, "observe")),
        wait=partial(ask, "wait"),
        begun=partial(ask, "begun"),
        first_stage=partial(ask, "first_stage"),
        score=lambda logits, *where: ask("score", _array(logits), *where),
    )
    with threads_for(job.dataset.info.shape):
        return [
            (
                each.record.model_dump_json(),
                _array(each.logits),
                None if each.held_out is None else _array(each.held_out),
                each.curves,
                each.weights,
            )
            for each in evaluated(job, cells, workspace, callbacks)
        ]


def _array(logits: Tensor) -> Any:
    return np.ascontiguousarray(logits.float().cpu().numpy())


def _scored(content: tuple[Any, ...], score: Scorer) -> Evaluated:
    """Return what a process sent of a cell, its logits scored by this one."""
    text, logits, held_out, curves, weights = content
    record, predicted = Record.model_validate_json(text), torch.from_numpy(logits)
    last = score(predicted, "test", record.last.epoch)
    kept = None if held_out is None else torch.from_numpy(held_out)
    return Evaluated(record.model_copy(update={"last": last}), predicted, kept, curves, weights)


def _scorer_of(job: Job, split: Split) -> Scorer:
    info, device = job.protocol.sized(job.dataset.info), torch.device("cpu")
    feeds = evaluated_feeds(info, split, device)
    return Scorer(Task.of(info, split, device), {name: f.labels for name, f in feeds.items()})


def _first_stage(job: Job, workspace: Workspace, callbacks: Callbacks, epochs: int) -> None:
    """Train a foreign job's first stage here, where that is no foreign method's."""
    if job.first_stage is not None and not is_foreign(job.first_stage.trained):
        train_first_stage(job, epochs, workspace, replace(callbacks, first_stage=None))
