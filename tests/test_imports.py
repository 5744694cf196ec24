"""Imports run downwards only: the order of the folders is the order of the data's way."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Each folder may import from the lines above its own, and from nothing beside it in its line.
# docs/tree.md shows the same order.
LEVELS = (
    ("errors", "data.augment", "statistics"),
    ("specification", "yaml_file", "networks"),
    ("data",),
    ("api",),
    ("registry", "blocks", "evaluation"),
    ("engine",),
    ("runs", "testing"),
    ("runs.executors", "analysis", "exchange", "tables"),
    ("tables.write", "planning", "figures"),
    ("report", "cli.views"),
    ("session",),
    ("cli",),
    ("__main__",),
)
LEVEL = {folder: level for level, folders in enumerate(LEVELS) for folder in folders}
NESTED = {folder for folder in LEVEL if "." in folder}


def modules(root):
    """Return the modules of a package by their names, such as `ltbench.runs.store`."""
    paths = (root / "ltbench").rglob("*.py")
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in paths
    }


def home(known):
    """Return the modules that the package's public names load from; its version is its own."""
    for node in ast.parse(known["ltbench"].read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOME":
            return {f"ltbench.{name}": at for name, at in ast.literal_eval(node.value).items()}
    return {}


def imports(path, known):
    """Yield the modules of `known` that a file imports, also those it imports for types only.

    Of a public name of the package the module it loads from; a relative import as it is written.
    """
    public = home(known)
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.level:
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            whole = [public.get(name, name) for name in whole if name != "ltbench.__version__"]
            names = [name if name in known else node.module for name in whole]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name for name in names if name in known)


def folder(module):
    """Return the folder of LEVELS that a module lies in; one beside the folders is one itself."""
    _, *parts = module.split(".")
    nested = ".".join(parts[:2])
    return nested if nested in NESTED else parts[0]


def upward(root):
    """Return every import that does not run down, or is no module's name, `module -> module`."""
    known = modules(root)
    found = []
    for module, path in known.items():
        if module == "ltbench":  # its names load on first use
            continue
        for other in imports(path, known):
            if other.startswith(".") or other == "ltbench":
                found.append(f"{module} -> {other}")
                continue
            own, used = folder(module), folder(other)
            if own != used and LEVEL[used] >= LEVEL[own]:
                found.append(f"{module} -> {other}")
    return sorted(set(found))


def circles(root):
    """Return the modules that import themselves by way of others."""
    known = modules(root)
    others = known.keys() - {"ltbench"}
    graph = {name: others & {*imports(path, known)} - {name} for name, path in known.items()}

    def reached(start):
        seen, todo = set(), [start]
        while todo:
            for other in graph[todo.pop()] - seen:
                seen.add(other)
                todo.append(other)
        return seen

    return sorted(name for name in graph if name in reached(name))


def test_every_folder_has_its_level():
    found = {folder(module) for module in modules(ROOT) if module != "ltbench"}
    assert found == set(LEVEL)


def test_imports_run_downwards():
    assert upward(ROOT) == []


def test_views_print_what_they_are_given():
    """They load no data and no methods, and pack and train nothing."""
    known = modules(ROOT)
    work = {f"ltbench.{each}" for each in (
        "data.listed", "data.loading", "data.own_packed", "data.packing", "registry.methods",
        "runs.portable", "runs.training",
    )}  # fmt: skip
    assert work <= set(known)
    views = {name: path for name, path in known.items() if name.startswith("ltbench.cli.views")}
    found = {name: work & {*imports(path, known)} for name, path in views.items()}
    assert {name: which for name, which in found.items() if which} == {}


def test_no_module_imports_itself_by_way_of_others():
    assert circles(ROOT) == []


def test_the_tree_in_the_docs_is_this_one():
    text = (ROOT / "docs" / "tree.md").read_text()
    drawn = text.split("```text")[1].split("```")[0].splitlines()
    modules = [line.split()[0].rstrip("/").replace("/", ".") for line in drawn if line.strip()]
    harness = [name for name in modules if name.removesuffix(".py") in LEVEL]
    assert {name.removesuffix(".py") for name in harness} == set(LEVEL)
    levels = [LEVEL[name.removesuffix(".py")] for name in harness]
    assert levels == sorted(levels), "the page has the folders in another order"


def test_what_runs_up_or_in_circles_is_found(tmp_path):
    def write(name, text):
        path = tmp_path / "ltbench" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    write("__init__.py", "")
    write("errors.py", "from ltbench.runs import store\n")
    write("runs/__init__.py", "")
    write("runs/store.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
          "    from ltbench.runs.plan import Job\n")  # fmt: skip
    write("runs/plan.py", "import ltbench.runs.store\n")
    write("data/__init__.py", "from ltbench.errors import UsageError\n")
    assert upward(tmp_path) == ["ltbench.errors -> ltbench.runs.store"]
    assert circles(tmp_path) == ["ltbench.runs.plan", "ltbench.runs.store"]


def test_the_package_and_relative_imports_are_no_way_around(tmp_path):
    package = tmp_path / "ltbench"
    for name in ("api", "data"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").touch()
    (package / "__init__.py").write_text(
        '__version__ = "1"\n_HOME = {"Method": "ltbench.api.method"}\n'
    )
    (package / "api" / "method.py").write_text("from ltbench import __version__\n")
    (package / "data" / "batch.py").write_text("from ltbench import Method\n")
    (package / "data" / "splits.py").write_text("from ..api import method\nimport ltbench\n")
    assert upward(tmp_path) == [
        "ltbench.data.batch -> ltbench.api.method",
        "ltbench.data.splits -> ..api",
        "ltbench.data.splits -> ltbench",
    ]
