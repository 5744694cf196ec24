"""What of ltbench computes a run, as hashes: another commit may compute the same, or not."""

import ast
import hashlib
import importlib.util
import io
import sys
import tokenize
from collections.abc import Container, Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

from ltbench.api.compose import leaves
from ltbench.api.method import Method
from ltbench.registry.imports import imported
from ltbench.registry.sources import files_of

ROOTS = ("ltbench.engine.fit", "ltbench.api.compose")  # every run goes through these
LOADING = "ltbench.data.loading"  # every run's images come through this
# What of `runs` a record's scores go through; planning, filing and words of it are not in these.
RUNS = (
    "ltbench.runs.portable", "ltbench.runs.pretrained", "ltbench.runs.protocol",
    "ltbench.runs.recording", "ltbench.runs.training",
)  # fmt: skip
SILENT = {"ltbench", "ltbench.methods", "ltbench.errors"}  # no number depends on them


def code_of(method: Method) -> dict[str, str]:
    """Return a hash of each group of modules that compute a method's runs, by the group's name.

    Comments and docstrings do not count.
    """
    return {
        group: hashlib.sha256(
            "\n".join(f"{name}\n{_text(path)}" for name, path in modules.items()).encode()
        ).hexdigest()[:12]
        for group, modules in modules_of(method).items()
    }


def hash_of(module: ModuleType) -> str:
    """Return a hash of a module's own code; comments and docstrings do not count."""
    assert module.__file__ is not None
    return hashlib.sha256(_text(Path(module.__file__)).encode()).hexdigest()[:12]


def modules_of(method: Method) -> dict[str, dict[str, Path]]:
    """Return the modules of ltbench that compute a method's runs, by group and name.

    `engine`, `data` … and `methods/NAME`, what the method and the training loop import; beside
    these `data/loading`, what else reads images, and `runs`, what evaluates a training: under names
    of their own, since older records lack them. Files that are not ltbench's own are a method's
    `sources`.
    """
    own = sorted({type(part).__module__ for part in leaves(method)})
    left = [*ROOTS, *own]
    for module in (sys.modules[name] for name in own if not name.startswith("ltbench.")):
        for helper, file in files_of(module).items():  # it imports from ltbench too
            left += _own_imports(helper, file)
    found = _closure(left)
    groups: dict[str, dict[str, Path]] = {}
    for name, path in sorted(found.items()):
        folder, *rest = name.split(".")[1:] if name.startswith("ltbench.") else [""]
        if folder and name not in SILENT:
            group = f"{folder}/{rest[0]}" if folder == "methods" else folder
            groups.setdefault(group, {})[name] = path
    groups["data/loading"] = dict(sorted(_closure([LOADING], found).items()))
    groups["runs"] = {name: own_file for name in RUNS if (own_file := _file_of(name)) is not None}
    return groups


def _closure(roots: Iterable[str], beside: Container[str] = ()) -> dict[str, Path]:
    """Return the modules of ltbench that roots import, themselves included, but those beside."""
    found: dict[str, Path] = {}
    left = list(roots)
    while left:
        name = left.pop()
        path = _file_of(name)
        if path is not None and name not in found and name not in beside:
            found[name] = path
            left += [] if name in SILENT else _imports(name, path)
    return found


def stripped(source: str) -> str:
    """Return a module's text without comments, docstrings and empty lines."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and _is_text(node.value):
            first, last = node.lineno - 1, node.end_lineno or node.lineno
            head = lines[first].encode()[: node.col_offset].decode()  # what opens a block
            lines[first:last] = [head, *[""] * (last - first - 1)]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@cache
def _file_of(name: str) -> Path | None:
    """Return the file of a module, None for a name that is none or is not ltbench's."""
    loaded = sys.modules.get(name)
    if loaded is None and name.startswith("ltbench."):
        try:
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError:  # a class or function of a module
            return None
        return Path(spec.origin) if spec is not None and spec.origin else None
    file = getattr(loaded, "__file__", None)
    return Path(file) if file else None


def _own_imports(name: str, path: Path) -> list[str]:
    return [other for other in imported(name, path) if other.startswith("ltbench.")]


_imports = cache(_own_imports)  # of ltbench's own files, which do not change under a run


@cache
def _text(path: Path) -> str:
    return stripped(path.read_text(encoding="utf-8"))
