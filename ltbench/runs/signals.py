"""What asks a run to end: it saves its last whole epoch first, however impatient the asking."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ltbench.errors import LtbenchError

# Ctrl-C, a closed terminal, and a cluster's notices that a job's time is over.
_NOTICES = ("SIGUSR1", "SIGUSR2", "SIGXCPU")
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", *_NOTICES)
_INSISTENT = 10  # times that it takes to interrupt the saving, too
_asked: type[KeyboardInterrupt] | None = None  # what a signal has raised


class OutOfTimeError(KeyboardInterrupt):
    """The time is over that a time limit, or a cluster, gives."""


def interrupt_on_signals(*but: signal.Signals) -> None:
    """Let each of the signals that this system has raise KeyboardInterrupt, once.

    A cluster's notice that a job's time is over raises OutOfTimeError, which is one.
    Those named, and those that whoever started this process had ignored, as `nohup` does, are
    ignored. Signals after the first are ignored until ten have come; where code in between caught
    the first, `raise_again` raises it at the next step of a training.
    """
    global _asked
    received, _asked = 0, None

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal received
        global _asked  # noqa: PLW0603
        received += 1
        if received == 1 or received >= _INSISTENT:
            notice = signal.Signals(number).name in _NOTICES
            _asked = OutOfTimeError if notice else KeyboardInterrupt
            raise _asked

    for each in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
        if each in but:
            signal.signal(each, signal.SIG_IGN)
        elif signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, interrupt)


def raise_again() -> None:
    """Raise what a signal raised, where code in between, such as a library's import, caught it."""
    if _asked is not None:
        raise _asked


@contextmanager
def alarm(seconds: float | None) -> Iterator[None]:
    """Raise OutOfTimeError in this block after some seconds; None means never.

    Raises LtbenchError where that cannot be: on Windows, and in another thread than the first.
    """
    if seconds is None:
        yield
        return
    if not hasattr(signal, "setitimer") or threading.current_thread() != threading.main_thread():
        raise LtbenchError(
            "--time-limit needs a system with alarms and the main thread; "
            "end the command by other means, and give it again."
        )

    def ring(number: int, frame: FrameType | None) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
