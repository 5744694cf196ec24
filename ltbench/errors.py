"""Errors a user can mend: one sentence with the thing and the remedy, never a traceback."""

import difflib
import traceback
from collections.abc import Iterable
from pathlib import Path


class LtbenchError(Exception):
    """Something failed while running; the command line exits with 1."""

    exit_code = 1


class MissingDataError(LtbenchError):
    """A data set's files are not here."""


class UsageError(LtbenchError):
    """Something asked for does not exist or does not fit; the command line exits with 2."""

    exit_code = 2


class InterruptedCommandError(LtbenchError):
    """A command was interrupted, as by Ctrl-C, and has nothing to go on with."""

    exit_code = 130  # the shell's code for it

    def __init__(self, sentence: str = "interrupted; give the same command again.") -> None:
        super().__init__(sentence)


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, without its stop or colon; its type if none."""
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".: ") if text else type(error).__name__


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: `1 class`, `2 classes`, `0 cells`."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def printable(text: str) -> str:
    """Return a text as a terminal may show it: what does not print is written out."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


def located(error: BaseException) -> str:
    """Return an unforeseen error in one line: its type, what it says, and file and line."""
    where, kind = place_of(error), type(error).__name__
    text = f"{kind}: {first_line(error)}" if str(error).strip() else kind
    return f"{text} ({where})" if where else text


def place_of(error: BaseException) -> str:
    """Return file and line of an error: the innermost line of a method's file, else of any.

    An error of another process has its own as `place`.
    """
    if place := getattr(error, "place", ""):
        return str(place)
    frames = traceback.extract_tb(error.__traceback__)
    harness = Path(__file__).parent
    own = [f for f in frames if not Path(f.filename).is_relative_to(harness)]
    own = [f for f in own if "site-packages" not in f.filename] or list(frames)
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""


def unknown(kind: str, name: str, known: Iterable[str], hint: str = "") -> UsageError:
    """Return the error for a name that does not exist, with near matches or the whole list."""
    names = sorted(known)
    plain = name.lower().replace("-", "_")  # as somebody may write what papers print
    near = difflib.get_close_matches(plain, names, n=3, cutoff=0.6)
    near = [plain] if plain in names else near
    near += [other for other in names if other.startswith(f"{plain}_") and other not in near]
    remedy = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}."
    return UsageError(f"unknown {kind} '{name}'; {remedy}{' ' + hint if hint else ''}")
