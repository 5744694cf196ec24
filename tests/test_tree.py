"""The tree keeps its shape: no method named in the harness, data apart from code, small files."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HARNESS = sorted((ROOT / "ltbench").rglob("*.py"))
METHODS = sorted(path for path in (ROOT / "methods").glob("*.py") if path.stem != "__init__")
NAMES = {path.stem for path in METHODS}
DEVICES = {"cuda"}  # a literal that is this and no more is the device, not the method of its name


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(tree: ast.AST) -> set[int]:
    """Return the ids of the docstrings' nodes."""
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, nodes) and node.body and isinstance(node.body[0], ast.Expr)
    }


def named_methods(source: str, names: set[str]) -> Iterator[tuple[int, str]]:
    """Yield line and text of string literals that name a method and are no prose.

    A literal with a space in it, such as a help text or a message, is prose; `"sam"`, `"ce+"` or
    `"ldam_drw+sam(rho=0.8)"` is not.
    The name of a device alone is the device.
    """
    tree = ast.parse(source)
    docstrings = prose(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        text = node.value
        if id(node) in docstrings or re.search(r"\s", text.strip()):
            continue
        if text not in DEVICES and names & set(re.findall(r"\w+", text)):
            yield node.lineno, text


def test_the_harness_never_names_a_method():
    found = {name_of(path): [*named_methods(path.read_text(), NAMES)] for path in HARNESS}
    assert {path: named for path, named in found.items() if named} == {}


def test_the_search_for_names_finds_them_and_lets_prose_be():
    source = '''
"""sam"""
def f(method):
    """sam"""
    if method.name == "sam": return f"ce+{method}"
    return {"ldam_drw+sam(rho=0.8)": 1, 'sam': "such as ce or sam", "sample": "same", "x": "dance"}
device = "cuda"; other = "bcl+cuda"
'''
    found = sorted(text for _, text in named_methods(source, {"sam", "ce", "ldam_drw", "cuda"}))
    assert found == ["bcl+cuda", "ce+", "ldam_drw+sam(rho=0.8)", "sam", "sam"]


def imported(path: Path) -> list[str]:
    """Return the modules that a file imports."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


# The registry looks methods up by name; the package that holds them is all that it imports.
@pytest.mark.parametrize(
    ("files", "methods"),
    [(HARNESS, r"ltbench\.methods\."), (METHODS, r"(ltbench\.)?methods\b")],
    ids=["harness", "methods"],
)
def test_nothing_imports_a_method(files, methods):
    found = {name_of(path) for path in files for m in imported(path) if re.match(methods, m)}
    assert found == set()


def test_no_file_of_harness_or_methods_has_more_than_250_lines():
    lines = {name_of(p): len(p.read_text().splitlines()) for p in [*HARNESS, *METHODS]}
    assert {name: count for name, count in lines.items() if count > 250} == {}


def classes_by_name(paths: list[Path]) -> dict[str, list[str]]:
    """Return the modules that define each class whose name is not underscored, by the name."""
    found: dict[str, list[str]] = {}
    for path in paths:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(name_of(path))
    return found


def test_no_two_modules_define_classes_of_one_name():
    defined = classes_by_name([*HARNESS, *METHODS])
    assert len(defined) > 200
    assert {name: where for name, where in defined.items() if len(where) > 1} == {}


def test_tables_is_a_folder_that_can_be_surveyed():
    assert len(list((ROOT / "ltbench" / "tables").glob("[!_]*.py"))) <= 17


@pytest.mark.parametrize("folder", ["tables", "results"])
def test_data_folders_hold_no_python(folder):
    assert [name_of(path) for path in (ROOT / folder).rglob("*.py")] == []


def test_every_file_of_a_method_is_found_under_its_own_name():
    from ltbench.registry.methods import find
    from ltbench.registry.signatures import names

    assert set(names()) >= NAMES
    for name in NAMES:
        assert find(name).__module__ == f"ltbench.methods.{name}"


def test_importing_the_methods_folder_from_the_repository_root_is_refused():
    call = [sys.executable, "-c", "import methods"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ImportError: import methods as ltbench.methods" in done.stderr


def test_csv_is_written_in_one_place():
    files = [*HARNESS, *METHODS, *(ROOT / "docs").glob("*.py")]
    writer = re.compile(r"\bcsv\.(Dict)?[wW]riter\b")
    assert [name_of(p) for p in files if writer.search(p.read_text())] == ["ltbench/runs/files.py"]


# Tests use what is public, so that what is private can change.


OF_NAMED_TUPLES = {"_fields", "_replace", "_asdict"}  # public, in spite of their names


def is_private(name: str) -> bool:
    return re.fullmatch(r"_[^\W_]\w*", name) is not None and name not in OF_NAMED_TUPLES


def private_names(source: str) -> set[str]:
    """Return the private functions, classes, methods, variables and attributes of a file."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    return set(filter(is_private, found))


def touched(source: str, private: set[str]) -> Iterator[tuple[int, str]]:
    """Yield line and name of private names that a file imports, reads, sets or patches.

    A string counts where it names what is patched: the end of a dotted path, or the second
    argument of `setattr` and its like.
    """
    for node in ast.walk(ast.parse(source)):
        named = []
        if isinstance(node, ast.ImportFrom):
            named = [alias.name for alias in node.names]
        if isinstance(node, ast.Attribute):
            named = [node.attr]
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            path, _, last = node.value.rpartition(".")
            named = [last] * bool(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attr"):
            named = [each.value for each in node.args[1:2] if isinstance(each, ast.Constant)]
        for name in private.intersection(named):
            yield node.lineno, name


def test_no_test_touches_a_private_name_of_another_module():
    sources = [*HARNESS, *METHODS, *(ROOT / "docs").glob("*.py")]
    private = set().union(*(private_names(path.read_text()) for path in sources))
    tests = (ROOT / "tests").rglob("*.py")
    found = {name_of(path): [*touched(path.read_text(), private)] for path in tests}
    assert {path: names for path, names in found.items() if names} == {}


def test_the_search_for_private_names_finds_every_way_to_one():
    private = private_names("def _f(): self._x = 1\n_A = 2\nclass _C: ...\n_, b = 1, __file__")
    assert private == {"_f", "_x", "_A", "_C"}
    source = 'from m import _f, b\no._x\no._x = 1\npatch("m._A")\nsetattr(m, "_C")\np._u, "_f"'
    assert sorted(touched(source, private)) == [
        (1, "_f"), (2, "_x"), (3, "_x"), (4, "_A"), (5, "_C")
    ]  # fmt: skip


def unmarked(source: str) -> Iterator[str]:
    """Yield the tests of a file that ask for conformance, seconds each, and are not marked slow."""
    tree = ast.parse(source)
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "ltbench.testing.conformance"
        for alias in node.names
    }
    asking = {"conformance.check", *imported & {"check"}}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            called = {ast.unparse(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)}
            marks = map(ast.unparse, node.decorator_list)
            if asking & called and "pytest.mark.slow" not in marks:
                yield node.name


def test_whatever_asks_for_conformance_is_marked_slow():
    tests = (ROOT / "tests").rglob("test_*.py")
    found = {name_of(path): [*unmarked(path.read_text())] for path in tests}
    assert {path: names for path, names in found.items() if names} == {}
    head = "from ltbench.testing.conformance import check\n"
    plain = "def test_a(): assert check('ce') == []\n"
    assert [*unmarked(head + plain)] == ["test_a"]
    assert [*unmarked(head + "@pytest.mark.slow\n" + plain)] == []
    assert [*unmarked("from elsewhere import check\n" + plain)] == []


# Adding a method edits no other file.


def test_a_file_given_by_hand_is_a_method_like_any_other(method_file):
    from ltbench.registry.methods import build, describe, find, load_file, role
    from ltbench.registry.signatures import names

    assert load_file(method_file("brought", "strength: float = 1.0")) == "brought"
    assert "brought" in names()
    assert role(find("brought")) == "method"
    assert describe(build("brought(strength=2)+sam")) == "brought(strength=2.0)+sam"


@pytest.mark.slow
def test_an_installed_package_brings_methods_by_entry_points(tmp_path):
    (tmp_path / "strangers.py").write_text(
        '''"""A stranger's method."""

from dataclasses import dataclass

from ltbench import Method


@dataclass
class Stranger(Method):
    """Cross-entropy."""

    strength: float = 1.0
'''
    )
    (tmp_path / "broken.py").write_text("raise ValueError('of its own')\n")
    information = tmp_path / "strangers-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[ltbench.methods]\n"
        "as_a_class = strangers:Stranger\n"
        "as_a_module = strangers\n"
        "no_method = pathlib:Path\n"
        "broken = broken\n"
    )
    script = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from ltbench.errors import UsageError
