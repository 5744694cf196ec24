"""The documentation holds: pages are reachable, links resolve, and what it shows runs."""

import importlib
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from textwrap import dedent

import pytest
import typer
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
TEXTS = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))]
FENCE = re.compile(r"^```([\w{}-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return path.name


def blocks(path: Path, language: str) -> list[str]:
    """Return a page's fenced blocks in a language."""
    return [body for found, body in FENCE.findall(path.read_text()) if found == language]


def test_every_page_is_in_the_table_of_contents_once():
    trees = blocks(ROOT / "docs" / "index.md", "{toctree}")
    named = [line for tree in trees for line in tree.splitlines() if line and line[0] != ":"]
    assert sorted(named) == sorted(path.stem for path in PAGES if path.stem != "index")


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as the site and the repository's host make them."""
    headings = re.findall(r"^#{1,6} (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_the_readme_shows_a_comparison_on_its_first_screen():
    lines = (ROOT / "README.md").read_text().splitlines()
    first = next(number for number, line in enumerate(lines, 1) if line.startswith("| "))
    assert lines[first - 1].startswith("| method | n |")
    assert first <= 24


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_links_between_pages_resolve(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text())):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        found = page if not file else page.parent / file
        assert found.exists(), target
        assert not anchor or anchor in anchors(found.read_text()), target


def test_the_reference_has_every_public_name():
    import ltbench

    text = (ROOT / "docs" / "api.md").read_text()
    shown = re.findall(r"^\.\. \w+:: (\w+)$", text, re.MULTILINE)
    assert sorted(shown) == sorted(set(ltbench.__all__) - {"__version__"} | {"ltbench"})


def commands(path: Path) -> Iterator[str]:
    """Yield the ltbench commands that a page shows; `…` stands for something left out."""
    text = FENCE.sub("", path.read_text())
    yield from re.findall(r"^    (ltbench .*)$", text, re.MULTILINE)
    inline = re.findall(r"`(ltbench [^`]+)`", " ".join(text.split()))
    yield from (each for each in inline if "…" not in each)


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_commands_parse(page):
    from ltbench.cli import app

    group = typer.main.get_command(app)
    for line in commands(page):
        words, command = shlex.split(line.split(" > ")[0])[1:], group
        context = group.make_context("ltbench", [], resilient_parsing=True)
        while hasattr(command, "get_command") and words and not words[0].startswith("-"):
            command = command.get_command(context, words.pop(0))
            assert command is not None, line
        if words not in ([], ["--help"]):  # else it is named, not called
            try:
                command.make_context("ltbench", words, parent=context)
            except Exception as error:  # typer's own click, or the one that it depends on
                pytest.fail(f"{line}: {error}")


METHODS = [
    (page, index)
    for page in TEXTS
    for index, code in enumerate(blocks(page, "python"))
    if "(Method)" in code
]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "index"), METHODS, ids=lambda each: getattr(each, "name", each))
def test_methods_hold_to_the_protocol(page, index, tmp_path):
    from ltbench.registry import methods
    from ltbench.testing.conformance import check

    path = tmp_path / "shown.py"
    path.write_text(blocks(page, "python")[index])
    with methods.loaded(path) as (name,):
        assert check(name) == []


def test_there_are_methods_to_check():
    assert {page.name for page, _ in METHODS} == {"methods.md", "README.md"}


@pytest.mark.slow
def test_the_gradient_rule_in_three_lines_holds_too(method_file):
    from ltbench.registry import methods
    from ltbench.testing.conformance import check

    every = blocks(ROOT / "docs" / "methods.md", "python")
    (rule,) = [code for code in every if "(Method)" not in code]
    path = method_file("three_lines", "rho: float = 0.05\n\n" + dedent(rule))
    needed = "\nfrom ltbench.api.perturb import scaled\n"
    path.write_text(path.read_text().replace("\nimport os\n", needed))
    assert check(methods.load_file(path)) == []


@pytest.mark.parametrize(
    ("prefix", "module", "name"),
    [
        ("task", "ltbench.api.task", "Task"),
        ("batch", "ltbench.data.batch", "Batch"),
        ("clock", "ltbench.api.task", "Clock"),
        ("step", "ltbench.api.method", "Step"),
    ],
)
def test_the_tables_of_what_hooks_are_given_are_complete(prefix, module, name):
    cls = getattr(importlib.import_module(module), name)
    fields = {*getattr(cls, "__dataclass_fields__", ()), *getattr(cls, "_fields", ())}
    public = fields | {each for each in vars(cls) if not each.startswith("_")}
    text = (ROOT / "docs" / "methods.md").read_text()
    (table,) = re.findall(rf"^\| `{prefix}\.` \|.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    first = " ".join(line.split("|")[1] for line in table.splitlines()[1:])
    assert {each.partition("(")[0] for each in re.findall("`([^`]+)`", first)} == public


def test_the_entry_points_shown_load(tmp_path, monkeypatch):
    from ltbench import Method

    (shown,) = blocks(ROOT / "docs" / "methods.md", "toml")
    ((group, points),) = tomllib.loads(shown)["project"]["entry-points"].items()
    assert group == "ltbench.methods"  # as the registry asks, which tests/test_tree.py tries
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name in ("mine", "others"):
        (package / f"{name}.py").write_text(
            "from ltbench import Method\nclass Other(Method):\n    pass\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    for name, value in points.items():
        found = EntryPoint(name, value, group).load()
        assert issubclass(found if isinstance(found, type) else found.Other, Method)
        assert value.split(":")[0].startswith("my_package.")


def test_the_entry_of_a_data_set_is_one():
    from ltbench.data.catalog import CATALOG, Dataset
    from ltbench.data.info import DatasetInfo

    (code,) = blocks(ROOT / "docs" / "datasets.md", "python")
    info = eval(code, {"DatasetInfo": DatasetInfo})
    assert info.name not in CATALOG
    assert str(Dataset(info, info.imbalance)) == f"{info.name}(imbalance=100)"


def test_tables_and_figures_shown_are_read(tmp_path):
    from ltbench.figures.definition import Figures
    from ltbench.runs.store import Store
    from ltbench.tables.definition import load
    from ltbench.tables.grid import grid_of

    (table,) = blocks(ROOT / "docs" / "quickstart.md", "yaml")
    (tmp_path / "mine.yaml").write_text(table)
    assert len(grid_of(load(str(tmp_path / "mine.yaml")), Store(tmp_path)).rows) == 3
    (figures,) = blocks(ROOT / "docs" / "figures.md", "yaml")
    assert len(Figures.model_validate(yaml.safe_load(figures)).every) == 9


def test_fingerprints_of_the_subsets_are_those_of_the_records():
    text = (ROOT / "docs" / "faq.md").read_text()
    shown = dict(re.findall(r"^\| `(cifar.*?)` \| [\d,]+ \| `(\w+)` \|$", text, re.MULTILINE))
    assert len(shown) == 2
    for path in (ROOT / "results" / "runs").glob("cifar*/*/*/*/seed*.json"):
        record = json.loads(path.read_text())
        held_out = record["settings"]["validation"] or record["settings"]["subset_seed"]
        if record["dataset"] in shown and not held_out and record["settings"]["fraction"] == 1:
            assert record["data"]["indices_sha256"].startswith(shown[record["dataset"]])
