"""What `main` says where a command is ended from outside, or its output goes nowhere."""

import os
import signal
import subprocess
import sys

import pytest

BUFFERED = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
CALL = "import sys; from ltbench.__main__ import main; main()"


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


@pytest.mark.parametrize("module", ["typer", "ltbench.runs.status"])
def test_ctrl_c_ends_with_a_sentence_while_the_command_line_loads_too(tmp_path, module):
    call = [sys.executable, "-c", interrupting(module), "status"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == "ltbench: interrupted; give the same command again.\n"
    assert (done.returncode, done.stdout) == (128 + signal.SIGINT, "")


def test_a_full_output_is_no_fault_of_ltbench(tmp_path):
    """A file that may not grow stands for a full disk, which not every system can pretend."""
    program = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); {CALL}"
    with (tmp_path / "methods.txt").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program, "list", "methods"], stdout=full,
            stderr=subprocess.PIPE, env=BUFFERED, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("ltbench: the output: File too large; mend that")
    assert len(done.stderr.splitlines()) == 1


def test_a_closed_output_is_nothing_to_complain_of():
    call = ["sh", "-c", 'exec "$0" -c "$1" list methods >&-', sys.executable, CALL]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_was_said_before_a_disk_was_full_is_still_said():
    program = (
        "import errno\nimport ltbench.cli as cli\n"
        "def full(*words, **options):\n    print('said before')\n"
        "    raise OSError(errno.ENOSPC, 'No space left on device', 'a/file')\n"
        "cli.app = full\ncli.main()\n"
    )
    call = [sys.executable, "-c", program]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=BUFFERED)
    assert (done.returncode, done.stdout) == (1, "said before\n")
    assert done.stderr.startswith("ltbench: a/file: No space left on device; mend that")


@pytest.mark.slow
def test_a_check_that_a_method_would_end_fails(ltbench, home):
    (home / "ends.py").write_text(
        '"""Nobody."""\nimport os\nfrom dataclasses import dataclass\nfrom ltbench import Method\n'
        "@dataclass\nclass Ends(Method):\n"
        '    """It ends."""\n    def losses(self, *given):\n        os._exit(0)\n'
    )
    answer = ltbench("check", "ends.py")
    assert answer.code == 1
    assert "FAIL  losses: SystemExit: os._exit(0) (ends.py, line 9)" in answer.out


def test_a_terminal_of_another_encoding_shows_what_it_can(tmp_path):
    words = ["table", "1", "--results", "here"]
    here = {**BUFFERED, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "COLUMNS": "200"}
    (tmp_path / "here").mkdir()
    call = [sys.executable, "-c", CALL, *words]
    done = subprocess.run(call, cwd=tmp_path, env=here, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Top-1 accuracy" in done.stdout
    assert done.stdout.isascii()


def test_a_folder_that_is_not_there_is_named_and_read_as_empty(ltbench):
    for words in (("table", "1"), ("ledger",), ("export",), ("report",)):
        answer = ltbench(*words, "--results", f"reslts/{words[0]}")
        assert answer.code == 0
        sentence = (
            f"ltbench: there is no folder reslts/{words[0]}, so no record is read; "
            "is --results misspelt?\n"
        )
        assert answer.err == sentence
    assert ltbench("table", "1").err == ""  # the usual one comes with the first run