from ltbench.registry.methods import build, describe, find
from ltbench.registry.signatures import names
assert {{"as_a_class", "as_a_module", "no_method", "broken"}} <= set(names())
for name in ("as_a_class", "as_a_module"):
    assert describe(build(name + "(strength=2)+sam")) == name + "(strength=2.0)+sam"
    assert find(name).__name__ == "Stranger"
for name, words in (("no_method", "is not a Method"), ("broken", "of its own")):
    try:
        find(name)
    except UsageError as error:
        assert name in str(error) and words in str(error), error
    else:
        raise AssertionError(name)
sys.argv = ["ltbench", "run", "--methods", "as_a_class,as_a_module", "--dataset", "digits_lt",
            "--protocol", "smoke", "--seeds", "1", "--quiet"]
from ltbench.cli import main
main()
"""
    call = [sys.executable, "-c", script]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = sorted(path.parent.name for path in tmp_path.rglob("seed0.json"))
    assert found == ["as_a_class", "as_a_module"]


# Test files that are named after no module of the folder that they mirror, and what they test.
SPANNING = {
    "attacks/test_attack.py": "the sharing of records, by mutated files",
    "cli/test_annotated.py": "a data set with annotations, from its images to a table",
    "cli/test_bad_input.py": "every command, given nonsense",
    "cli/test_commands.py": "every command, as started",
    "cli/test_exchange.py": "export, merge, evaluate and plan as typed",
    "cli/test_large.py": "a listed data set, from its archives to a table",
    "cli/test_main.py": "what ends a command from outside",
    "cli/test_names_first.py": "names checked before torch is imported, by every command",
    "cli/test_own_labels.py": "images of one's own with several labels, to a record",
    "cli/test_outputs.py": "where commands write",
    "engine/test_devices.py": "training on a GPU",
    "methods/test_files.py": "every method's file",
    "methods/test_label_losses.py": "every loss of images with several labels",
    "methods/test_ranges.py": "every method's parameters",
    "runs/executors/test_contract.py": "what every executor keeps to",
    "runs/test_build_once.py": "planning and execution together",
    "runs/test_file_systems.py": "the writing of results, on file systems that lack things",
    "runs/test_hostile_methods.py": "whole runs of methods that misbehave",
    "runs/test_killed_runs.py": "whole runs that are killed and go on",
    "runs/test_step_profile.py": "a step-imbalanced data set, from its images to a table",
    "runs/test_survival.py": "a store that others write into",
    "test_benchmark_figures.py": "`docs/benchmarks.py`",
    "test_committed.py": "the records in `results/`, which are data",
    "test_docs.py": "`docs/` and the README",
    "test_imports.py": "which folder imports which",
    "test_method_pages.py": "`docs/method_pages.py`",
    "test_pictures.py": "`docs/pictures.py`",
    "test_pinned.py": "names and fingerprints that never change",
    "test_project.py": "`pyproject.toml` and what is built from it",
    "test_quality_curves.py": "`docs/quality.py`",
    "test_readings.py": "`docs/readings.md`",
    "test_tree.py": "the shape of the tree",
}


def module_of(test: Path) -> Path | None:
    """Return the module or package that a test file is named after, whole or with a part of it.

    `runs/test_execute_first_stage.py` tests a part of `runs/execute.py`.
    """
    folder = test.parent.relative_to(ROOT / "tests")
    home = ROOT / folder if folder.parts[:1] == ("methods",) else ROOT / "ltbench" / folder
    words = test.stem.removeprefix("test_").split("_")
    for count in range(len(words), 0, -1):
        named = home / "_".join(words[:count])
        if named.with_suffix(".py").is_file() or (named / "__init__.py").is_file():
            return named
    return None


def test_a_test_file_is_named_after_what_it_tests():
    apart = {"benchmarks", "browser", "support"}  # other sessions, and what tests share
    tests = [
        path
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if path.relative_to(ROOT / "tests").parts[0] not in apart
    ]
    strays = {str(path.relative_to(ROOT / "tests")) for path in tests if module_of(path) is None}
    assert strays == set(SPANNING)
    part = module_of(ROOT / "tests/runs/test_execute_first_stage.py")
    assert part == ROOT / "ltbench/runs/execute"


def test_a_wheel_has_every_package_and_every_kind_of_data_file():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent for path in (ROOT / "ltbench").rglob("*.py")}
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert packages <= set(settings["packages"])
    data = [
        path for path in (ROOT / "ltbench").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]  # fmt: skip
    assert data
    listed = {
        path
        for package, patterns in settings["package-data"].items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    assert set(data) <= listed
