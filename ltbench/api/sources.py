"""The files that are executed for a method that is not ltbench's own, and their hashes.

They are the method's file and every module of its own folder (of a file given by hand) or of its
own package (of an installed one) that it imports, at once or later, itself or through another.
"""

import ast
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ltbench.errors import UsageError, first_line

_PREFIX = "ltbench_loaded_"
_hashes: dict[str, dict[str, str]] = {}  # by the method's module, as it was executed


def execute(path: Path) -> ModuleType:
    """Return the module of a file, executed anew with the modules of its folder that it imports.

    Raises UsageError for a file that does not run, or that imports a name which another folder's
    module has already.
    """
    name = _PREFIX + path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise UsageError(f"--load {path}: this is not a Python file; give one that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    folder = path.resolve().parent
    files = _closure(name, path.resolve(), folder)
    for helper in files.keys() - {name}:
        _check_name(path, helper, files[helper])
        sys.modules.pop(helper, None)
    sys.modules[name] = module  # dataclasses look their module up while it runs
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        with _without_bytecode():
            source = importlib.util.decode_source(path.read_bytes())
            exec(compile(source, path, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise UsageError(f"--load {path}: {reason}; mend the file.") from error
    for helper in files.keys() - {name}:
        _check_name(path, helper, files[helper])
    _hashes[name] = _hashed(name, files)
    return module


def hashes_of(module: ModuleType) -> dict[str, str]:
    """Return the SHA-256 of a method's file, under "", and of the modules it imports, by name.

    Of a file given by hand they are as it was executed, whatever has become of it since.
    """
    name = module.__name__
    if name not in _hashes and module.__file__:
        path, top = Path(module.__file__).resolve(), name.partition(".")[0]
        depth = name.count(".") + (path.stem == "__init__")
        _hashes[name] = _hashed(name, _closure(name, path, path.parents[depth], top))
    return _hashes.get(name, {})


@contextmanager
def forgotten_after() -> Iterator[None]:
    """Let a block execute files; what it made importable is forgotten after it."""
    modules, path, hashes = dict(sys.modules), list(sys.path), dict(_hashes)
    try:
        yield
    finally:
        folders = [Path(folder) for folder in sys.path if folder not in path]
        for name in sys.modules.keys() - modules.keys():
            file = getattr(sys.modules[name], "__file__", None)
            if name.startswith(_PREFIX) or (
                file and any(Path(file).is_relative_to(folder) for folder in folders)
            ):
                del sys.modules[name]
        sys.path[:] = path
        _hashes.clear()
        _hashes.update(hashes)


def _closure(name: str, path: Path, root: Path, top: str = "") -> dict[str, Path]:
    """Return the modules under `root` that a module imports, itself included, by dotted name.

    `top` limits them to one package; ltbench itself is never among them.
    """
    found, left = {}, [(name, path)]
    while left:
        name, path = left.pop()
        if name in found:
            continue
        found[name] = path
        for other in imported(name, path):
            head = other.partition(".")[0]
            if head != "ltbench" and (not top or head == top):
                file = _file_of(root, other)
                if file is not None:
                    left.append((other, file))
    return found


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
        elif isinstance(node, ast.Call) and len(node.args) == 1:  # importlib.import_module("…")
            (word,) = node.args
            called = ast.unparse(node.func).rpartition(".")[2]
            given = []
            if called in ("import_module", "__import__") and isinstance(word, ast.Constant):
                given = [str(word.value)]
        else:
            continue
        for dotted in given:
            words = dotted.split(".")
            yield from (".".join(words[: end + 1]) for end in range(len(words)))


def _file_of(root: Path, dotted: str) -> Path | None:
    if not all(word.isidentifier() for word in dotted.split(".")):
        return None
    place = root.joinpath(*dotted.split("."))
    for path in (place / "__init__.py", place.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _check_name(path: Path, helper: str, file: Path) -> None:
    there = getattr(sys.modules.get(helper), "__file__", None)
    if helper in sys.modules and (there is None or Path(there).resolve() != file):
        raise UsageError(
            f"--load {path}: it imports {helper}, and that is {there or 'built in'} here, "
            f"not {file.name} beside it; give yours another name."
        )


def _hashed(name: str, files: dict[str, Path]) -> dict[str, str]:
    return {
        "" if module == name else module: hashlib.sha256(path.read_bytes()).hexdigest()
        for module, path in sorted(files.items())
    }


@contextmanager
def _without_bytecode() -> Iterator[None]:
    """Import from text: neither leave a __pycache__ beside a user's files nor trust one."""
    before = sys.dont_write_bytecode, sys.pycache_prefix
    sys.dont_write_bytecode, sys.pycache_prefix = True, "/nonexistent"
    try:
        yield
    finally:
        sys.dont_write_bytecode, sys.pycache_prefix = before
