"""`ltbench` in this process: its real `main`, with what it says and its exit code."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Answer:
    """What a command left on the console."""

    code: int
    out: str
    err: str


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


def _files(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in _tree(folder).items() if (folder / name).is_file()}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty current folder, with no data anywhere and no network."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LTBENCH_DATA", raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # refuses at once
        monkeypatch.delenv(name.upper(), raising=False)
    return folder


@pytest.fixture
def ltbench(home, monkeypatch, capsys) -> Callable[..., Answer]:
    from ltbench.cli import main, run
    from ltbench.registry.methods import loaded

    heard = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGXCPU)
    before = {each: signal.getsignal(each) for each in heard}
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["ltbench", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr()
        return Answer(caught.value.code or 0, said.out, said.err)

    with loaded():  # what one test loads is unknown to the next
        yield call
    for each, handler in before.items():
        signal.signal(each, handler)
    run.debug = False


@pytest.fixture
def refused(ltbench, home) -> Callable[..., str]:
    """Run a command that must fail; return its one sentence, having checked what holds for all."""

    def call(*words: str, code: int = 2) -> str:
        before = _files(home)
        answer = ltbench(*words)
        assert answer.code == code, answer
        assert "Traceback" not in answer.err + answer.out
        assert answer.out == ""
        (line,) = answer.err.splitlines()
        assert line.startswith("ltbench: ")
        assert line.endswith((".", "?"))
        assert _files(home) == before  # nothing half-written
        return line.removeprefix("ltbench: ")

    return call


# A shell starts what it runs in the background with Ctrl-C ignored, these tests too.
STARTED = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from ltbench.cli import main; main()"
)


@pytest.fixture
def start(home) -> Callable[..., subprocess.Popen]:
    """Start `ltbench` as a process of its own, in a process group of its own."""
    started = []

    def call(*words: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", STARTED, *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield call
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes]]:
    return _tree
