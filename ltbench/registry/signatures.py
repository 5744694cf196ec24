"""Which methods there are and what each takes, read from their files: no method is imported.

A method is a file of `ltbench.methods`, an entry point of that group, or a file given to
`load_file`. `canonical` writes a specification as records are filed under it.
"""

import ast
import pkgutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from ltbench.api.signature import Signature, signature_of_composition
from ltbench.errors import UsageError
from ltbench.registry.declarations import Declaration, declarations
from ltbench.registry.reading import SourceFile, UnreadableError, defined, settled, source_of
from ltbench.specification import Term, parse

GROUP = "ltbench.methods"
_METHOD, _ALIAS = "ltbench.api.method.Method", "ltbench.api.alias.Alias"
# UnreadableError is a ValueError; the others are what 1 + "a", 1 / 0 or a name that is defined by
# itself bring.
_NONSENSE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_loaded: dict[str, Path] = {}  # by `load_file`


def canonical(specification: str) -> str:
    """Return a specification as its records are filed under it.

    A part that no method here is called stays as it is written. Raises UsageError for a text that
    is no specification, or a variant, parameter or value that its method does not take.
    """
    return "+".join(str(_canonical(term)) for term in parse(specification))


def names() -> list[str]:
    """Return every method name there is, sorted."""
    return sorted({*own(), *installed(), *_loaded})


@contextmanager
def remembering() -> Iterator[None]:
    """Forget after a block the files remembered in it, and look up anew what is installed."""
    before = dict(_loaded)
    installed.cache_clear()
    try:
        yield
    finally:
        installed.cache_clear()
        _loaded.clear()
        _loaded.update(before)


def lacking(specifications: Iterable[str], known: Collection[str]) -> list[str]:
    """Return the names in specifications that are not among the known methods."""
    found = dict.fromkeys(term.name for text in specifications for term in parse(text))
    return [name for name in found if name not in known]


def load_file(path: Path) -> str:
    """Make the method in a Python file known under the file's stem, and return that name.

    The file is run only when the method is built. Raises UsageError as `checked_name` does, and
    for a file that is no Python.
    """
    name = checked_name(path)
    try:
        _ = SourceFile(name, path).tree
    except UnreadableError as error:
        raise UsageError(f"{path}: {error}; mend the file.") from None
    _loaded[name] = path
    return name


def loaded_file(name: str) -> Path | None:
    """Return the file that `load_file` was given for a method, None where it was given none."""
    return _loaded.get(name)


def loaded_files() -> tuple[Path, ...]:
    """Return the files that `load_file` was given, in order."""
    return tuple(_loaded.values())


def checked_name(path: Path) -> str:
    """Return the name of the method in a file.

    Raises UsageError for a file that is missing or cannot be one's, or a name that is taken.
    """
    name = path.stem
    if not path.is_file() or not name.isidentifier():
        raise UsageError(f"{path}: give an existing Python file named like a method.")
    if path.suffix != ".py":
        raise UsageError(f"{path}: this is not a Python file; give one that ends in .py.")
    if name in own() or name in installed():
        raise UsageError(f"{path}: a method {name} exists already; rename the file.")
    return name


def signature(name: str) -> Signature | None:
    """Return a method's parameters and variants, read from its file without running it.

    None for an unknown name, and for a file whose declarations only running it would give.
    """
    try:
        if name in _loaded:
            return _of_module(SourceFile(f"ltbench_loaded_{name}", _loaded[name]), name)
        if name in own():
            return _own_signature(name)
        if name in installed():
            (point, *_) = entry_points(group=GROUP, name=name)
            return _of_point(point, name)
    except _NONSENSE:
        pass
    return None


@cache
def own() -> frozenset[str]:
    """Return the methods that come with ltbench."""
    spec = find_spec(GROUP)
    assert spec is not None
    return frozenset(each.name for each in pkgutil.iter_modules(spec.submodule_search_locations))


def is_foreign(specification: str) -> bool:
    """Return whether a part of a specification does not come with ltbench."""
    return any(term.name not in own() for term in parse(specification))


@cache
def installed() -> frozenset[str]:
    """Return the methods that other installed packages bring."""
    return frozenset(point.name for point in entry_points(group=GROUP))


@cache
def _own_signature(name: str) -> Signature:
    source = source_of(f"{GROUP}.{name}")
    assert source is not None
    return _of_module(source, name)


def _of_point(point: EntryPoint, name: str) -> Signature:
    if point.attr:
        source, node = defined(settled(f"{point.module}.{point.attr}"))
        if isinstance(node, ast.ClassDef):
            return _of_class(Declaration(source, node), name)
    elif (source_ := source_of(point.module)) is not None:
        return _of_module(source_, name)
    raise UnreadableError(f"{point.value} is no class in a file")


def _of_module(source: SourceFile, name: str) -> Signature:
    """Return the signature of a file's first method, which is the one it is named after."""
    for declared in declarations(source):
        if _METHOD in declared.ancestors:
            return _of_class(declared, name)
    raise UnreadableError(f"{source.path} defines no method")


def _of_class(declared: Declaration, name: str) -> Signature:
    variants = declared.attribute("variants") or {}
    if _ALIAS not in declared.ancestors:
        return Signature(name, declared.parameters, variants)
    composition, owners = declared.attribute("composition"), declared.attribute("owners") or {}
    return signature_of_composition(name, composition, owners, variants, _of_part)


def _of_part(name: str) -> Signature:
    found = signature(name)
    if found is None:
        raise UnreadableError(f"{name} cannot be read")
    return found


def _canonical(term: Term) -> Term:
    if not term.variant and not term.parameters:
        return term  # so that a table of plain names reads no method's file
    found = signature(term.name)
    if found is None:
        return term
    return found.term(term.variant, {**found.usual(term.variant), **found.given(term)})
