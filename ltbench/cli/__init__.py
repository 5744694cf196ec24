"""The command line: Typer commands, thin over the Python API. Heavy imports wait for their use."""

import codecs
import errno
import io
import itertools
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Annotated

import typer

from ltbench import __version__
from ltbench.cli import (
    analyse,
    check,
    cite,
    clean,
    data,
    doctor,
    evaluate,
    export,
    figure,
    inspect,
    ledger,
    merge,
    new,
    pack,
    plan,
    report,
    run,
    run_options,
    show,
    status,
    table,
    weights,
)
from ltbench.errors import InterruptedCommandError, LtbenchError, UsageError, first_line, printable
from ltbench.runs.signals import interrupt_on_signals

app = typer.Typer(
    name="ltbench",
    help="Long-tailed recognition under one protocol: papers' tables, reported beside reproduced.",
    epilog="Add --debug to any command to see the traceback of an error.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
app.command("run")(run.run)
app.command("pack")(pack.pack)
app.command("table")(table.table)
app.command("figure")(figure.figure)
app.command("ledger")(ledger.ledger)
app.command("report")(report.report)
app.add_typer(plan.app, name="plan")
app.command("evaluate")(evaluate.evaluate)
app.command("analyse")(analyse.analyse)
app.add_typer(weights.app, name="weights")
app.command("export")(export.export)
app.command("merge")(merge.merge)
app.command("list")(inspect.list_)
app.command("show")(show.show)
app.command("cite")(cite.cite)
app.command("status")(status.status)
app.command("clean")(clean.clean)
app.add_typer(data.app, name="data")
app.command("doctor")(doctor.doctor)
app.add_typer(new.app, name="new")
app.command("check")(check.check)

# Errors of a disk, a folder or an output; what else an OSError may be is nobody's to mend.
_OF_THE_MACHINE = {
    errno.EACCES, errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPERM,
    errno.EROFS,
}  # fmt: skip


@app.command("version")
def version_() -> None:
    """Print the version, as --version does."""
    typer.echo(f"ltbench {__version__}")


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"ltbench {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; errors become one sentence and an exit code."""
    debug = "--debug" in sys.argv
    run.debug = debug
    arguments = _with_force([word for word in sys.argv[1:] if word != "--debug"])
    interrupt_on_signals()
    try:
        _check_commas(arguments)
        command = partial(app, arguments, standalone_mode=True)
        if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "TORCHELASTIC_RUN_ID" in os.environ:
            _together(partial(_say_all, command))
        else:
            _say_all(command)
    except LtbenchError as error:
        _complain(str(error), debug)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        _end_output()  # the reader, such as `head`, has gone
        sys.exit(1)
    except ImportError as error:  # a method's own is reported where it is loaded
        _complain(
            f"{first_line(error)}; a package that ltbench needs does not load, and `ltbench "
            "doctor` says which.",
            debug,
        )
        sys.exit(1)
    except Exception as error:
        _complain(_unforeseen(error), debug)
        _end_output()
        sys.exit(1)


def _unforeseen(error: Exception) -> str:
    """Return in a sentence what ended a command, and whose it is to mend."""
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        where = error.filename or "the output"
        return f"{where}: {error.strerror}; mend that and give the same command again."
    return (
        f"{type(error).__name__}: {error}; this is a fault of ltbench or of a method, "
        "--debug shows where."
    )


def _say_all(command: Callable[[], object]) -> None:
    """Run a command; raises InterruptedCommandError where Typer ended it without a word.

    What it printed is written out by then: OSError comes of an output that takes no more.
    """
    output = sys.stdout  # None where it is closed
    if isinstance(output, io.TextIOWrapper) and codecs.lookup(output.encoding).name != "utf-8":
        output.reconfigure(errors="replace")  # a ± that such a terminal lacks is a ?
    try:
        command()
    except SystemExit as ended:
        if output is not None:
            output.flush()
        if ended.code == InterruptedCommandError.exit_code:
            raise InterruptedCommandError from None
        raise


def _end_output() -> None:
    """Write what is left, or forget it where standard output takes none: Python would complain."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _together(command: Callable[[], object]) -> None:
    """Run a command as one of torchrun's processes."""
    from ltbench.runs.together import lead_or_follow  # imports torch
    from ltbench.runs.training import train_along

    code: object = 0
    try:
        lead_or_follow(command, train_along)
    except LtbenchError as error:
        _complain(str(error), run.debug)
        code = error.exit_code
    except SystemExit as ended:
        code = ended.code or 0
    _end_output()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)  # torch's threads abort where a peer is gone


def _check_commas(words: list[str]) -> None:
    """Raise UsageError for a list with a space in it, which a shell makes two words of."""
    for word, following in itertools.pairwise(words):
        if word.endswith(",") and not following.startswith("-"):
            raise UsageError(f"{word} {following}: write {word}{following}, without a space.")


def _with_force(words: list[str]) -> list[str]:
    """Let `--force` stand alone, for all, or before names."""
    after = [*words[1:], "-"]
    return [
        f"--force={run_options.ALL}" if word == "--force" and following.startswith("-") else word
        for word, following in zip(words, after, strict=False)
    ]


def _complain(sentence: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(f"ltbench: {printable(sentence)}", file=sys.stderr)
