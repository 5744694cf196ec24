"""The files that are executed for a method that is not ltbench's own, and their hashes.

They are the method's file and every module that it imports, at once or later, itself or through
another: from its own folder (of a file given by hand), its own package (of an installed one), and
anywhere else on the path but the standard library and what else is installed.
"""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ltbench.errors import UsageError, first_line
from ltbench.registry.imports import closure, file_under

_PREFIX = "ltbench_loaded_"
_hashes: dict[str, dict[str, str]] = {}  # by the method's module, as it was executed
_closures: dict[str, dict[str, Path]] = {}  # the files of these hashes


def execute(path: Path) -> ModuleType:
    """Return the module of a file, executed anew with the modules of its folder that it imports.

    Raises UsageError for a file that does not run, or that imports a name which another folder's
    module has already.
    """
    name = _PREFIX + path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise UsageError(f"{path}: this is not a Python file; give one that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    folder = path.resolve().parent
    files = closure(name, path.resolve(), folder)
    beside = {each: file for each, file in files.items() if file_under(folder, each) == file}
    for helper in beside.keys() - {name}:
        _check_name(path, helper, files[helper])
    for helper in _to_execute(files, beside) - {name}:
        _forget(helper)
    sys.modules[name] = module  # dataclasses look their module up while it runs
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        with _without_bytecode():
            source = importlib.util.decode_source(path.read_bytes())
            exec(compile(source, path, "exec"), module.__dict__)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[name]
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise UsageError(f"{path}: {reason}; mend the file.") from error
    for helper in beside.keys() - {name}:
        _check_name(path, helper, files[helper])
    _closures[name], _hashes[name] = files, _hashed(name, files)
    return module


def files_of(module: ModuleType) -> dict[str, Path]:
    """Return the files that are executed for a method, by the names of their modules."""
    name = module.__name__
    if name not in _closures and module.__file__:
        path, top = Path(module.__file__).resolve(), name.partition(".")[0]
        depth = name.count(".") + (path.stem == "__init__")
        _closures[name] = closure(name, path, path.parents[depth], top)
    return _closures.get(name, {})


def hashes_of(module: ModuleType) -> dict[str, str]:
    """Return the SHA-256 of a method's file, under "", and of the modules it imports, by name.

    Of a file given by hand they are as it was executed, whatever has become of it since.
    """
    name = module.__name__
    if name not in _hashes:
        _hashes[name] = _hashed(name, files_of(module))
    return _hashes[name]


@contextmanager
def forgotten_after() -> Iterator[None]:
    """Let a block execute files; what it made importable is forgotten after it."""
    modules, path = dict(sys.modules), list(sys.path)
    hashes, closures = dict(_hashes), dict(_closures)
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
        for now, before in ((_hashes, hashes), (_closures, closures)):
            now.clear()
            now.update(before)  # type: ignore[arg-type]


def _to_execute(files: dict[str, Path], beside: dict[str, Path]) -> set[str]:
    """Return the modules to execute anew: those beside, and all if one elsewhere may be another.

    That is one which is imported, and whose hash is not known to be of what was executed.
    """
    known = {(name, digest) for each in _hashes.values() for name, digest in each.items() if name}
    elsewhere = files.keys() - beside.keys()
    stale = any(
        name in sys.modules and (name, _digest(files[name])) not in known for name in elsewhere
    )
    return set(files) if stale else set(beside)


def _forget(name: str) -> None:
    """Let a module be imported anew, and from packages that are no file as well."""
    sys.modules.pop(name, None)
    package = name.rpartition(".")[0]
    while package:
        if package in sys.modules and getattr(sys.modules[package], "__file__", None) is None:
            del sys.modules[package]
        package = package.rpartition(".")[0]


def _check_name(path: Path, helper: str, file: Path) -> None:
    there = getattr(sys.modules.get(helper), "__file__", None)
    if helper in sys.modules and (there is None or Path(there).resolve() != file):
        raise UsageError(
            f"{path}: it imports {helper}, and that is {there or 'built in'} here, "
            f"not {file.name} beside it; give yours another name."
        )


def _hashed(name: str, files: dict[str, Path]) -> dict[str, str]:
    return {
        "" if module == name else module: _digest(path) for module, path in sorted(files.items())
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _without_bytecode() -> Iterator[None]:
    """Import from text: neither leave a __pycache__ beside a user's files nor trust one."""
    before = sys.dont_write_bytecode, sys.pycache_prefix
    sys.dont_write_bytecode, sys.pycache_prefix = True, "/nonexistent"
    try:
        yield
    finally:
        sys.dont_write_bytecode, sys.pycache_prefix = before
