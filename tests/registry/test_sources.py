"""What is executed for a method of somebody's own: importable, hashed, and forgotten on demand."""

import importlib
import sys
from textwrap import dedent

import pytest

from ltbench.errors import UsageError
from ltbench.registry.contents import sources
from ltbench.registry.imports import imported
from ltbench.registry.methods import build, load_file, loaded
from ltbench.registry.signatures import names
from ltbench.runs.code import code_of

MINE = '''
"""Mine."""
{imports}
from ltbench import Method


class Mine(Method):
    """Mine."""

    def losses(self, outputs, batch, clock):
        {lazy}
        return super().losses(outputs, batch, clock)
'''


@pytest.fixture(autouse=True)
def _forget():
    with loaded():
        yield


@pytest.fixture
def write(tmp_path):
    """Write a method that imports something, or any text, under a path; return the path."""

    def write(name, imports="", lazy="", text=None, folder=""):
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        body = MINE.format(imports=imports, lazy=lazy or "pass")
        path.write_text(dedent(body if text is None else text))
        return path

    return write


def identity(path):
    return sources(build(load_file(path)))


def test_a_helper_beside_a_file_can_be_imported_and_counts(write):
    mine = write("mine.py", "from helper import STRENGTH")
    helper = write("helper.py", text="STRENGTH = 1.0")
    before = identity(mine)
    assert set(before) == {"mine", "mine:helper"}
    helper.write_text("STRENGTH = 2.0")  # of the same length, within the same second
    after = identity(mine)
    assert after["mine"] == before["mine"]
    assert after["mine:helper"] != before["mine:helper"]
    assert sys.modules["helper"].STRENGTH == 2.0


def test_a_method_without_helpers_is_what_it_was_before_they_counted(write):
    write("other.py", text="x = 1")
    assert set(identity(write("mine.py", "import math\nimport torch"))) == {"mine"}


@pytest.mark.parametrize(
    ("imports", "lazy"),
    [("import parts.inner", ""), ("from parts import inner", ""), ("", "import parts.inner"),
     ("from parts.inner import X", ""), ("import importlib",
     "importlib.import_module('parts.inner')"), ("from parts import outer", "")],
)  # fmt: skip
def test_modules_count_however_they_are_imported(write, imports, lazy):
    write("__init__.py", text="", folder="parts")
    write("outer.py", text="from .inner import X", folder="parts")
    inner = write("inner.py", text="from .deep import Y as X", folder="parts")
    deep = write("deep.py", text="Y = 1", folder="parts")
    mine = write("mine.py", imports, lazy)
    seen = [identity(mine)]
    assert {"mine", "mine:parts", "mine:parts.inner", "mine:parts.deep"} <= set(seen[0])
    for path in (inner, deep):
        path.write_text(path.read_text() + "\nZ = 3")
        seen.append(identity(mine))
    assert len({tuple(each.items()) for each in seen}) == 3


def test_what_the_page_says_is_not_covered_is_not(write):
    """A file that is read, and a module by a name put together at run time: docs/protocol.md."""
    write("helper.py", text="VALUE = 1\n")
    write("values.txt", text="1\n")
    read = "from pathlib import Path; (Path(__file__).parent / 'values.txt').read_text()"
    path = write("mine.py", f"import importlib; importlib.import_module('hel' + 'per'); {read}")
    load_file(path)
    assert set(sources(build("mine"))) == {"mine"}


def test_a_circle_of_helpers_ends(write):
    write("one.py", text="import two")
    write("two.py", text="import one")
    assert set(identity(write("mine.py", "import one"))) == {"mine", "mine:one", "mine:two"}


def test_what_was_executed_counts_and_not_what_the_file_has_become(write):
    mine = write("mine.py", "import helper")
    helper = write("helper.py", text="X = 1")
    before = identity(mine)
    helper.write_text("X = 2")
    mine.write_text(mine.read_text() + "\n")
    assert sources(build("mine")) == before


def test_nothing_is_left_beside_the_files(write, tmp_path):
    write("helper.py", text="X = 1")
    identity(write("mine.py", "import helper"))
    assert {path.name for path in tmp_path.rglob("*")} == {"mine.py", "helper.py"}


def test_two_folders_may_not_each_have_a_helper_of_one_name(write):
    for folder in ("a", "b"):
        write("helper.py", text=f"X = '{folder}'", folder=folder)
    load_file(write("first.py", "import helper", folder="a"))
    second = write("second.py", "import helper", folder="b")
    with pytest.raises(UsageError, match=r"it imports helper, and that is .*give yours another"):
        load_file(second)
    assert "second" not in names()
    assert sys.modules["helper"].X == "a"


