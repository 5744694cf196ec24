"""Which files a module's imports lead to: read with `ast`, nothing is imported."""

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

_INSTALLED = {"site-packages", "dist-packages"}  # folders of what no user edits


def _called(node: ast.Call, package: str) -> list[str]:
    """Return the module that a call imports by a name that is written out, if it does."""
    named = {each.arg: each.value for each in node.keywords}
    word = node.args[0] if node.args else named.get("name")
    called = ast.unparse(node.func).rpartition(".")[2]
    if called not in ("import_module", "__import__") or not isinstance(word, ast.Constant):
        return []
    text = str(word.value)
    level = len(text) - len(text.lstrip("."))
    parts = package.split(".")[: len(package.split(".")) + 1 - level] if level else []
    return [".".join([*parts, text.lstrip(".")])]


def imported(name: str, path: Path) -> Iterator[str]:
    """Yield the dotted names that a module may import, anywhere in its text."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # executing it says what is wrong
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            given = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) + 1 - node.level]
            above = ".".join(parts) if node.level else ""
            base = [word for word in (above, node.module) if word]
            given = [".".join(base), *(".".join([*base, alias.name]) for alias in node.names)]
        elif isinstance(node, ast.Call):  # importlib.import_module("…"), in any of its forms
            given = _called(node, package)
        else:
            continue
        for dotted in given:
            words = dotted.split(".")
            yield from (".".join(words[: end + 1]) for end in range(len(words)))


def closure(name: str, path: Path, root: Path, top: str = "") -> dict[str, Path]:
    """Return the modules that a module imports and somebody wrote, itself included, by dotted name.

    Under `root`, there of the package `top` alone where one is given, and elsewhere on the path;
    ltbench itself, the standard library and what is installed are never among them.
    """
    found, left = {}, [(name, path)]
    while left:
        name, path = left.pop()
        if name in found:
            continue
        found[name] = path
        for other in imported(name, path):
            head = other.partition(".")[0]
            if head == "ltbench" or not all(map(str.isidentifier, other.split("."))):
                continue
            own = file_under(root, other) if not top or head == top else None
            file = own or _file_elsewhere(other)
            if file is not None:
                left.append((other, file))
    return found


def file_under(root: Path, dotted: str) -> Path | None:
    """Return the file of a module that lies in a folder, if it does."""
    base = root.joinpath(*dotted.split("."))
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _file_elsewhere(dotted: str) -> Path | None:
    """Return the file that a name would be imported from, None of one that nobody here edits."""
    folders: list[str] | None = None  # the path
    file = None
    for end in range(1, dotted.count(".") + 2):
        name = ".".join(dotted.split(".")[:end])
        if name in sys.builtin_module_names:
            return None
        spec = PathFinder.find_spec(name, folders)
        if spec is None and end == 1:  # a package that is installed to be edited has its own finder
            spec = _found(name)
        if spec is None or (end <= dotted.count(".") and spec.submodule_search_locations is None):
            return None
        folders = list(spec.submodule_search_locations or [])
        file = Path(spec.origin).resolve() if spec.has_location and spec.origin else None
        if file is not None and _is_installed(file):
            return None
    return file if file is not None and file.is_file() else None


def _found(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # ValueError: a module that was made by hand
        return None


@cache
def _is_installed(file: Path) -> bool:
    if _INSTALLED & set(file.parts):
        return True
    kept = (Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
    return any(file.is_relative_to(folder) for folder in kept)
