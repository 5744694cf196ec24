"""What asks a run to end: it saves its last whole epoch first, however impatient the asking."""

import signal
from types import FrameType

# Ctrl-C, a closed terminal, and a cluster's notices that a job's time is over.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGXCPU")
_INSISTENT = 10  # times that it takes to interrupt the saving, too


def interrupt_on_signals(*but: signal.Signals) -> None:
    """Let each of the signals that this system has raise KeyboardInterrupt, once.

    Those named, and those that whoever started this process had ignored, as `nohup` does, are
    ignored. What comes after the first is not heard until it has come ten times.
    """
    heard = 0

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        heard += 1
        if heard == 1 or heard >= _INSISTENT:
            raise KeyboardInterrupt

    for each in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
        if each in but:
            signal.signal(each, signal.SIG_IGN)
        elif signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, interrupt)
