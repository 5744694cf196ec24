"""What `main` says where a command is ended from outside, or its output goes nowhere."""

import os
import signal
import subprocess
import sys

import pytest

CALL = "import sys; from ltbench.__main__ import main; main()"


def given(words, **options):
    """Return a finished command in a process of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    call = [sys.executable, "-c", CALL, *words]
    return subprocess.run(call, check=False, text=True, **pipes)


def interrupting(module):
    """Return a program that is interrupted while it imports a module, and is ltbench else."""
    return (
        "import builtins, os, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "real = builtins.__import__\n"
        "def within(name, *rest):\n"
        f"    if name == {module!r}:\n"
        "        builtins.__import__ = real\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = within\n" + CALL
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("module", ["typer", "ltbench.runs.status"])
def test_ctrl_c_ends_with_a_sentence_however_early_it_comes(tmp_path, module):
    call = [sys.executable, "-c", interrupting(module), "status"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == "ltbench: interrupted; give the same command again.\n"
    assert (done.returncode, done.stdout) == (128 + signal.SIGINT, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
def test_a_full_output_is_no_fault_of_ltbench():
    with open("/dev/full", "w") as full:
        done = given(["list", "methods"], stdout=full)
    assert done.returncode == 1
    assert done.stderr.startswith("ltbench: the output: No space left on device; mend that")
    assert "fault" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_terminal_of_another_encoding_shows_what_it_can(tmp_path):
    words = ["table", "1", "--results", "here"]
    here = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "COLUMNS": "200"}
    (tmp_path / "here").mkdir()
    done = given(words, cwd=tmp_path, env=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Top-1 accuracy" in done.stdout
    assert done.stdout.isascii()


def test_a_folder_that_is_not_there_is_named_and_read_as_empty(ltbench):
    for words in (("table", "1"), ("ledger",), ("export",), ("report",)):
        answer = ltbench(*words, "--results", f"reslts/{words[0]}")
        assert answer.code == 0
        sentence = f"ltbench: there was no folder reslts/{words[0]}: it has no record.\n"
        assert answer.err == sentence
    assert ltbench("table", "1").err == ""  # the usual one comes with the first run
