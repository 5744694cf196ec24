"""Where files go: nothing of ours or of another folder is replaced, and `~` is the home folder."""

import shutil
import typing
from pathlib import Path

import pytest
import typer

from ltbench import session
from ltbench.cli import app
from ltbench.cli.options import path_of
from ltbench.errors import UsageError
from ltbench.runs.store import Store

TABLES = Path(__file__).resolve().parent.parent / "tables" / "data"


@pytest.fixture
def own(home):
    """Lay down a copy of a small table in a folder, under a name; return its YAML file."""

    def lay_down(folder, name="mine"):
        tables = Path(shutil.copytree(TABLES, home / folder))
        return (tables / "mine.yaml").rename(tables / f"{name}.yaml")

    return lay_down


def written(answer):
    (line,) = (line for line in answer.out.splitlines() if line.startswith("Written: "))
    return [Path(name) for name in line.removeprefix("Written: ").split(", ")]


def test_tables_of_one_name_in_two_folders_do_not_replace_each_other(ltbench, own):
    one, two = (written(ltbench("table", str(own(folder)))) for folder in ("a", "b"))
    assert {path.name for path in one} == {path.name for path in two}
    assert not {*one} & {*two}
    assert all(path.is_file() for path in (*one, *two))
    assert written(ltbench("table", "a/mine.yaml")) == one  # again, the same


def test_a_table_of_ones_own_does_not_replace_one_that_ltbench_comes_with(ltbench, own):
    shipped = written(ltbench("table", "1"))
    before = [path.read_bytes() for path in shipped]
    own_files = written(ltbench("table", str(own("a", "table1"))))
    assert not {*own_files} & {*shipped}
    assert [path.read_bytes() for path in shipped] == before
    assert {path.parent for path in shipped} == {Path("results/tables")}


def test_output_says_where_tables_and_figures_go(ltbench, own, home):
    results = home / "results"
    results.mkdir()
    files = written(ltbench("table", str(own("a")), "--output", "made"))
    assert {path.parent for path in files} == {Path("made")}
    drawn = written(ltbench("figure", "5", "--output", home / "drawn"))
    assert {path.parent for path in drawn} == {home / "drawn"}
    assert list(results.rglob("*")) == []


def test_a_tilde_is_the_home_folder_wherever_a_path_is_given(ltbench, home, monkeypatch):
    monkeypatch.setenv("HOME", str(home / "user"))
    mine = Path(shutil.copytree(TABLES, home / "user" / "tables")) / "mine.yaml"
    assert mine.is_file()
    files = written(ltbench("table", "~/tables/mine.yaml", "--results=~/kept"))
    assert all(path.is_relative_to(home / "user" / "kept") for path in files)
    call = ("run", "--methods", "ce", "--dataset", "digits_lt", "--protocol", "smoke")
    assert ltbench(*call, "--seed", "0", "--results=~/kept", "--quiet").code == 0
    assert list((home / "user" / "kept" / "runs").rglob("seed0.json"))
    assert ltbench("report", "--results=~/kept", "--output=~/page.html").code == 0
    assert (home / "user" / "page.html").is_file()
    assert ltbench("export", "--results=~/kept", "--output=~/all.csv").code == 0
    assert (home / "user" / "all.csv").is_file()
    assert not (home / "~").exists()


def commands(group, context, before=()):
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from commands(command, context, (*before, name))
        else:
            yield " ".join((*before, name)), command


GROUP = typer.main.get_command(app)
COMMANDS = list(commands(GROUP, GROUP.make_context("ltbench", [], resilient_parsing=True)))
TEXTS = ["table", "figure", "plan table", "check"]  # take a name or a path


PATHS = {"results", "data_root", "load", "output", "confusion", "folder", "source"}


def paths_of(command):
    """Return the typer options and arguments of a command that are paths, by name."""
    hints = typing.get_type_hints(command.callback, include_extras=True)
    return {
        name: hint.__metadata__[0]
        for name, hint in hints.items()
        if name in PATHS or "Path" in str(getattr(hint, "__origin__", ""))
    }


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_option_that_is_a_path_takes_a_tilde(name, command):
    for option, info in paths_of(command).items():
        assert info.parser is path_of, option


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/somebody")
    assert path_of("~/x") == Path("/somebody/x")


def test_every_option_was_looked_at():
    assert sum(len(paths_of(command)) for _, command in COMMANDS) > 30
    assert {"run", "table", "plan table", "data check", "merge", "new method"} <= dict(
        COMMANDS
    ).keys()


@pytest.mark.parametrize("name", TEXTS)
def test_a_tilde_is_taken_where_a_name_or_a_path_may_stand(refused, home, monkeypatch, name):
    monkeypatch.setenv("HOME", str(home / "user"))
    suffix = "py" if name == "check" else "yaml"
    sentence = refused(*name.split(), f"~/none.{suffix}")
    assert f"{home}/user/none.{suffix}" in sentence


def test_python_users_write_a_tilde_too(home, monkeypatch):
    monkeypatch.setenv("HOME", str(home / "user"))
    assert Store("~/kept").root == home / "user" / "kept"
    with pytest.raises(UsageError, match=f"{home}/user/mine.py"):
        session.run("mine", "digits_lt", load="~/mine.py", results="~/kept")