def test_a_helper_does_not_hide_a_module_that_is_there(write):
    write("json.py", text="X = 1")
    with pytest.raises(UsageError, match="it imports json, and that is"):
        load_file(write("mine.py", "import json"))


def test_loaded_files_and_their_helpers_are_forgotten(write):
    write("helper.py", text="X = 1")
    mine, path = write("mine.py", "import helper"), list(sys.path)
    with loaded(mine) as found:
        assert found == ["mine"]
        assert "helper" in sys.modules
    assert "mine" not in names()
    assert "helper" not in sys.modules
    assert "ltbench_loaded_mine" not in sys.modules
    assert sys.path == path


def test_an_installed_method_is_its_package_and_nothing_installed_beside_it(
    write, tmp_path, monkeypatch
):
    place = "site-packages"
    write("__init__.py", text="", folder=f"{place}/stranger_package")
    write("inner.py", text="X = 1", folder=f"{place}/stranger_package")
    write("beside.py", text="X = 1", folder=place)
    write("edited.py", text="X = 1", folder="mine")
    text = "import beside, edited\nfrom . import inner"
    write("method.py", text, folder=f"{place}/stranger_package")
    monkeypatch.syspath_prepend(tmp_path / place)
    monkeypatch.syspath_prepend(tmp_path / "mine")
    found = sources(importlib.import_module("stranger_package.method").Mine())
    assert set(found) == {
        "Mine", "Mine:stranger_package", "Mine:stranger_package.inner", "Mine:edited",
    }  # fmt: skip


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder on the path, as PYTHONPATH puts one there."""
    monkeypatch.syspath_prepend(tmp_path / "library")
    yield "library"
    for name in [name for name in sys.modules if name.partition(".")[0] in ("labs", "lone")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "imports",
    ["import labs.deep", "from labs.deep import X", "from labs import deep",
     "import importlib; importlib.import_module('labs.deep')", "import lone"],
)  # fmt: skip
@pytest.mark.parametrize("package", [True, False])
def test_modules_of_the_path_count_and_are_executed_as_they_are(write, elsewhere, imports, package):
    if package:
        write("__init__.py", text="", folder=f"{elsewhere}/labs")
    write("lone.py", text="from labs.deep import X", folder=elsewhere)
    deep = write("deep.py", text="X = 1", folder=f"{elsewhere}/labs")
    mine = write("mine.py", imports)
    before = identity(mine)
    assert "mine:labs.deep" in before
    assert ("mine:labs" in before) == package
    deep.write_text("X = 2")
    after = identity(mine)
    assert after.pop("mine:labs.deep") != before.pop("mine:labs.deep")
    assert after == before
    assert sys.modules["labs.deep"].X == 2


def test_a_module_of_the_path_is_executed_once_while_it_stays_as_it_is(write, elsewhere):
    write("lone.py", text="X = []", folder=elsewhere)
    load_file(write("one.py", "import lone"))
    first = sys.modules["lone"]
    load_file(write("two.py", "import lone"))
    assert sys.modules["lone"] is first


def test_a_module_that_was_imported_before_is_executed_as_it_is_now(write, elsewhere):
    lone = write("lone.py", text="X = 1", folder=elsewhere)
    importlib.import_module("lone")
    lone.write_text("X = 2")
    assert "mine:lone" in identity(write("mine.py", "import lone"))
    assert sys.modules["lone"].X == 2


def test_the_standard_library_and_what_is_installed_do_not_count(write):
    imports = "import json, sys, time\nimport numpy.linalg\nimport torch\nimport pydantic"
    assert set(identity(write("mine.py", imports))) == {"mine"}


def test_what_a_helper_takes_from_ltbench_counts_as_code(write):
    write("helper.py", text="from ltbench.methods import sam")
    load_file(write("mine.py", "import helper"))
    load_file(write("other.py"))
    assert set(code_of(build("mine"))) - set(code_of(build("other"))) == {"methods/sam"}


@pytest.mark.parametrize(
    "call",
    [
        'importlib.import_module("h2")', 'importlib.import_module(name="h2")',
        'importlib.import_module("h2", None)', '__import__("h2")',
    ],
)  # fmt: skip
def test_a_helper_is_found_by_any_call_that_writes_its_name_out(tmp_path, call):
    path = tmp_path / "mine.py"
    path.write_text(f"import importlib\nhelper = {call}\n")
    assert "h2" in set(imported("mine", path))


def test_a_relative_name_in_a_call_is_of_the_package(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text('import importlib\nh = importlib.import_module(".deep.er", __package__)\n')
    assert "pack.deep.er" in set(imported("pack.mine", path))
