"""`ltbench check`: does a method hold to the protocol?"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from ltbench.cli import complete, run
from ltbench.cli.options import path_of


def check(
    target: Annotated[
        str,
        typer.Argument(
            help="A Python file, or a specification such as ce+sam.",
            autocompletion=complete.checked,
        ),
    ],
) -> None:
    """Run the conformance checks on a method of your own, or on any specification."""
    from ltbench.registry.methods import baseline, build, find, load_file, role
    from ltbench.testing.conformance import RULES, UNJUDGED
    from ltbench.testing.conformance import check as broken_rules

    with _exit_raises():
        if target.endswith(".py"):
            specification = load_file(path_of(target))
            if role(find(specification)) == "post-hoc":
                specification = f"{baseline()}+{specification}"  # it needs something trained
        else:
            specification = target
            build(specification)
        problems = broken_rules(specification, debug=run.debug)
    first: dict[str, str] = {}  # rule that was broken with these words
    for rule in RULES:
        broken = [p for p in problems if p.startswith(f"{rule.name}: ")]
        words = broken[0].removeprefix(f"{rule.name}: ") if broken else ""
        if words and words in first and not words.startswith(UNJUDGED):
            words = f"the same as {first[words]}"
        first.setdefault(words, rule.name)
        print(f"FAIL  {rule.name}: {words}" if words else f"  ok  {rule.name}")
    if problems:
        print(f"{specification} breaks {len(problems)} of {len(RULES)} rules.", file=sys.stderr)
        sys.exit(1)
    print(f"{specification} holds to the method protocol.")


@contextmanager
def _exit_raises() -> Iterator[None]:
    """Let os._exit raise SystemExit in this process: a check that it ends would seem passed."""
    from unittest.mock import patch

    leave, here = os._exit, os.getpid()

    def exit_(status: int) -> None:
        if os.getpid() != here:  # a forked process ends so, and rightly
            leave(status)
        raise SystemExit(f"os._exit({status})")

    with patch.object(os, "_exit", exit_):
        yield
