"""A run that is asked to end saves first, whatever asks and however often."""

import os
import signal
import subprocess
import sys
import time

import pytest

WAITS = """
import signal, sys, time
# What a background job ignores, pytest's children inherit; a terminal's begin so.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if sys.argv[1] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
from ltbench.runs.signals import interrupt_on_signals
interrupt_on_signals()
try:
    print("ready", flush=True)
    time.sleep(20)
    print("slept")
except KeyboardInterrupt as interrupt:
    time.sleep(0.5)
    print("saved" if type(interrupt) is KeyboardInterrupt else "saved in time")
"""


def started(*words):
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS, *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(
    ("name", "says"),
    [
        *((name, "saved in time") for name in ("SIGUSR1", "SIGUSR2", "SIGXCPU")),
        *((name, "saved") for name in ("SIGINT", "SIGTERM", "SIGHUP")),
    ],
)
def test_each_signal_lets_a_run_save_and_a_clusters_notice_is_told_from_a_stop(name, says):
    process = started("plain")
    process.send_signal(getattr(signal, name))
    said, _ = process.communicate(timeout=60)
    assert (said, process.returncode) == (f"{says}\n", 0)


def test_five_impatient_interruptions_still_save():
    process = started("plain")
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    said, _ = process.communicate(timeout=60)
    assert (said, process.returncode) == ("saved\n", 0)


def test_ten_end_the_saving_too():
    process = started("plain")
    process.send_signal(signal.SIGINT)
    for _ in range(40):
        time.sleep(0.01)
        os.kill(process.pid, signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert said == ""
    assert process.returncode != 0


def test_what_nohup_ignores_stays_ignored():
    process = started("nohup")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    process.terminate()
    said, _ = process.communicate(timeout=60)
    assert said == "saved\n"


SWALLOWED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from ltbench.runs.signals import interrupt_on_signals, raise_again
interrupt_on_signals()
raise_again()
try:
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
except KeyboardInterrupt:  # as an import may that tries one library and then another
    print("swallowed")
try:
    raise_again()
except KeyboardInterrupt as interrupt:
    print(type(interrupt).__name__)
interrupt_on_signals()
raise_again()
"""


@pytest.mark.parametrize(
    ("name", "raised"), [("SIGINT", "KeyboardInterrupt"), ("SIGUSR1", "OutOfTimeError")]
)
def test_what_was_swallowed_on_the_way_is_raised_again(name, raised):
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED, name], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["swallowed", raised]
